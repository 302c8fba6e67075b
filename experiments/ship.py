"""Put what a run trained into a shipped bundle; its other networks stay as they are.

python experiments/ship.py RUN src/tenfold/bundles/field

Weights of classifiers become float16. If the bundle's `weight_type` is int8, the weights of all
networks but the detector of cells are rounded to eight bits. What the run and the bundle then score
on MNIST's test images is printed, and must agree. If the bundle reads numbers, their probabilities
are calibrated anew unless the run trained a detector of cells, which has no part in them. That
takes minutes.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from number_reading import validation_digits
from onnx import TensorProto, helper, numpy_helper

from tenfold.bundle.format import (
    NETWORKS,
    CellDetectorFacts,
    CropFacts,
    DetectorFacts,
    LineFacts,
    NetworkFacts,
    read_card,
    read_config,
    read_network,
)
from tenfold.bundle.graph_builder import quantize
from tenfold.bundle.save import add_network, save_bundle
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.sources import load_digits
from tenfold.evaluation.evaluate import evaluate_bundle
from tenfold.execution.finalize_reader import calibrate_numbers
from tenfold.execution.run import Run
from tenfold.training.recipe import Recipe, load_recipe


def trained_network(recipe: Recipe) -> type[NetworkFacts] | None:
    """Return which of `NETWORKS` a recipe trains; None for classifiers."""
    if recipe.detector:
        return DetectorFacts if recipe.detector.finds == "digits" else CellDetectorFacts
    return next((kind for kind in (LineFacts, CropFacts) if getattr(recipe, kind.KEY)), None)


def with_eight_bits(model: bytes) -> bytes:
    """Round the float16 weights of a network: integers, and a scale for each output of a layer."""
    found = onnx.load_from_string(model)
    constants = {constant.name: constant for constant in found.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in found.graph.node:
        kept = constants.get(node.input[0]) if node.op_type == "Cast" else None
        if kept is None or kept.data_type != TensorProto.FLOAT16:
            nodes.append(node)
            continue
        steps, scales = quantize(numpy_helper.to_array(kept).astype(np.float32), axis=0)
        (output,), scale, widened = node.output, f"{kept.name}.scale", f"{kept.name}.steps"
        kept.CopyFrom(numpy_helper.from_array(steps, kept.name))
        found.graph.initializer.append(numpy_helper.from_array(scales, scale))
        nodes.append(helper.make_node("Cast", [kept.name], [widened], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [widened, scale], [output]))
    del found.graph.node[:]
    found.graph.node.extend(nodes)
    onnx.checker.check_model(found, full_check=True)
    return bytes(found.SerializeToString())


def ship_classifiers(run: Run, target: Path) -> None:
    """Replace the classifiers of a bundle, with their calibration and their part of the card."""
    original, now = run.bundle(), read_config(target)
    others = [network for kind in NETWORKS if (network := read_network(target, kind))]
    float16_states = [
        {key: v.half() if v.is_floating_point() else v for key, v in network.state_dict().items()}
        for network in original.networks
    ]
    changes = {"name": now.name, "weight_type": now.weight_type}
    config = original.config.model_copy(update=changes)
    save_bundle(target, config, float16_states, read_card(run.path / "bundle"))
    for facts, model in others:
        add_network(target, facts, model)
    test = load_digits("mnist", "test")
    for name, bundle in (("run", original), ("shipped", Bundle.load(target))):
        headline = evaluate_bundle(bundle, test).headline
        print(f"{name}: {headline.errors} mistakes, nll_sum {headline.nll_sum:.2f}")


def ship(run: Run, target: Path, calibration: int) -> None:
    """Replace what a run trained in a bundle; calibrate numbers on some pictures of each kind."""
    kind = trained_network(run.recipe)
    if kind is None:
        ship_classifiers(run, target)
    elif network := read_network(run.path / "bundle", kind):
        facts, model = network
        if read_config(target).weight_type == "int8" and kind is not CellDetectorFacts:
            model = with_eight_bits(model)
        add_network(target, facts, model)
    if kind is not CellDetectorFacts and read_config(target).detector:
        calibrate_numbers(target, validation_digits(), calibration)


def main() -> None:
    """Ship a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    ship(Run.open(options.run), options.target, load_recipe("page").fields.calibration)
    print(f"{sum(file.stat().st_size for file in options.target.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
