"""The layers of `tenfold.model.layers` as nodes of an ONNX graph."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from tenfold.bundle.detector_runtime import PIXELS
from tenfold.bundle.graph_builder import GraphBuilder, fold_batch_norm
from tenfold.model.detector_config import BLOCK_PX, CONTRAST_FLOOR, CONTRAST_SCALE, WINDOW_BLOCKS

State = Mapping[str, npt.NDArray[np.float32]]


class Member(NamedTuple):
    """One of the networks whose outputs are averaged.

    Attributes:
        name: before the names of its constants.
        state: its state dict.
    """

    name: str
    state: State


def add_convolution(  # noqa: PLR0913 - a convolution
    graph: GraphBuilder,
    member: Member,
    name: str,
    x: str,
    stride: Sequence[int] = (1, 1),
    *,
    dilation: int = 1,
    relu: bool = True,
) -> str:
    """Add a `Convolution` with its batch norm folded in."""
    parts = ("weight", "bias", "running_mean", "running_var")
    norm = [member.state[f"{name}.1.{part}"] for part in parts]
    weight, bias = fold_batch_norm(member.state[f"{name}.0.weight"], norm)
    h, w = weight.shape[2:]
    x = graph.add(
        "Conv",
        graph.layer_inputs(x, f"{member.name}.{name}", weight, bias),
        kernel_shape=[h, w],
        strides=list(stride),
        dilations=[dilation, dilation],
        pads=[dilation * (h // 2), dilation * (w // 2)] * 2,
    )
    return graph.add("Relu", [x]) if relu else x


def add_residual_block(
    graph: GraphBuilder, member: Member, name: str, x: str, dilations: tuple[int, int] = (1, 1)
) -> str:
    """Add a `ResidualBlock`."""
    first, second = dilations
    inner = add_convolution(graph, member, f"{name}.first", x, dilation=first)
    inner = add_convolution(graph, member, f"{name}.second", inner, dilation=second, relu=False)
    return graph.add("Relu", [graph.add("Add", [x, inner])])


def add_output(graph: GraphBuilder, member: Member, x: str) -> str:
    """Add the last layer, whose weights stay float32."""
    weight, bias = (member.state[f"output.{part}"] for part in ("weight", "bias"))
    name = f"{member.name}.output"
    inputs = [x, graph.floats(f"{name}.weight", weight), graph.floats(f"{name}.bias", bias)]
    return graph.add("Conv", inputs, kernel_shape=list(weight.shape[2:]))


def add_local_contrast(graph: GraphBuilder) -> str:
    """Add `tenfold.model.layers.local_contrast`: [n, h, w] to [n, 2, h, w]."""
    pixels = graph.add("Cast", [PIXELS], to=TensorProto.FLOAT)
    pixels = graph.add("Div", [pixels, graph.floats("white", 255)])
    x = graph.add("Unsqueeze", [pixels, graph.integers("channel", 1)])
    mean, square = (_window_mean(graph, value) for value in (x, graph.add("Mul", [x, x])))
    variance = graph.add("Sub", [square, graph.add("Mul", [mean, mean])])
    deviation = graph.add("Sqrt", [graph.add("Relu", [variance])])
    deviation = graph.add("Add", [deviation, graph.floats("floor", CONTRAST_FLOOR)])
    size = graph.add("Shape", [x])
    difference = graph.add("Sub", [x, _enlarged(graph, mean, size)])
    relative = graph.add("Div", [difference, _enlarged(graph, deviation, size)])
    absolute = graph.add("Mul", [difference, graph.floats("contrast_scale", CONTRAST_SCALE)])
    return graph.add("Concat", [relative, absolute], axis=1)


def _window_mean(graph: GraphBuilder, x: str) -> str:
    block = [BLOCK_PX, BLOCK_PX]
    x = graph.add("AveragePool", [x], kernel_shape=block, strides=block)
    window, margin = [WINDOW_BLOCKS, WINDOW_BLOCKS], [WINDOW_BLOCKS // 2] * 4
    return graph.add("AveragePool", [x], kernel_shape=window, pads=margin, count_include_pad=0)


def _enlarged(graph: GraphBuilder, x: str, size: str) -> str:
    half_pixel: dict[str, Any] = {"coordinate_transformation_mode": "half_pixel"}
    return graph.add("Resize", [x, "", "", size], mode="linear", **half_pixel)
