"""The crop classifier as an ONNX graph: grey levels in, probabilities of digits and of none out."""

import itertools

import onnx
from onnx import TensorProto, helper

from tenfold.bundle.detector_runtime import PIXELS
from tenfold.bundle.format import PROBABILITIES
from tenfold.bundle.graph_builder import GraphBuilder
from tenfold.bundle.graph_layers import (
    Member,
    State,
    add_convolution,
    add_local_contrast,
    add_output,
    add_residual_block,
)
from tenfold.model.crop_config import CROP_CLASSES, CROP_PX, CropConfig


def build_crop_graph(config: CropConfig, state: State) -> onnx.ModelProto:
    """Write a crop classifier as an ONNX model; see `tenfold.model.crop_network.CropNetwork`.

    Args:
        config: of the network.
        state: its state dict, float32. Weights are kept as float16, but for those of the last
            layer.

    Returns:
        a model of one input, `pixels` uint8[n, 32, 32], and one output, `probabilities`
        float32[n, 11].
    """
    graph = GraphBuilder("float16")
    member = Member("crop", state)
    layer = itertools.count()
    x = add_local_contrast(graph)
    for blocks in config.blocks:
        x = add_convolution(graph, member, f"body.{next(layer)}", x, (2, 2))
        for _ in range(blocks):
            x = add_residual_block(graph, member, f"body.{next(layer)}", x)
    logits = graph.add("Flatten", [add_output(graph, member, x)])
    graph.add("Softmax", [logits], PROBABILITIES, axis=1)
    return graph.model(
        "crop",
        [helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["n", CROP_PX, CROP_PX])],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["n", CROP_CLASSES])],
        {"crop": config.model_dump_json()},
    )
