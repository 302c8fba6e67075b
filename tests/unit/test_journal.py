"""The journal: what was appended comes back, and what a killed run left is cut."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.errors import RunError
from tenfold.training.journal import Journal

IMAGES = 7


def filled(folder: Path, evaluations: int) -> tuple[Journal, np.ndarray]:
    log_p = -np.random.default_rng(0).exponential(3, (evaluations, IMAGES, 10)).astype(np.float32)
    journal = Journal(folder)
    for index in range(evaluations):
        journal.append({"step": 10 * index, "accuracy": 0.1 + index / 3}, log_p[index])
    return journal, log_p


def test_records_and_predictions_come_back(tmp_path: Path) -> None:
    journal, log_p = filled(tmp_path, 3)
    assert journal.records() == [{"step": 10 * i, "accuracy": 0.1 + i / 3} for i in range(3)]
    for index in range(3):
        back = journal.log_probabilities(index, IMAGES)
        assert back.dtype == np.float16
        # Float16 has 11 bits: half of the last one is 1 / 2048 of the value.
        np.testing.assert_allclose(back.astype(np.float64), log_p[index], rtol=1 / 2048)


@pytest.mark.parametrize("kept", range(4))
def test_keeping_the_first_evaluations_gives_the_bytes_of_a_shorter_run(
    kept: int, tmp_path: Path
) -> None:
    (tmp_path / "long").mkdir()
    (tmp_path / "short").mkdir()
    journal, _ = filled(tmp_path / "long", 3)
    # A killed run may end anywhere: within a record, within an array.
    with journal.path.open("a") as file:
        file.write('{"step": 40, "acc')
    with journal.probabilities_path.open("ab") as file:
        file.write(b"torn")
    journal.keep(kept, IMAGES)
    short, log_p = Journal(tmp_path / "short"), filled(tmp_path / "other", 0)[1]
    short.keep(0, IMAGES)
    log_p = -np.random.default_rng(0).exponential(3, (3, IMAGES, 10)).astype(np.float32)
    for index in range(kept):
        short.append({"step": 10 * index, "accuracy": 0.1 + index / 3}, log_p[index])
    assert journal.path.read_bytes() == short.path.read_bytes()
    assert journal.probabilities_path.read_bytes() == short.probabilities_path.read_bytes()


def test_keeping_nothing_starts_empty_files(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.keep(0, IMAGES)
    assert journal.records() == []
    assert journal.probabilities_path.read_bytes() == b""


@pytest.mark.parametrize("name", ["journal.jsonl", "log_probabilities.f16"])
def test_a_journal_shorter_than_its_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    journal, _ = filled(tmp_path, 3)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match="journal shorter than its checkpoint says; delete this"):
        journal.keep(3, IMAGES)


def test_damage_is_told_in_one_line_with_the_file(tmp_path: Path) -> None:
    journal, _ = filled(tmp_path, 2)
    with pytest.raises(RunError, match=r"log_probabilities\.f16: evaluation 2 cannot be read"):
        journal.log_probabilities(2, IMAGES)
    journal.path.write_text('{"step": 1}\n{"step"\n')
    with pytest.raises(RunError, match=r"journal\.jsonl: not a journal: ") as caught:
        journal.records()
    assert "\n" not in str(caught.value)
    journal.path.unlink()
    with pytest.raises(RunError, match=r"journal\.jsonl: cannot be read"):
        journal.records()
