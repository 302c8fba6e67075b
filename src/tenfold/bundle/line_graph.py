"""The line recogniser as an ONNX graph: grey levels in, log-probabilities of characters out."""

import onnx
from onnx import TensorProto, helper

from tenfold.bundle.detector_runtime import PIXELS
from tenfold.bundle.graph_builder import GraphBuilder
from tenfold.bundle.graph_layers import (
    Member,
    State,
    add_convolution,
    add_local_contrast,
    add_output,
    add_residual_block,
)
from tenfold.bundle.line_runtime import LOG_PROBABILITIES
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.line_config import LINE_HEIGHT_PX, LineConfig


def build_line_graph(config: LineConfig, state: State) -> onnx.ModelProto:
    """Write a line recogniser as an ONNX model; see `tenfold.model.line_network.LineNetwork`.

    Args:
        config: of the network.
        state: its state dict, float32. Weights are kept as float16, but for those of the last
            layer.

    Returns:
        a model of one input, `pixels` uint8[n, 32, w], w a multiple of 8, and one output,
        `log_probabilities` float32[n, w / 2, 15].
    """
    graph = GraphBuilder("float16")
    member = Member("line", state)
    x = add_convolution(graph, member, "stem.0", add_local_contrast(graph), (2, 2))
    x = add_convolution(graph, member, "stem.1", x, (2, 1))
    x = add_residual_block(graph, member, "stem.2", x)
    x = add_convolution(graph, member, "stem.3", x, (2, 1))
    for index in (4, 5):
        x = add_residual_block(graph, member, f"stem.{index}", x)
    rows = config.stem[-1] * LINE_HEIGHT_PX // 8
    x = graph.add("Reshape", [x, graph.integers("columns", 0, rows, 1, -1)])
    x = add_convolution(graph, member, "columns", x)
    for index, dilation in enumerate(config.dilations):
        x = add_residual_block(graph, member, f"line.{index}", x, (dilation, dilation))
    logits = graph.add("Squeeze", [add_output(graph, member, x), graph.integers("row", 2)])
    steps = graph.add("Transpose", [logits], perm=[0, 2, 1])
    graph.add("LogSoftmax", [steps], LOG_PROBABILITIES, axis=2)
    shape: list[str | int | None] = ["n", "t", 1 + len(DETECTED_CLASSES)]
    return graph.model(
        "line",
        [helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["n", LINE_HEIGHT_PX, "w"])],
        [helper.make_tensor_value_info(LOG_PROBABILITIES, TensorProto.FLOAT, shape)],
        {"line": config.model_dump_json()},
    )
