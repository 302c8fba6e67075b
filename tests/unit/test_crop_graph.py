"""The crop classifier's ONNX graph against the network in torch."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from test_detector_graph import with_random_statistics

from tenfold.bundle.crop_graph import build_crop_graph
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.graph_builder import GraphBuilder
from tenfold.errors import BundleError
from tenfold.model.crop_config import CropConfig
from tenfold.model.crop_network import CropNetwork

CONFIG = CropConfig(filters=(4, 6, 8), blocks=(1, 0, 2))


@pytest.mark.parametrize("count", [1, 3, 40])
def test_graph_gives_what_the_network_gives(count: int) -> None:
    generator = torch.Generator().manual_seed(5)
    network = with_random_statistics(CropNetwork(CONFIG).initialise(generator), generator)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    classifier = OnnxCropClassifier(build_crop_graph(CONFIG, state).SerializeToString())
    crops = np.random.default_rng(count).integers(0, 256, (count, 32, 32), np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(crops)).softmax(1)
    np.testing.assert_allclose(classifier.probabilities(crops), expected.numpy(), atol=1e-4)
    assert classifier.probabilities(crops[:0]).shape == (0, 11)


def test_what_is_no_crop_classifier_is_refused() -> None:
    with pytest.raises(BundleError, match=r"crop\.onnx"):
        OnnxCropClassifier(b"nothing")


def cast_graph(width: int, scale: float) -> bytes:
    """Return a graph whose outputs are pixels of the first row, as many as `width`."""
    graph = GraphBuilder()
    rows = graph.add("Cast", ["pixels"], to=TensorProto.FLOAT)
    bounds = {"starts": (0, 0), "ends": (1, width), "axes": (1, 2)}
    first = graph.add("Slice", [rows, *(graph.integers(k, *v) for k, v in bounds.items())])
    scaled = graph.add("Mul", [first, graph.floats("scale", scale)])
    graph.add("Flatten", [scaled], "probabilities", axis=1)
    given = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 32, 32])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", width])
    return bytes(graph.model("crop", [given], [output], {}).SerializeToString())


@pytest.mark.parametrize(
    ("width", "scale", "fault"),
    [
        (10, 1.0, "another shape"),
        (11, -1.0, "no probabilities"),
        (11, 1.0, "no probabilities"),
        (11, np.inf, "no probabilities"),
        (11, np.nan, "no probabilities"),
    ],
)
def test_what_are_no_probabilities_is_refused(width: int, scale: float, fault: str) -> None:
    classifier = OnnxCropClassifier(cast_graph(width, scale))
    with pytest.raises(BundleError, match=fault):
        classifier.probabilities(np.full((2, 32, 32), 7, np.uint8))
