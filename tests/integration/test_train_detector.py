"""A detector that is trained for a moment, from the recipe to its bundle."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.format import read_detector
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.execution.train import train
from tenfold.training.recipe import load_recipe

pytestmark = pytest.mark.processes

RECIPE = """
name = "tiny-page"
description = "a detector of two networks that are trained for a moment"
members = 2
[data]
spec = "synthetic"
validation = 100
[detector]
stem = [4, 8]
body = 8
dilations = [1]
head = 8
[fields]
evaluation = 5
calibration = 1
test = 1
[training]
evaluate_every = 2
[[training.stages]]
iterations = 4
learning_rate = 0.003
batch_size = 2
"""


def test_a_detector_is_trained_bundled_and_measured(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE)
    recipe = load_recipe(tmp_path / "tiny.toml")
    run = train(recipe, out=tmp_path / "run")
    assert load_recipe(run.path / "recipe.toml") == recipe
    evaluation = run.detector_evaluation
    assert all(s.fields == 1 for s in evaluation.sets)
    found = read_detector(run.path)
    assert found is not None
    facts, model = found
    assert (facts.network, facts.members, facts.recipe) == (recipe.detector, 2, "tiny-page")
    grey = np.full((40, 60), 200, np.uint8)
    assert OnnxDetector(model).detect(grey, 0.0).boxes.shape[1] == 4
    assert OnnxClassifier.load(run.path).config.detector == facts
    again = train(recipe, out=tmp_path / "run")
    assert again.detector_evaluation == evaluation
