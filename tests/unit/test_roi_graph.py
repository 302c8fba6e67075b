"""The RoI head inside a detector's ONNX graph against the network in torch."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch

from tenfold.bundle.detector_graph import build_detector_graph
from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.bundle.roi_graph import add_roi_head, build_candidate_graph, without_roi_head
from tenfold.model.detector import DetectorNetwork
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.roi_head import NO_CHARACTER, RoiHead, probabilities
from tenfold.model.roi_head_config import (
    FEATURES,
    LABEL_SMOOTHING,
    MAX_SIDE_PX,
    MIN_OBJECTNESS,
    RoiHeadConfig,
)

CONFIG = RoiHeadConfig(crop_px=16, filters=(4, 6, 8))


def arrays(network: torch.nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    return {key: value.numpy() for key, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def detector() -> onnx.ModelProto:
    config = DetectorConfig(stem=(4, 8), body=12, dilations=(1, 2), head=10)
    network = DetectorNetwork(config).initialise(torch.Generator().manual_seed(3)).eval()
    assert network.output.bias is not None
    with torch.no_grad():
        network.output.bias.zero_()  # some peaks are probable
    return build_detector_graph(config, [arrays(network)])


@pytest.fixture(scope="module")
def head() -> RoiHead:
    """A head with random weights that a graph's float16 can hold."""
    generator = torch.Generator().manual_seed(5)
    network = RoiHead(CONFIG).initialise(generator).eval()
    with torch.no_grad():
        network.output.weight.add_(
            0.3 * torch.randn(network.output.weight.shape, generator=generator)
        )
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_var.fill_(1 - layer.eps)  # type: ignore[union-attr]
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                layer.weight.copy_(layer.weight.half())
    return network


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def pictures(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def candidates_of(found: Detections, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    inputs: dict[str, Any] = {
        "pixels": pixels[None],
        "objectness": found.objectness,
        "classes": found.classes,
        "boxes": found.boxes,
    }
    candidates: npt.NDArray[np.float32] = session(build_candidate_graph(CONFIG)).run(None, inputs)[
        0
    ]
    return candidates


def test_graph_says_what_the_network_says(detector: onnx.ModelProto, head: RoiHead) -> None:
    pixels = pictures(64, 96)
    first = OnnxDetector(detector.SerializeToString()).detect(pixels, MIN_OBJECTNESS)
    first = first.of(first.boxes[:, 2:].max(axis=1) < MAX_SIDE_PX)
    assert len(first.boxes) > 5
    with torch.inference_mode():
        logits = head(torch.from_numpy(candidates_of(first, pixels)))
    p = probabilities(logits).numpy()
    expected = 1 - p[:, NO_CHARACTER]
    judged = add_roi_head(detector, CONFIG, arrays(head)).SerializeToString()
    found = OnnxDetector(judged).detect(pixels, 1e-9)
    order = np.argsort(-expected, kind="stable")
    assert len(found.boxes) == len(order)
    np.testing.assert_allclose(found.objectness, expected[order], atol=1e-4)
    np.testing.assert_array_equal(found.boxes, first.boxes[order])
    np.testing.assert_array_equal(found.printed, first.printed[order])
    classes = p[order, :NO_CHARACTER] / expected[order, None]
    np.testing.assert_allclose(found.classes, classes, atol=2e-3)


def test_pictures_of_a_batch_have_their_own_candidates(
    detector: onnx.ModelProto, head: RoiHead
) -> None:
    judged = session(add_roi_head(detector, CONFIG, arrays(head)))
    both = pictures(2, 48, 64)
    together = judged.run(None, {"pixels": both})
    for index in range(2):
        alone = judged.run(None, {"pixels": both[index : index + 1]})
        for one, two in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], two[index], atol=1e-5)


def test_a_picture_without_candidates(detector: onnx.ModelProto, head: RoiHead) -> None:
    silent = onnx.ModelProto.FromString(detector.SerializeToString())
    for constant in silent.graph.initializer:
        if constant.name == "member.0.output.bias":
            bias = onnx.numpy_helper.to_array(constant).copy()
            bias[0] = -50
            constant.CopyFrom(onnx.numpy_helper.from_array(bias, constant.name))
    judged = OnnxDetector(add_roi_head(silent, CONFIG, arrays(head)).SerializeToString())
    assert not len(judged.detect(pictures(64, 64), 1e-9).boxes)


def test_an_initial_head_says_what_the_detector_says(detector: onnx.ModelProto) -> None:
    head = RoiHead(CONFIG).initialise(torch.Generator().manual_seed(0)).eval()
    pixels = pictures(64, 96)
    first = OnnxDetector(detector.SerializeToString()).detect(pixels, 0.1)
    judged = add_roi_head(detector, CONFIG, arrays(head)).SerializeToString()
    found = OnnxDetector(judged).detect(pixels, 0.1)
    small = first.of(first.boxes[:, 2:].max(axis=1) < MAX_SIDE_PX)
    # The detector's classes are taken as if they came from smoothed labels too.
    np.testing.assert_allclose(found.objectness, small.objectness, atol=0.02)


def test_a_head_replaces_the_one_before(detector: onnx.ModelProto, head: RoiHead) -> None:
    other = RoiHead(CONFIG).initialise(torch.Generator().manual_seed(9))
    once = add_roi_head(detector, CONFIG, arrays(head))
    twice = add_roi_head(add_roi_head(detector, CONFIG, arrays(other)), CONFIG, arrays(head))
    assert twice.SerializeToString() == once.SerializeToString()
    without = without_roi_head(once).SerializeToString()
    assert without == without_roi_head(detector).SerializeToString()
    found, expected = (
        OnnxDetector(model).detect(pictures(40, 40), 0.1)
        for model in (without, detector.SerializeToString())
    )
    for part, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, same)


def test_smoothing_of_labels_is_undone() -> None:
    """The best outputs for smoothed labels give the probabilities that the labels came from."""
    meant = torch.tensor([[0.7, 0.2, 0.1, *[0.0] * 12], [1.0, *[0.0] * 14]], dtype=torch.float64)
    smoothed = (1 - LABEL_SMOOTHING) * meant + LABEL_SMOOTHING / 15
    torch.testing.assert_close(probabilities(smoothed.log()), meant, atol=3e-3, rtol=0)


def test_crops_of_a_candidate() -> None:
    """Squares of 1.4 and 3.5 times the longer side; beyond the edge its last pixel is repeated."""
    pixels = np.full((60, 80), 200, np.uint8)
    pixels[20:40, 30:40] = 50  # the box
    pixels[:, 70:] = 100  # reaches beyond the right edge
    box = np.array([[35, 30, 10, 20]], np.float32)
    classes = np.full((1, 14), 1 / 14, np.float32)
    found = Detections(np.array([0.7], np.float32), classes, box, np.zeros(1, np.float32))
    row = candidates_of(found, pixels)[0]
    near, far = row[:-FEATURES].reshape(2, 16, 16)
    # 28 pixels on 16: the stroke is 10 / 28 of the side wide, and 20 / 28 high.
    assert (near < 125).sum() == pytest.approx(16 * 16 * 200 / 28**2, rel=0.15)
    assert far[8, 8] == pytest.approx(50, abs=1)
    # 70 pixels on 16, from x = 0 to 70: all light but for the box.
    assert far[0].max() == pytest.approx(200, abs=1)
    at_edge = candidates_of(found._replace(boxes=np.array([[75, 30, 10, 20]], np.float32)), pixels)
    assert at_edge[0][:-FEATURES].reshape(2, 16, 16)[1, :, -1] == pytest.approx(100, abs=1)
    probabilities = [0.7 / 14] * 14 + [0.3]
    sizes = [0.5, 1.0, np.log(20 / 28) / 3]
    np.testing.assert_allclose(row[-FEATURES:], [*np.log(probabilities), *sizes], atol=1e-5)
