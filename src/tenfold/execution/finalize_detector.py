"""Finalizing a run that trained a detector: its bundle, calibration and evaluation."""

from pathlib import Path

import numpy as np

from tenfold.artifacts.detection import DetectorEvaluation
from tenfold.bundle.detector_graph import State, build_detector_graph, calibrate_objectness
from tenfold.bundle.detector_runtime import OnnxCellDetector, OnnxDetector
from tenfold.bundle.format import SHIPPED, DetectorFacts, NetworkFacts
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.save import add_detector, copy_bundle
from tenfold.data.sources import load_digits
from tenfold.evaluation.fields import (
    evaluate_fields,
    fit_calibration,
    fit_min_probability,
    read_objectness,
    read_probabilities,
)
from tenfold.evaluation.tables import evaluate_tables
from tenfold.execution.run import Run
from tenfold.model.detector_config import DetectorConfig
from tenfold.reading.grid import GridReader
from tenfold.reading.number_reader import NumberReader, NumberReaderConfig, calibrated
from tenfold.reading.reader import load_number_reader
from tenfold.training.checkpoint import load_checkpoint

MAX_ACCEPTED_WRONG = 0.01


def finalize_detector(run: Run, config: DetectorConfig) -> DetectorEvaluation:
    """Bundle a trained detector with the shipped networks, calibrate it, and measure it.

    Objectness and the probability of whole numbers are calibrated on fields written with the
    validation digits. The figures are of fields written with the test digits.
    """
    recipe = run.recipe
    if config.finds == "cells":
        return _finalize_cells(run, config)
    members = [_with_calibrated_objectness(state, config, run) for state in _trained(run)]
    model = build_detector_graph(config, members).SerializeToString()
    detector = OnnxDetector(model, run.manifest.threads)
    classifier = OnnxClassifier.load(SHIPPED)
    calibration, min_probability = _calibrate(NumberReader(detector, classifier), run)
    facts = DetectorFacts(
        network=config,
        members=len(members),
        calibration=calibration,
        min_probability=min_probability,
        recipe=recipe.name,
        seed=recipe.seed,
    )
    bundle: Path = run.path / "bundle"
    copy_bundle(SHIPPED, bundle)
    add_detector(bundle, facts, model)
    reader = NumberReader(detector, classifier, NumberReaderConfig.of(facts))
    return evaluate_fields(reader, load_digits(recipe.data.spec, "test"), recipe.fields.test)


def _finalize_cells(run: Run, config: DetectorConfig) -> DetectorEvaluation:
    """Bundle a detector of cells with the shipped networks, and measure them on tables."""
    recipe = run.recipe
    members = _trained(run)
    model = build_detector_graph(config, members).SerializeToString()
    bundle: Path = run.path / "bundle"
    copy_bundle(SHIPPED, bundle)
    facts = NetworkFacts(network=config, members=len(members), recipe=recipe.name, seed=recipe.seed)
    add_detector(bundle, facts, model)
    cells = OnnxCellDetector(model, run.manifest.threads)
    reader = GridReader(cells, load_number_reader(SHIPPED, run.manifest.threads))
    return evaluate_tables(reader, load_digits(recipe.data.spec, "test"), recipe.fields.test)


def _trained(run: Run) -> list[State]:
    """Return the weights of each member."""
    states = (load_checkpoint(member / "weights.safetensors")[0] for member in run.members)
    return [{key: value.numpy() for key, value in state.items()} for state in states]


def _with_calibrated_objectness(state: State, config: DetectorConfig, run: Run) -> State:
    """Let objectness be the probability that there is an object."""
    detector = OnnxDetector(build_detector_graph(config, [state]).SerializeToString())
    p, is_object = read_objectness(detector, run.digits()[1], run.recipe.fields.evaluation)
    return calibrate_objectness(state, *fit_calibration(p, is_object))


def _calibrate(reader: NumberReader, run: Run) -> tuple[tuple[float, float], float]:
    """Fit the calibration, then the probability from which a number is accepted."""
    digits = run.digits()[1]
    count = run.recipe.fields.calibration
    p, right = read_probabilities(reader, digits, count)
    calibration = fit_calibration(p, right)
    p = np.array([calibrated(value, calibration) for value in p])
    return calibration, fit_min_probability(p, right, MAX_ACCEPTED_WRONG)
