"""Rounding of the weights that the package ships."""

import numpy as np
import onnx
import torch
from onnx import TensorProto
from ship import with_eight_bits

from tenfold.bundle.crop_graph import build_crop_graph
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.model.crop_config import CropConfig
from tenfold.model.crop_network import CropNetwork


def test_rounded_weights_give_nearly_the_same() -> None:
    config = CropConfig(filters=(4, 8, 8), blocks=(1, 1, 1))
    network = CropNetwork(config)
    network.initialise(torch.Generator().manual_seed(0))
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    model = build_crop_graph(config, state).SerializeToString()
    rounded = with_eight_bits(model)
    types = [
        {c.name: c.data_type for c in onnx.load_from_string(each).graph.initializer}
        for each in (model, rounded)
    ]
    halves = {name for name, kind in types[0].items() if kind == TensorProto.FLOAT16}
    assert halves
    assert {types[1][name] for name in halves} == {TensorProto.INT8}
    assert with_eight_bits(rounded) == rounded
    crops = np.random.default_rng(0).integers(0, 256, (20, 32, 32), np.uint8)
    before, after = (OnnxCropClassifier(each).probabilities(crops) for each in (model, rounded))
    assert 0 < np.abs(after - before).max() < 0.02
