"""Finalizing a run that trained a detector or a line recogniser.

Its bundle is the shipped one with the new network in it. Objectness and the probability of whole
numbers are calibrated on fields written with the validation digits. The figures are of fields
written with the test digits.
"""

from pathlib import Path

import numpy as np

from tenfold.artifacts.detection import DetectorEvaluation
from tenfold.bundle.detector_graph import build_detector_graph, calibrate_objectness
from tenfold.bundle.detector_runtime import OnnxCellDetector, OnnxDetector
from tenfold.bundle.format import (
    SHIPPED,
    DetectorFacts,
    LineFacts,
    NetworkFacts,
    find_detector,
)
from tenfold.bundle.graph_layers import State
from tenfold.bundle.line_graph import build_line_graph
from tenfold.bundle.save import add_network, copy_bundle
from tenfold.data.digits import Digits
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
from tenfold.model.line_config import LineConfig
from tenfold.reading.grid import GridReader
from tenfold.reading.number_reader import NumberReaderConfig, calibrated
from tenfold.reading.reader import load_number_reader
from tenfold.training.checkpoint import load_checkpoint

MAX_ACCEPTED_WRONG = 0.01


def finalize_detector(run: Run, config: DetectorConfig) -> DetectorEvaluation:
    """Bundle a trained detector with the shipped networks, calibrate it, and measure it."""
    recipe = run.recipe
    members = _trained(run)
    bundle: Path = run.path / "bundle"
    copy_bundle(SHIPPED, bundle)
    if config.finds == "cells":
        facts = NetworkFacts(
            network=config, members=len(members), recipe=recipe.name, seed=recipe.seed
        )
        model = build_detector_graph(config, members).SerializeToString()
        add_network(bundle, facts, model)
        cells = OnnxCellDetector(model, run.manifest.threads)
        reader = GridReader(cells, load_number_reader(SHIPPED, run.manifest.threads))
        return evaluate_tables(reader, load_digits(recipe.data.spec, "test"), recipe.fields.test)
    members = [_with_calibrated_objectness(state, config, run) for state in members]
    facts = DetectorFacts(
        network=config, members=len(members), recipe=recipe.name, seed=recipe.seed
    )
    add_network(bundle, facts, build_detector_graph(config, members).SerializeToString())
    return _calibrated(run, bundle)


def finalize_line_recogniser(run: Run, config: LineConfig) -> DetectorEvaluation:
    """Bundle a trained line recogniser with the shipped networks, calibrate it, and measure it."""
    recipe = run.recipe
    bundle: Path = run.path / "bundle"
    copy_bundle(SHIPPED, bundle)
    facts = LineFacts(network=config, recipe=recipe.name, seed=recipe.seed)
    add_network(bundle, facts, build_line_graph(config, _trained(run)[0]).SerializeToString())
    return _calibrated(run, bundle)


def _calibrated(run: Run, bundle: Path) -> DetectorEvaluation:
    """Calibrate and measure the networks of a bundle that read numbers."""
    calibrate_numbers(bundle, run.digits()[1], run.recipe.fields.calibration, run.manifest.threads)
    reader = load_number_reader(bundle, run.manifest.threads)
    test = load_digits(run.recipe.data.spec, "test")
    return evaluate_fields(reader, test, run.recipe.fields.test)


def calibrate_numbers(bundle: Path, digits: Digits, count: int, threads: int = 1) -> None:
    """Fit a bundle's probabilities of numbers, and from which one a number is accepted.

    Args:
        bundle: a folder; the facts of its detector are changed.
        digits: which none of its networks has seen.
        count: pictures of each set of `HELD_OUT`.
        threads: CPU threads.
    """
    _, facts, model = find_detector(bundle)
    reader = load_number_reader(bundle, threads).configured(NumberReaderConfig())
    p, right = read_probabilities(reader, digits, count)
    calibration = fit_calibration(p, right)
    p = np.array([calibrated(value, calibration) for value in p])
    min_probability = fit_min_probability(p, right, MAX_ACCEPTED_WRONG)
    changes = {"calibration": calibration, "min_probability": min_probability}
    add_network(bundle, facts.model_copy(update=changes), model)


def _trained(run: Run) -> list[State]:
    """Return the weights of each member."""
    states = (load_checkpoint(member / "weights.safetensors")[0] for member in run.members)
    return [{key: value.numpy() for key, value in state.items()} for state in states]


def _with_calibrated_objectness(state: State, config: DetectorConfig, run: Run) -> State:
    """Let objectness be the probability that there is an object."""
    detector = OnnxDetector(build_detector_graph(config, [state]).SerializeToString())
    p, is_object = read_objectness(detector, run.digits()[1], run.recipe.fields.evaluation)
    return calibrate_objectness(state, *fit_calibration(p, is_object))
