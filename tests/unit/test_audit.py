"""The audit finds labels that were flipped on purpose, and judges nobody it has seen."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenfold.artifacts.studies import AuditResult
from tenfold.data.digits import Digits, synthetic_digits
from tenfold.errors import MissingExtraError, RecipeError
from tenfold.execution.config import Execution
from tenfold.report.audit import write_audit
from tenfold.studies import audit as module
from tenfold.studies.audit import audit, deal
from tenfold.training.recipe import load_recipe

EXECUTION = Execution(device="cpu", precision="float32", threads=1)


@pytest.fixture(scope="module")
def spoilt() -> tuple[Digits, set[int]]:
    """Draw 1,000 digits and give 30 of them the next digit's label."""
    digits = synthetic_digits(1_000, 3)
    wrong = set(range(0, 990, 33))
    labels = digits.labels.clone()
    for index in wrong:
        labels[index] = (labels[index] + 1) % 10
    return Digits(digits.images, labels, "spoilt", "synthetic"), wrong


def test_flipped_labels_are_found(
    spoilt: tuple[Digits, set[int]], tmp_path: Path, require_module: Callable[[str], Any]
) -> None:
    require_module("cleanlab")
    digits, wrong = spoilt
    seen: list[tuple[int, int]] = []
    recipe = load_recipe("smoke", ["members=1", "training.stages.1.iterations=60"])
    result = audit(digits, recipe, EXECUTION, folds=3, on_step=lambda a, b: seen.append((a, b)))
    found = {suspect.index for suspect in result.suspects}
    assert len(found & wrong) >= 0.9 * len(found)  # by chance 3 %
    assert len(found & wrong) >= 20  # of 30
    right = synthetic_digits(1_000, 3).labels
    agreed = [s.suggestion == int(right[s.index]) for s in result.suspects[:20]]
    assert sum(agreed) >= 18  # what it suggests is what was flipped
    assert seen[-1][0] == seen[-1][1] == len(seen)
    page = write_audit(result, tmp_path / "audit.html").read_text()
    assert AuditResult.read_file(tmp_path / "audit.json", "audit again") == result
    shown = [int(number) for number in re.findall(r"no\. (\d+)", page)]
    assert shown == [suspect.index for suspect in result.suspects][:300]


def test_every_image_is_held_out_once_and_never_trained_on_then() -> None:
    labels = np.arange(100) % 10
    held: list[int] = []
    for training, held_out in deal(labels, 5, seed=1):
        assert not set(training.tolist()) & set(held_out.tolist())
        assert len(training) + len(held_out) == 100
        assert np.bincount(labels[held_out]).tolist() == [2] * 10
        held += held_out.tolist()
    assert sorted(held) == list(range(100))


def test_without_cleanlab_the_extra_is_named(
    spoilt: tuple[Digits, set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"tenfold\[audit\]"):
        audit(spoilt[0], load_recipe("smoke"), EXECUTION)


def test_a_recipe_of_a_detector_is_refused(spoilt: tuple[Digits, set[int]]) -> None:
    with pytest.raises(RecipeError, match="page: trains a detector; name a recipe of a classif"):
        audit(spoilt[0], load_recipe("page"), EXECUTION)
