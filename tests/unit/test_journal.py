"""The journal: what was appended comes back, and what a killed run left is cut."""

from pathlib import Path

import numpy as np
import pytest
from training_records import record_of

from tenfold.errors import RunError
from tenfold.training.journal import Journal

IMAGES = 7


def filled(folder: Path, evaluations: int) -> tuple[Journal, np.ndarray]:
    log_p = -np.random.default_rng(0).exponential(3, (evaluations, IMAGES, 10)).astype(np.float32)
    journal = Journal(folder)
    for index in range(evaluations):
        journal.append(record_of(10 * index, accuracy=0.1 + index / 4), log_p[index])
    return journal, log_p


def test_records_and_predictions_come_back(tmp_path: Path) -> None:
    journal, log_p = filled(tmp_path, 3)
    assert journal.records() == [record_of(10 * i, accuracy=0.1 + i / 4) for i in range(3)]
    for index in range(3):
        back = journal.log_probabilities(index, IMAGES)
        assert back.dtype == np.float16
        # Float16 has 11 bits: half of the last one is 1 / 2048 of the value.
        np.testing.assert_allclose(back.astype(np.float64), log_p[index], rtol=1 / 2048)


@pytest.mark.parametrize("kept", range(4))
def test_a_truncated_journal_has_the_bytes_of_a_shorter_run(kept: int, tmp_path: Path) -> None:
    for name in ("long", "short"):
        (tmp_path / name).mkdir()
    short, _ = filled(tmp_path / "short", kept)
    journal, _ = filled(tmp_path / "long", 3)
    # A killed run may end anywhere: within a record, within an array.
    with journal.path.open("a") as file:
        file.write('{"step": 40, "acc')
    with journal.probabilities_path.open("ab") as file:
        file.write(b"torn")
    journal.truncate(short.sizes())
    assert journal.records() == [record_of(10 * i, accuracy=0.1 + i / 4) for i in range(kept)]
    assert len(journal.probabilities_path.read_bytes()) == kept * IMAGES * 10 * 2
    assert journal.sizes() == {"journal.jsonl": 0, "log_probabilities.f16": 0} | short.sizes()
    for index in range(kept):
        same = journal.log_probabilities(index, IMAGES) == short.log_probabilities(index, IMAGES)
        assert same.all()


def test_truncating_to_nothing_starts_empty_files(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.truncate()
    assert journal.records() == []
    assert journal.probabilities_path.read_bytes() == b""


@pytest.mark.parametrize("name", ["journal.jsonl", "log_probabilities.f16"])
def test_a_journal_shorter_than_its_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    journal, _ = filled(tmp_path, 3)
    sizes = journal.sizes()
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match=rf"{name}: shorter than at the last checkpoint; delete its"):
        journal.truncate(sizes)


def test_an_evaluation_without_predictions_is_recorded(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.truncate()
    journal.append(record_of(5))
    assert journal.records() == [record_of(5)]
    assert journal.sizes()["log_probabilities.f16"] == 0


def test_damage_is_told_in_one_line_with_the_file(tmp_path: Path) -> None:
    journal, _ = filled(tmp_path, 2)
    with pytest.raises(RunError, match=r"log_probabilities\.f16: evaluation 2 cannot be read"):
        journal.log_probabilities(2, IMAGES)
    journal.path.write_text('{"step": 1}\n{"step"\n')
    with pytest.raises(RunError, match=r"journal\.jsonl: stage: .* line 1; ") as caught:
        journal.records()
    assert "\n" not in str(caught.value)
    journal.path.unlink()
    with pytest.raises(RunError, match=r"journal\.jsonl: cannot be read"):
        journal.records()
