"""Finalizing a run that trained a detector: its bundle, calibration and evaluation."""

from pathlib import Path

import numpy as np

from tenfold.artifacts.detection import DetectorEvaluation
from tenfold.bundle.detector_graph import build_detector_graph
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.format import SHIPPED, DetectorFacts
from tenfold.bundle.save import add_detector, copy_bundle
from tenfold.data.sources import load_digits
from tenfold.evaluation.fields import (
    evaluate_fields,
    fit_calibration,
    fit_min_probability,
    read_probabilities,
)
from tenfold.execution.run import Run
from tenfold.model.detector_config import DetectorConfig
from tenfold.reading.number_reader import NumberReader, NumberReaderConfig, calibrated
from tenfold.training.checkpoint import load_checkpoint

MAX_ACCEPTED_WRONG = 0.01


def finalize_detector(run: Run, config: DetectorConfig) -> DetectorEvaluation:
    """Bundle a trained detector with the shipped classifier, calibrate it, and measure it.

    Calibration reads fields written with the validation digits; the figures are of fields written
    with the test digits.
    """
    recipe = run.recipe
    state, _ = load_checkpoint(run.members[0] / "weights.safetensors")
    arrays = {key: value.numpy() for key, value in state.items()}
    model = build_detector_graph(config, arrays).SerializeToString()
    detector = OnnxDetector(model, run.manifest.threads)
    calibration, min_probability = _calibrate(detector, run)
    facts = DetectorFacts(
        network=config,
        calibration=calibration,
        min_probability=min_probability,
        recipe=recipe.name,
        seed=recipe.seed,
    )
    bundle: Path = run.path / "bundle"
    copy_bundle(SHIPPED, bundle)
    add_detector(bundle, facts, model)
    reader = NumberReader(detector, NumberReaderConfig.of(facts))
    return evaluate_fields(reader, load_digits(recipe.data.spec, "test"), recipe.fields.test)


def _calibrate(detector: OnnxDetector, run: Run) -> tuple[tuple[float, float], float]:
    """Fit the calibration, then the probability from which a number is accepted."""
    digits = run.digits()[1]
    count = run.recipe.fields.calibration
    p, right = read_probabilities(NumberReader(detector), digits, count)
    calibration = fit_calibration(p, right)
    p = np.array([calibrated(value, calibration) for value in p])
    return calibration, fit_min_probability(p, right, MAX_ACCEPTED_WRONG)
