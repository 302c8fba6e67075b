"""The RoI head as part of a detector's ONNX graph: it judges the peaks before they are put out."""

import copy
from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from tenfold.bundle.detector_graph import Member, State, convolution, slice_inputs
from tenfold.bundle.detector_runtime import (
    BOXES,
    CLASS_PROBABILITIES,
    OBJECTNESS,
    PIXELS,
    PRINTED,
)
from tenfold.bundle.graph_builder import GraphBuilder
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.detector_config import CONTRAST_FLOOR, CONTRAST_SCALE
from tenfold.model.roi_head_config import (
    CROP_SCALES,
    FEATURES,
    LABEL_SMOOTHING,
    LEAST_PROBABILITY,
    MAX_SIDE_PX,
    MIN_OBJECTNESS,
    MIN_PROBABILITY,
    MIN_SIDE_PX,
    SIDE_FEATURE_SCALE,
    TYPICAL_SIDE_PX,
    RoiHeadConfig,
)

OUTPUTS = (OBJECTNESS, CLASS_PROBABILITIES, BOXES, PRINTED)
CANDIDATES, LABELS = "candidates", len(DETECTED_CLASSES)
FIRST_STAGE = "first_stage."  # before the names of what the detector puts out without the head
HEAD = "roi_head."  # before the names of the head's constants
FIRST_STAGE_NODES = "first_stage_nodes"  # key of the metadata: how many nodes the detector has


def without_roi_head(detector: onnx.ModelProto) -> onnx.ModelProto:
    """Return a detector's graph as it is without an RoI head."""
    metadata = {entry.key: entry.value for entry in detector.metadata_props}
    count = int(metadata.pop(FIRST_STAGE_NODES, len(detector.graph.node)))
    graph = _builder(detector, count)
    for node in graph.nodes:
        node.name = node.name.removeprefix(FIRST_STAGE)
        node.output[:] = [name.removeprefix(FIRST_STAGE) for name in node.output]
    return graph.model("detector", detector.graph.input, detector.graph.output, metadata)


def add_roi_head(detector: onnx.ModelProto, config: RoiHeadConfig, state: State) -> onnx.ModelProto:
    """Let an RoI head judge what a detector of digits finds, in place of the one it may have.

    Args:
        detector: its graph, see `build_detector_graph`.
        config: of the head.
        state: the state dict of the head, float32. Filters are kept as float16.

    Returns:
        a model of the same input and outputs. `objectness` is the probability of any character,
        0 of a peak that is not judged: larger than the head has learned, or hardly probable.
    """
    detector = without_roi_head(detector)
    graph = _builder(detector, len(detector.graph.node))
    for node in graph.nodes:
        if not set(OUTPUTS).isdisjoint(node.output):
            node.name = FIRST_STAGE + node.name
        node.output[:] = [FIRST_STAGE + name if name in OUTPUTS else name for name in node.output]
    first = {name: FIRST_STAGE + name for name in OUTPUTS}
    metadata = {entry.key: entry.value for entry in detector.metadata_props}
    metadata[FIRST_STAGE_NODES] = str(len(graph.nodes))
    index, image = _judged(graph, first)
    candidates = {name: graph.add("GatherND", [first[name], index]) for name in OUTPUTS[:3]}
    probabilities = _head(graph, config, state, candidates, image)
    _put_out(graph, first, index, probabilities)
    return graph.model("detector", detector.graph.input, detector.graph.output, metadata)


def build_candidate_graph(config: RoiHeadConfig) -> onnx.ModelProto:
    """Write what an RoI head sees of detections as an ONNX model, to train one.

    Returns:
        a model of the inputs `pixels` uint8[1, h, w] and `objectness` float32[m], `classes`
        float32[m, 14], `boxes` float32[m, 4] of detections in it, and of the output `candidates`
        float32[m, 2·c·c + 18]; see `tenfold.model.roi_head`.
    """
    graph = GraphBuilder()
    zeros = graph.add("Mul", [OBJECTNESS, graph.floats("zero", 0)])
    image = graph.add("Cast", [zeros], to=TensorProto.INT64)
    longer = _longer_side(graph, BOXES, axis=1)
    crops = graph.add("Flatten", [_crops(graph, config, BOXES, longer, image)])
    features = _features(graph, {name: name for name in OUTPUTS}, longer)
    graph.add("Concat", [crops, features], CANDIDATES, axis=1)
    shapes: dict[str, list[int]] = {OBJECTNESS: [], CLASS_PROBABILITIES: [LABELS], BOXES: [4]}
    pixels = helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, [1, "h", "w"])
    width = len(CROP_SCALES) * config.crop_px**2 + FEATURES
    return graph.model(
        "candidates",
        [pixels, *(_floats(name, ["m", *shape]) for name, shape in shapes.items())],
        [_floats(CANDIDATES, ["m", width])],
        {},
    )


def _floats(name: str, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _builder(model: onnx.ModelProto, count: int) -> GraphBuilder:
    """Return the first nodes of a graph, and its constants but those of the head."""
    constants = {c.name: c for c in model.graph.initializer if not c.name.startswith(HEAD)}
    return GraphBuilder([copy.deepcopy(node) for node in model.graph.node[:count]], constants)


def _judged(graph: GraphBuilder, first: dict[str, str]) -> tuple[str, str]:
    """Return the places int64[m, 2] of the candidates among the peaks, and their pictures [m]."""
    longer = _longer_side(graph, first[BOXES], axis=2)
    known = graph.add("Less", [longer, graph.floats(f"{HEAD}max_side", MAX_SIDE_PX)])
    known = graph.add("Squeeze", [known, graph.integers(f"{HEAD}side_axis", 2)])
    least = graph.floats(f"{HEAD}min_objectness", MIN_OBJECTNESS)
    probable = graph.add("Greater", [first[OBJECTNESS], least])
    places = graph.add("NonZero", [graph.add("And", [known, probable])])
    image = graph.add("Gather", [places, graph.integers(f"{HEAD}image", 0)], axis=0)
    image = graph.add("Squeeze", [image, graph.integers(f"{HEAD}image_axis", 0)])
    return graph.add("Transpose", [places], perm=[1, 0]), image


def _longer_side(graph: GraphBuilder, boxes: str, axis: int) -> str:
    """Return the longer sides of boxes [..., 4] as [..., 1]."""
    sides = graph.add("Slice", [boxes, *slice_inputs(graph, f"{HEAD}sides.{axis}", 2, 4, axis)])
    longer = graph.add("ReduceMax", [sides, graph.integers(f"{HEAD}last.{axis}", axis)], keepdims=1)
    return graph.add("Max", [longer, graph.floats(f"{HEAD}min_side", MIN_SIDE_PX)])


def _crops(graph: GraphBuilder, config: RoiHeadConfig, boxes: str, longer: str, image: str) -> str:
    """Cut out candidates and their surroundings: [m, 2, c, c]."""
    margin = round(max(CROP_SCALES) / 2 * MAX_SIDE_PX)
    pixels = graph.add("Cast", [PIXELS], to=TensorProto.FLOAT)
    pixels = graph.add("Unsqueeze", [pixels, graph.integers(f"{HEAD}channel", 1)])
    margins = graph.integers(f"{HEAD}margins", 0, 0, margin, margin, 0, 0, margin, margin)
    pixels = graph.add("Pad", [pixels, margins], mode="edge")
    centre = graph.add("Slice", [boxes, *slice_inputs(graph, f"{HEAD}centre", 0, 2, 1)])
    centre = graph.add("Add", [centre, graph.floats(f"{HEAD}margin", margin)])
    crops = []
    for index, scale in enumerate(CROP_SCALES):
        half = graph.add("Mul", [longer, graph.floats(f"{HEAD}half.{index}", scale / 2)])
        corners = [graph.add(kind, [centre, half]) for kind in ("Sub", "Add")]
        regions = graph.add("Concat", corners, axis=1)
        crops.append(
            graph.add(
                "RoiAlign",
                [pixels, regions, image],
                output_height=config.crop_px,
                output_width=config.crop_px,
                sampling_ratio=0,  # as many samples as a pixel of the crop covers
                coordinate_transformation_mode="half_pixel",
            )
        )
    return graph.add("Concat", crops, axis=1)


def _features(graph: GraphBuilder, found: dict[str, str], longer: str) -> str:
    """Add the features of `tenfold.model.roi_head`."""
    axis = graph.integers(f"{HEAD}class_axis", 1)
    objectness = graph.add("Unsqueeze", [found[OBJECTNESS], axis])
    each = graph.add("Mul", [found[CLASS_PROBABILITIES], objectness])
    none = graph.add("Sub", [graph.floats(f"{HEAD}one", 1), objectness])
    probabilities = graph.add("Concat", [each, none], axis=1)
    least = graph.floats(f"{HEAD}min_probability", MIN_PROBABILITY)
    logs = graph.add("Log", [graph.add("Max", [probabilities, least])])
    sides = graph.add("Slice", [found[BOXES], *slice_inputs(graph, f"{HEAD}shares", 2, 4, 1)])
    shares = graph.add("Div", [sides, longer])
    size = graph.add("Div", [longer, graph.floats(f"{HEAD}typical_side", TYPICAL_SIDE_PX)])
    scale = graph.floats(f"{HEAD}side_scale", SIDE_FEATURE_SCALE)
    size = graph.add("Mul", [graph.add("Log", [size]), scale])
    return graph.add("Concat", [logs, shares, size], axis=1)


def _head(
    graph: GraphBuilder,
    config: RoiHeadConfig,
    state: State,
    candidates: dict[str, str],
    image: str,
) -> str:
    """Add `tenfold.model.roi_head.RoiHead`: probabilities [m, 15] of the characters and of none."""
    longer = _longer_side(graph, candidates[BOXES], axis=1)
    x = _contrast(graph, _crops(graph, config, candidates[BOXES], longer, image))
    member = Member(HEAD.rstrip("."), state)
    for index in range(0, 2 * len(config.filters), 2):
        x = convolution(graph, member, f"body.{index}", x, (2, 2))
        inner = convolution(graph, member, f"body.{index + 1}.first", x)
        inner = convolution(graph, member, f"body.{index + 1}.second", inner, relu=False)
        x = graph.add("Relu", [graph.add("Add", [x, inner])])
    x = graph.add(
        "Concat", [graph.add("Flatten", [x]), _features(graph, candidates, longer)], axis=1
    )
    weight = graph.halves(f"{HEAD}output.weight", state["output.weight"])
    bias = graph.floats(f"{HEAD}output.bias", state["output.bias"])
    return _probabilities(graph, graph.add("Gemm", [x, weight, bias], transB=1))


def _probabilities(graph: GraphBuilder, logits: str) -> str:
    """Add `tenfold.model.roi_head.probabilities`."""
    p = graph.add("Softmax", [logits], axis=1)
    p = graph.add("Sub", [p, graph.floats(f"{HEAD}smoothing", LABEL_SMOOTHING / (LABELS + 1))])
    p = graph.add("Div", [p, graph.floats(f"{HEAD}kept", 1 - LABEL_SMOOTHING)])
    p = graph.add("Max", [p, graph.floats(f"{HEAD}least_probability", LEAST_PROBABILITY)])
    total = graph.add("ReduceSum", [p, graph.integers(f"{HEAD}total_axis", 1)], keepdims=1)
    return graph.add("Div", [p, total])


def _contrast(graph: GraphBuilder, crops: str) -> str:
    """Add `tenfold.model.roi_head.crop_contrast`."""
    x = graph.add("Div", [crops, graph.floats(f"{HEAD}white", 255)])
    axes = graph.integers(f"{HEAD}pixel_axes", 2, 3)
    difference = graph.add("Sub", [x, graph.add("ReduceMean", [x, axes])])
    square = graph.add("Mul", [difference, difference])
    deviation = graph.add("Sqrt", [graph.add("ReduceMean", [square, axes])])
    deviation = graph.add("Add", [deviation, graph.floats(f"{HEAD}floor", CONTRAST_FLOOR)])
    relative = graph.add("Div", [difference, deviation])
    absolute = graph.add("Mul", [difference, graph.floats(f"{HEAD}contrast", CONTRAST_SCALE)])
    return graph.add("Concat", [relative, absolute], axis=1)


def _put_out(graph: GraphBuilder, first: dict[str, str], index: str, probabilities: str) -> None:
    """Write what the head says over the peaks, and put them out, the most probable first."""
    each = graph.add("Slice", [probabilities, *slice_inputs(graph, f"{HEAD}each", 0, LABELS, 1)])
    axis = graph.integers(f"{HEAD}sum_axis", 1)
    any_of_them = graph.add("ReduceSum", [each, axis], keepdims=1)
    each = graph.add("Div", [each, any_of_them])
    judged = graph.add("Squeeze", [any_of_them, axis])
    nothing = graph.add("Mul", [first[OBJECTNESS], graph.floats(f"{HEAD}zero", 0)])
    objectness = graph.add("ScatterND", [nothing, index, judged])
    classes = graph.add("ScatterND", [first[CLASS_PROBABILITIES], index, each])
    count = graph.add("Shape", [objectness], start=1)
    graph.nodes.append(
        helper.make_node("TopK", [objectness, count], [OBJECTNESS, f"{HEAD}order"], axis=1)
    )
    order = f"{HEAD}order"
    graph.add("GatherElements", [first[PRINTED], order], PRINTED, axis=1)
    order = graph.add("Unsqueeze", [order, graph.integers(f"{HEAD}order_axis", 2)])
    for name, values, width in ((CLASS_PROBABILITIES, classes, LABELS), (BOXES, first[BOXES], 4)):
        every = graph.integers(f"{HEAD}every.{name}", 1, 1, width)
        wide = graph.add("Expand", [order, every])
        graph.add("GatherElements", [values, wide], name, axis=1)
