"""The line recogniser's ONNX graph against the network in torch."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from test_detector_graph import with_random_statistics

from tenfold.bundle.graph_builder import GraphBuilder
from tenfold.bundle.line_graph import build_line_graph
from tenfold.bundle.line_runtime import OnnxLineRecogniser
from tenfold.errors import BundleError
from tenfold.model.line_config import LineConfig
from tenfold.model.line_network import LineNetwork

CONFIG = LineConfig(stem=(4, 6, 8), line=10, dilations=(1, 2))


@pytest.mark.parametrize("shape", [(1, 32, 8), (3, 32, 64), (2, 32, 200)])
def test_graph_gives_what_the_network_gives(shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(5)
    network = with_random_statistics(LineNetwork(CONFIG).initialise(generator), generator)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    recogniser = OnnxLineRecogniser(build_line_graph(CONFIG, state).SerializeToString())
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels)).log_softmax(1).permute(0, 2, 1)
    found = recogniser.log_probabilities(pixels)
    assert found.shape == (shape[0], shape[2] // 2, 15)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_what_is_no_line_recogniser_is_refused() -> None:
    with pytest.raises(BundleError, match=r"line\.onnx"):
        OnnxLineRecogniser(b"nothing")


def test_an_output_of_another_shape_is_refused() -> None:
    """Three classes in place of fifteen."""
    graph = GraphBuilder()
    rows = graph.add("Cast", ["pixels"], to=TensorProto.FLOAT)
    three = graph.add(
        "Slice", [rows, *(graph.integers(k, v) for k, v in (("a", 0), ("b", 3), ("c", 1)))]
    )
    graph.add("Transpose", [three], "log_probabilities", perm=[0, 2, 1])
    model = graph.model(
        "line",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 32, "w"])],
        [helper.make_tensor_value_info("log_probabilities", TensorProto.FLOAT, ["n", "w", 3])],
        {},
    )
    recogniser = OnnxLineRecogniser(model.SerializeToString())
    with pytest.raises(BundleError, match="another shape"):
        recogniser.log_probabilities(np.zeros((1, 32, 16), np.uint8))
