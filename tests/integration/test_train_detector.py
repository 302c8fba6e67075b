"""The networks of the reader, trained for a moment, from the recipe to the bundle."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.format import (
    SHIPPED,
    CropFacts,
    DetectorFacts,
    LineFacts,
    find_network,
    read_network,
)
from tenfold.bundle.line_runtime import OnnxLineRecogniser
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.execution.run import Run
from tenfold.execution.train import train
from tenfold.training.recipe import Recipe, load_recipe

pytestmark = pytest.mark.processes

DETECTOR = """
name = "tiny-page"
description = "a detector of two networks that are trained for a moment"
members = 2
[detector]
stem = [4, 8]
body = 8
dilations = [1]
head = 8
"""
LINE = """
name = "tiny-line"
description = "a line recogniser that is trained for a moment"
[line]
stem = [4, 6, 8]
line = 8
dilations = [1]
"""
CROP = """
name = "tiny-crop"
description = "a crop classifier that is trained for a moment"
[crop]
filters = [4, 6, 8]
blocks = [0, 1, 0]
[outlier_exposure]
symbols = 0.5
"""
MOMENT = """
[data]
spec = "synthetic"
validation = 100
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


def trained(tables: str, folder: Path) -> tuple[Recipe, Run]:
    """Train a recipe for a moment; its run keeps it as it is."""
    (folder / "tiny.toml").write_text(tables + MOMENT)
    recipe = load_recipe(folder / "tiny.toml")
    run = train(recipe, out=folder / "run")
    assert load_recipe(run.path / "recipe.toml") == recipe
    return recipe, run


def test_a_detector_is_trained_bundled_and_measured(tmp_path: Path) -> None:
    recipe, run = trained(DETECTOR, tmp_path)
    evaluation = run.detector_evaluation
    assert all(s.fields == 1 for s in evaluation.sets)
    found = read_network(run.path, DetectorFacts)
    assert found is not None
    facts, model = found
    assert (facts.network, facts.members, facts.recipe) == (recipe.detector, 2, "tiny-page")
    grey = np.full((40, 60), 200, np.uint8)
    assert OnnxDetector(model).detect(grey, 0.0).boxes.shape[1] == 4
    assert OnnxClassifier.load(run.path).config.detector == facts
    again = train(recipe, out=tmp_path / "run")
    assert again.detector_evaluation == evaluation


def test_a_line_recogniser_is_trained_bundled_and_measured(tmp_path: Path) -> None:
    recipe, run = trained(LINE, tmp_path)
    assert all(s.fields == 1 for s in run.detector_evaluation.sets)
    found = read_network(run.path, LineFacts)
    assert found is not None
    facts, model = found
    assert (facts.network, facts.recipe) == (recipe.line, "tiny-line")
    steps = OnnxLineRecogniser(model).log_probabilities(np.full((2, 32, 40), 200, np.uint8))
    assert steps.shape == (2, 20, 15)
    calibration, shipped = (
        find_network(path, DetectorFacts)[1].calibration for path in (run.path, SHIPPED)
    )
    assert calibration != shipped  # it was fitted with the new network
    again = train(recipe, out=tmp_path / "run")
    assert again.detector_evaluation == run.detector_evaluation


def test_a_crop_classifier_is_trained_bundled_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)
    monkeypatch.setattr("tenfold.training.crops.load_symbols", lambda: symbols)
    recipe, run = trained(CROP, tmp_path)
    assert all(s.fields == 1 for s in run.detector_evaluation.sets)
    found = read_network(run.path, CropFacts)
    assert found is not None
    facts, model = found
    assert (facts.network, facts.recipe) == (recipe.crop, "tiny-crop")
    assert facts.data == "synthetic+bhmsds-symbols"
    crops = np.full((2, 32, 32), 200, np.uint8)
    assert OnnxCropClassifier(model).probabilities(crops).shape == (2, 11)
    calibration, shipped = (
        find_network(path, DetectorFacts)[1].calibration for path in (run.path, SHIPPED)
    )
    assert calibration != shipped  # it was fitted with the new network
