"""A bundle as an ONNX graph: uint8 images in, calibrated probabilities out.

Normalisation, test-time augmentation, the average over members and the temperature are in the
graph, so that callers cannot get them wrong. Batch norm is folded into the weights.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tenfold.bundle.format import IMAGES, MEMBERS, PROBABILITIES, BundleConfig
from tenfold.bundle.graph_builder import Array, GraphBuilder, fold_batch_norm
from tenfold.bundle.test_time_augmentation import (
    VARIANTS,
    TestTimeAugmentation,
    interpolation_weights,
)
from tenfold.bundle.weights import Weights, member_weights
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.model.config import NetworkConfig, PoolKind

_WINDOW: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
_LEAST_PROBABILITY = 1e-38  # keeps the logarithm finite


def build_graph(config: BundleConfig, weights: Weights, card: str = "") -> onnx.ModelProto:
    """Write a bundle as an ONNX model.

    Args:
        config: of the bundle; also says how weights are kept. All is computed in float32.
        weights: float32, as `read_weights` returns them.
        card: travels in the model's metadata, as does the config.

    Returns:
        a model of one input, `images` uint8[n, 28, 28], and two outputs: `probabilities`
        float32[n, 10], calibrated, and `members` float32[n, members, 10], each member's own
        before the temperature.
    """
    graph = GraphBuilder(config.weight_type)
    pixels = graph.add("Cast", [IMAGES], to=TensorProto.FLOAT)
    pixels = graph.add("Div", [pixels, graph.floats("white", 255)])
    variants = _variants(graph, pixels, config.test_time_augmentation)
    logits = [
        _network(graph, variants, member, member_weights(weights, index), f"{index:02}.")
        for index, member in enumerate(config.members)
    ]
    _average(graph, logits, config)
    inputs = [helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["n", SIDE, SIDE])]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
        for name, shape in ((PROBABILITIES, [CLASSES]), (MEMBERS, [len(logits), CLASSES]))
    ]
    described = config.model_dump_json(exclude={"model_sha256", "weights_sha256"})
    threshold = str(config.rejection_threshold)
    metadata = {"bundle": described, "card": card, "rejection_threshold": threshold}
    if config.weight_type == "int8":
        metadata["precision"] = "INT8"
    return graph.model(config.name, inputs, outputs, metadata)


def _average(graph: GraphBuilder, logits_of_members: Sequence[str], config: BundleConfig) -> None:
    """Add the average over variants, then over members, then the temperature."""
    by_variant = graph.integers("by_variant", VARIANTS[config.test_time_augmentation], -1, CLASSES)
    graph.integers("zero", 0)
    graph.integers("one", 1)
    members = []
    for logits in logits_of_members:
        p = graph.add("Reshape", [graph.add("Softmax", [logits], axis=1), by_variant])
        mean = graph.add("ReduceMean", [p, "zero"], keepdims=0)
        members.append(graph.add("Unsqueeze", [mean, "one"]))
    together = graph.add("Concat", members, MEMBERS, axis=1)
    mean = graph.add("ReduceMean", [together, "one"], keepdims=0)
    least = graph.floats("least", _LEAST_PROBABILITY)
    log_p = graph.add("Log", [graph.add("Max", [mean, least])])
    scaled = graph.add("Div", [log_p, graph.floats("temperature", config.temperature)])
    graph.add("Softmax", [scaled], PROBABILITIES, axis=1)


def _variants(graph: GraphBuilder, pixels: str, augmentation: TestTimeAugmentation) -> str:
    """Add the v variants of images [n, 28, 28]: [v·n, 1, 28, 28], variants first."""
    image = graph.integers("image", -1, 1, SIDE, SIDE)
    if augmentation == "none":
        return graph.add("Reshape", [pixels, image])
    index, weight = interpolation_weights()
    both = graph.add("Concat", [pixels, _deskewed(graph, pixels)], axis=1)
    near = graph.add(
        "Gather", [graph.add("Flatten", [both]), graph.integers("neighbours", *index)], axis=1
    )
    weighted = graph.add("Mul", [near, graph.floats("interpolation_weights", weight)])
    variants = graph.add("ReduceSum", [weighted, graph.integers("over_neighbours", 2)], keepdims=0)
    return graph.add("Reshape", [graph.add("Transpose", [variants], perm=[1, 0, 2]), image])


def _deskewed(graph: GraphBuilder, pixels: str) -> str:
    """Add `tenfold.data.deskew.deskewed`, [n, 28, 28] to as many.

    A pixel is a sum over its row, weighted by 1 less the distance to the place that it is read
    from. So no index depends on the image.
    """
    axis = np.arange(SIDE)
    columns, rows = graph.floats("columns", axis), graph.floats("rows", axis[:, None])
    tiny, unit = graph.floats("tiny", 1e-6), graph.floats("unit", 1)
    plane = graph.integers("plane", 1, 2)

    def total(*factors: str) -> str:
        product = factors[0]
        for factor in factors[1:]:
            product = graph.add("Mul", [product, factor])
        return graph.add("ReduceSum", [product, plane])

    mass = graph.add("Max", [total(pixels), tiny])
    x = graph.add("Sub", [columns, graph.add("Div", [total(pixels, columns), mass])])
    y = graph.add("Sub", [rows, graph.add("Div", [total(pixels, rows), mass])])
    variance = graph.add("Max", [total(pixels, y, y), tiny])
    slope = graph.add("Div", [total(pixels, y, x), variance])
    slope = graph.add("Clip", [slope, graph.floats("least_slope", -1), unit])
    source = graph.add("Add", [graph.add("Mul", [slope, y]), columns])
    apart = graph.add("Unsqueeze", [source, graph.integers("inner", 3)])
    distance = graph.add("Abs", [graph.add("Sub", [apart, columns])])
    weight = graph.add("Relu", [graph.add("Sub", [unit, distance])])
    row = graph.add("Unsqueeze", [pixels, graph.integers("outer", 2)])
    return graph.add("ReduceSum", [graph.add("Mul", [weight, row]), "inner"], keepdims=0)


def _network(
    graph: GraphBuilder, x: str, config: NetworkConfig, weights: Weights, prefix: str
) -> str:
    """Add a `DigitNetwork` from pixels [n, 1, 28, 28] to logits [n, 10]."""
    x = graph.add("Sub", [x, graph.floats(f"{prefix}mean", config.input_mean)])
    x = graph.add("Div", [x, graph.floats(f"{prefix}std", config.input_std)])
    side, scale = SIDE, 1.0  # of what the next layer reads
    for block in range(len(config.widths)):
        name = f"blocks.{block}"
        weight, bias = _folded(weights, name, "convolution")
        inputs = graph.layer_inputs(x, prefix + name, scale * weight, bias)
        x = graph.add("Conv", inputs, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        x, scale = _pooled(graph, graph.add("Relu", [x]), config.pooling, side)
        side = -(-side // 2)
    x = graph.add("Flatten", [x], axis=1)
    layers = {
        name: _folded(weights, name, "linear")
        for name in (f"dense.{index}" for index in range(len(config.fully_connected)))
    }
    layers["output"] = weights["output.weight"], weights["output.bias"]
    for index, (name, (weight, bias)) in enumerate(layers.items()):
        if index:
            slope = config.fully_connected_slope
            x = graph.add("LeakyRelu", [x], alpha=slope) if slope else graph.add("Relu", [x])
        read = weight if index else scale * _by_channel(weight, config.widths[-1])
        x = graph.add("Gemm", graph.layer_inputs(x, prefix + name, read.T, bias, axis=1))
    return x


def _folded(weights: Weights, name: str, layer: str) -> tuple[Array, Array]:
    """Return a layer's weight [o, …] and bias [o] in float64, batch norm folded in."""
    weight = weights[f"{name}.{layer}.weight"]
    if f"{name}.norm.weight" not in weights:
        return weight.astype(np.float64), weights[f"{name}.{layer}.bias"].astype(np.float64)
    parts = ("weight", "bias", "running_mean", "running_var")
    return fold_batch_norm(weight, [weights[f"{name}.norm.{part}"] for part in parts])


def _by_channel(weight: Array, channels: int) -> Array:
    """Reorder the inputs of a layer [o, inputs] from pixels × channels to channels × pixels."""
    apart = weight.reshape(len(weight), -1, channels)
    return apart.transpose(0, 2, 1).reshape(len(weight), -1)


def _pooled(graph: GraphBuilder, x: str, kind: PoolKind, side: int) -> tuple[str, float]:
    """Add 2×2 SAME pooling of images of `side` pixels.

    Returns:
        the output, and what it is still to be multiplied by. The factor is left to the next
        layer's weights: a multiplication here would keep a runtime from laying out convolutions
        and pooling alike, and halve its speed.
    """
    pads = [0, 0, side % 2, side % 2]
    largest = graph.add("MaxPool", [x], pads=pads, **_WINDOW) if kind != "average" else ""
    if kind == "max":
        return largest, 1.0
    mean = graph.add("AveragePool", [x], pads=pads, count_include_pad=0, **_WINDOW)
    if kind == "average":
        return mean, 1.0
    return graph.add("Add", [largest, mean]), 0.5
