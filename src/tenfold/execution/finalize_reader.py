"""Finalizing a run that trained a network of the reader, not a classifier.

Its bundle is the shipped one with the new network in it. Objectness and the probability of whole
numbers are calibrated on fields written with the validation digits. The figures are of fields
written with the test digits.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tenfold.artifacts.detection import DetectorEvaluation
from tenfold.bundle.crop_graph import build_crop_graph
from tenfold.bundle.detector_graph import build_detector_graph, calibrate_objectness
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.format import (
    SHIPPED,
    CellDetectorFacts,
    CropFacts,
    DetectorFacts,
    LineFacts,
    NetworkFacts,
    find_network,
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
from tenfold.reading.grid import GridReader
from tenfold.reading.number_reader import NumberReaderConfig, calibrated
from tenfold.reading.reader import load_cell_detector, load_number_reader
from tenfold.training.checkpoint import load_checkpoint

MAX_ACCEPTED_WRONG = 0.01


def finalize_reader(run: Run) -> DetectorEvaluation:
    """Put what was trained into a copy of the shipped bundle, calibrate it, and measure it."""
    recipe, threads = run.recipe, run.manifest.threads
    bundle = run.path / "bundle"
    copy_bundle(SHIPPED, bundle, "float32")
    add_network(bundle, *_network(run))
    test = load_digits(recipe.data.spec, "test")
    if recipe.detector and recipe.detector.finds == "cells":
        cells = load_cell_detector(bundle, threads)
        reader = GridReader(cells, load_number_reader(bundle, threads))
        return evaluate_tables(reader, test, recipe.fields.test)
    calibrate_numbers(bundle, run.digits()[1], recipe.fields.calibration, threads)
    return evaluate_fields(load_number_reader(bundle, threads), test, recipe.fields.test)


def _network(run: Run) -> tuple[NetworkFacts, bytes]:
    """Return the facts and the ONNX file of what was trained."""
    states = (load_checkpoint(member / "weights.safetensors")[0] for member in run.members)
    members: list[State] = [
        {key: value.numpy() for key, value in state.items()} for state in states
    ]
    recipe = run.recipe
    trained: dict[str, Any] = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "data": "+".join(recipe.data_sets),
    }
    if recipe.line:
        line = LineFacts(network=recipe.line, **trained)
        return line, build_line_graph(recipe.line, members[0]).SerializeToString()
    if recipe.crop:
        crops = CropFacts(network=recipe.crop, **trained)
        return crops, build_crop_graph(recipe.crop, members[0]).SerializeToString()
    network = recipe.detector or DetectorConfig()
    is_for_digits = network.finds == "digits"
    if is_for_digits:
        members = [_with_calibrated_objectness(state, network, run) for state in members]
    facts = (DetectorFacts if is_for_digits else CellDetectorFacts)(
        network=network,
        members=len(members),
        **trained,
    )
    return facts, build_detector_graph(network, members).SerializeToString()


def calibrate_numbers(bundle: Path, digits: Digits, count: int, threads: int = 1) -> None:
    """Fit a bundle's probabilities of numbers, and from which one a number is accepted.

    Args:
        bundle: a folder; the facts of its detector are changed.
        digits: which none of its networks has seen.
        count: pictures of each set of `HELD_OUT`.
        threads: CPU threads.
    """
    _, facts, model = find_network(bundle, DetectorFacts)
    reader = load_number_reader(bundle, threads).configured(NumberReaderConfig())
    p, right = read_probabilities(reader, digits, count)
    calibration = fit_calibration(p, right)
    p = np.array([calibrated(value, calibration) for value in p])
    min_probability = fit_min_probability(p, right, MAX_ACCEPTED_WRONG)
    changes = {"calibration": calibration, "min_probability": min_probability}
    add_network(bundle, facts.model_copy(update=changes), model)


def _with_calibrated_objectness(state: State, config: DetectorConfig, run: Run) -> State:
    """Let objectness be the probability that there is an object."""
    detector = OnnxDetector(build_detector_graph(config, [state]).SerializeToString())
    p, is_object = read_objectness(detector, run.digits()[1], run.recipe.fields.evaluation)
    return calibrate_objectness(state, *fit_calibration(p, is_object))
