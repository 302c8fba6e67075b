"""A detector as an ONNX graph: grey levels in, the peaks of its networks' mean output out."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

from tenfold.bundle.detector_runtime import (
    BOXES,
    CLASS_PROBABILITIES,
    CORNERS,
    OBJECTNESS,
    PIXELS,
    PRINTED,
)
from tenfold.bundle.graph_builder import GraphBuilder
from tenfold.bundle.graph_layers import (
    Member,
    State,
    add_convolution,
    add_local_contrast,
    add_output,
    add_residual_block,
)
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.detector_config import (
    BOX_UNIT_PX,
    CELL_HEIGHT_PX,
    CELL_WIDTH_PX,
    CORNER_UNIT_PX,
    STRIDE_PX,
    DetectorConfig,
)

MAX_PEAKS = 4096  # of a picture


def calibrate_objectness(state: State, slope: float, intercept: float) -> State:
    """Return a detector's state dict whose objectness has the logit slope × logit + intercept."""
    weight, bias = state["output.weight"].copy(), state["output.bias"].copy()
    weight[0] *= slope
    bias[0] = slope * bias[0] + intercept
    return {**state, "output.weight": weight, "output.bias": bias}


def build_detector_graph(config: DetectorConfig, members: Sequence[State]) -> onnx.ModelProto:
    """Write a detector as an ONNX model.

    The outputs of several networks are averaged before the peaks are looked for: the logits of
    objectness, of classes and of print, and places and sizes. Weights are kept as float16,
    but for those of the last layer.

    Args:
        config: of the networks.
        members: the state dict of each network, float32.

    Returns:
        a model of one input, `pixels` uint8[n, h, w], h and w multiples of 8, and these outputs
        for the k highest peaks of each picture, the highest first: `objectness` float32[n, k];
        where it finds digits, `classes` float32[n, k, 14] probabilities, and `boxes`
        float32[n, k, 4], centre x, centre y, width and height in pixels, and `printed`
        float32[n, k], the probability that it is not handwritten; where it finds cells, `corners`
        float32[n, k, 8], x and y of four corners in pixels, clockwise from top left.
    """
    graph = GraphBuilder("float16")
    contrast = add_local_contrast(graph)
    outputs = [
        _network(graph, config, Member(f"member.{number}", state), contrast)
        for number, state in enumerate(members)
    ]
    output = graph.add("Mean", outputs)
    shapes: dict[str, list[int]] = {OBJECTNESS: []}
    if config.finds == "digits":
        _peaks(graph, output)
        shapes |= {CLASS_PROBABILITIES: [len(DETECTED_CLASSES)], BOXES: [4], PRINTED: []}
    else:
        _cell_peaks(graph, output)
        shapes |= {CORNERS: [8]}
    return graph.model(
        "detector",
        [helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["n", "h", "w"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "k", *shape])
            for name, shape in shapes.items()
        ],
        {"detector": config.model_dump_json()},
    )


def _network(graph: GraphBuilder, config: DetectorConfig, member: Member, x: str) -> str:
    """Add `tenfold.model.detector.DetectorNetwork` without its local contrast."""
    last_stride = 1 if config.finds == "digits" else 2
    for index, stride in enumerate(((2, 2), (2, last_stride), (1, 1))):
        x = fine = add_convolution(graph, member, f"stem.{index}", x, stride)
    x = add_convolution(graph, member, "down", x, (2, 2))
    for index, dilation in enumerate(config.dilations):
        x = add_residual_block(graph, member, f"body.{index}", x, (dilation, 1))
    x = add_convolution(graph, member, "up", x, relu=False)
    x = graph.add(
        "Resize",
        [x, "", graph.floats("twice", [1, 1, 2, 2])],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    skip = add_convolution(graph, member, "skip", fine, relu=False)
    x = graph.add("Relu", [graph.add("Add", [x, skip])])
    return add_output(graph, member, add_convolution(graph, member, "head", x))


def _peaks(graph: GraphBuilder, output: str) -> None:
    """Add `tenfold.model.peaks.peaks`."""
    place = _highest(graph, output, {"class": len(DETECTED_CLASSES), "box": 4, "print": 1})
    classes = _gathered(graph, "class", len(DETECTED_CLASSES))
    graph.add("Softmax", [classes], CLASS_PROBABILITIES, axis=2)
    box = _gathered(graph, "box", 4)
    sides = graph.add("Exp", [graph.add("Slice", [box, *_range(graph, "sides", 0, 2, 2)])])
    shift = graph.add("Slice", [box, *_range(graph, "shift", 2, 4, 2)])
    centre = graph.add("Add", [place, shift])
    cell = graph.floats("cell", [CELL_WIDTH_PX, CELL_HEIGHT_PX])
    unit = graph.floats("box_unit", BOX_UNIT_PX)
    parts_px = [graph.add("Mul", [centre, cell]), graph.add("Mul", [sides, unit])]
    graph.add("Concat", parts_px, BOXES, axis=2)
    printed = graph.add("Sigmoid", [_gathered(graph, "print", 1)])
    graph.add("Squeeze", [printed, graph.integers("printed_axis", 2)], PRINTED)


def _cell_peaks(graph: GraphBuilder, output: str) -> None:
    """Add `tenfold.model.peaks.cell_peaks`; the corners are not parted into x and y."""
    place = _highest(graph, output, {"corner": 8})
    middle = graph.add("Mul", [place, graph.floats("stride", STRIDE_PX)])
    shift = graph.add("Mul", [_gathered(graph, "corner", 8), graph.floats("unit", CORNER_UNIT_PX)])
    middles = graph.add("Tile", [middle, graph.integers("four", 1, 1, 4)])
    graph.add("Add", [middles, shift], CORNERS)


def _highest(graph: GraphBuilder, output: str, channels: Mapping[str, int]) -> str:
    """Split the output into `logit` and named maps, find the `index` of the highest logits.

    Returns:
        their column and row, float32[n, k, 2]; the middle of the first is 0.5.
    """
    parts = graph.integers("parts", 1, *channels.values())
    graph.nodes.append(helper.make_node("Split", [output, parts], ["logit", *channels], axis=1))
    highest = graph.add("MaxPool", ["logit"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    at_peak = graph.add("Equal", ["logit", highest])
    score = graph.add("Where", [at_peak, graph.add("Sigmoid", ["logit"]), graph.floats("none", 0)])
    flat = graph.integers("flat", 0, -1)
    score = graph.add("Reshape", [score, flat])
    cells = graph.add("Slice", [graph.add("Shape", [score]), *_range(graph, "second", 1, 2)])
    count = graph.add("Min", [cells, graph.integers("max_peaks", MAX_PEAKS)])
    graph.nodes.append(helper.make_node("TopK", [score, count], [OBJECTNESS, "index"], axis=1))
    width = graph.add("Slice", [graph.add("Shape", [output]), *_range(graph, "fourth", 3, 4)])
    place = graph.add(
        "Concat",
        [
            graph.add("Unsqueeze", [graph.add(kind, ["index", width]), graph.integers("last", 2)])
            for kind in ("Mod", "Div")  # column and row
        ],
        axis=2,
    )
    half = [graph.add("Cast", [place], to=TensorProto.FLOAT), graph.floats("half", 0.5)]
    return graph.add("Add", half)


def _gathered(graph: GraphBuilder, maps: str, channels: int) -> str:
    """Add the values of maps [n, c, h, w] at `index` [n, k]: [n, k, c]."""
    cells = graph.add("Reshape", [maps, graph.integers(f"{maps}_cells", 0, 0, -1)])
    index = graph.add("Unsqueeze", ["index", graph.integers(f"{maps}_axis", 1)])
    every = graph.integers(f"{maps}_every", 1, channels, 1)
    found = graph.add("GatherElements", [cells, graph.add("Expand", [index, every])], axis=2)
    return graph.add("Transpose", [found], perm=[0, 2, 1])


def _range(graph: GraphBuilder, name: str, start: int, end: int, axis: int = 0) -> list[str]:
    """Return the inputs of a Slice that keeps `start` to `end` of an axis."""
    values = {"start": start, "end": end, "axis": axis}
    return [graph.integers(f"{name}_{key}", value) for key, value in values.items()]
