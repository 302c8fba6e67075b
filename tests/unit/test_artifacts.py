"""Every file has one schema: what is written is read back, what is wrong is named in one line."""

import json
from math import inf, isinf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
from finished_run import evaluation
from pydantic import ValidationError

from tenfold.artifacts.evaluation import Curve, RunEvaluation
from tenfold.artifacts.training import JournalRecord, Timings
from tenfold.errors import RunError

FIX = "train it again"
KEPT = {"rule": "last", "selected_on": "nothing"}
RECORD: dict[str, Any] = {
    "step": 10,
    "stage": 0,
    "learning_rate": 0.001,
    "batch_size": 32,
    "l2_coefficient": 0.01,
    "images": 320,
    "seconds": 0.25,
    "train_nll": 2.5,
    "weight_loss": 0.3,
    "images_per_second": None,
    "nll_sum": 1083.5,
    "accuracy": 0.252,
}


def test_a_written_evaluation_is_read_back(tmp_path: Path) -> None:
    facts = evaluation(members=2, on="test", kept=KEPT)
    found = RunEvaluation.model_validate(facts)
    path = found.write_file(tmp_path / "evaluation.json")
    assert RunEvaluation.read_file(path, FIX) == found
    written = json.loads(path.read_text())
    assert written["mistakes"] == json.loads(json.dumps(facts["mistakes"]))  # base64 as before
    assert written["models"] == json.loads(json.dumps(facts["models"]))


def test_a_loss_that_diverged_is_still_a_record(tmp_path: Path) -> None:
    record = JournalRecord.model_validate(RECORD | {"train_nll": inf, "weight_loss": nan})
    path = record.write_file(tmp_path / "journal.jsonl")
    [found] = JournalRecord.read_lines(path, FIX)
    assert isinf(found.train_nll)
    assert isnan(found.weight_loss)
    assert json.loads(path.read_text())["train_nll"] == inf  # as Python's json writes it


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "cannot be read"),
        ("\udcff", "not UTF-8 text"),
        ("{", "not valid JSON"),
        ("[]", "should be an object"),
        (json.dumps(RECORD | {"accuracy": 1.5}), "accuracy: "),
        (json.dumps(RECORD | {"nll_sum": nan}), "nll_sum: "),
        (json.dumps(RECORD | {"speed": 1}), "speed: Extra inputs"),
    ],
)
def test_a_fault_is_one_line_with_path_field_and_fix(
    text: str | None, fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    if text is not None:
        path.write_text(text, errors="surrogateescape")
    with pytest.raises(RunError) as raised:
        JournalRecord.read_file(path, FIX)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith(f"; {FIX}")
    assert fault in message
    assert "\n" not in message


def test_the_line_of_a_fault_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(f"{json.dumps(RECORD)}\n{{}}\n")
    with pytest.raises(RunError, match=r"journal\.jsonl: step: .*line 2"):
        JournalRecord.read_lines(path, FIX)


def test_pixels_are_as_many_as_an_image_has() -> None:
    facts = evaluation(members=2, on="test", kept=KEPT)
    facts["mistakes"][0]["image"] = "AAAA"
    with pytest.raises(ValidationError, match="784"):
        RunEvaluation.model_validate(facts)


def test_a_curve_has_one_length() -> None:
    with pytest.raises(ValidationError, match="differ in length"):
        Curve(name="ensemble", step=(1, 2), nll_sum=(3.0, 2.0), accuracy=(0.5,))


def test_only_seconds_are_summed() -> None:
    assert Timings(training_seconds=2.5).total_seconds == 2.5
    assert Timings(training_seconds=2.5, evaluation_seconds=1).total_seconds == 3.5
