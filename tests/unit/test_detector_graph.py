"""The detector's ONNX graph against the network in torch."""

from typing import TypeVar

import numpy as np
import onnxruntime
import pytest
import torch

from tenfold.bundle.detector_graph import build_detector_graph, calibrate_objectness
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.detector import DetectorNetwork
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.layers import ConvolutionalNetwork
from tenfold.model.peaks import cell_peaks, peaks

CONFIG = DetectorConfig(stem=(4, 8), body=12, dilations=(1, 2), head=10)


CELL_CONFIG = CONFIG.model_copy(update={"finds": "cells"})


N = TypeVar("N", bound=ConvolutionalNetwork)


def with_random_statistics(network: N, generator: torch.Generator) -> N:
    """Give a network random weights and statistics that a graph's float16 can hold."""

    def powers(base: float, like: torch.Tensor) -> torch.Tensor:
        return base ** torch.randint(0, 2, like.shape, generator=generator)

    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.copy_(layer.weight.half())
            if isinstance(layer, torch.nn.BatchNorm2d):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                layer.running_mean.add_(0.3 * torch.rand(len(layer.bias), generator=generator))
                # A scale by a power of two, so that no bit of a weight is lost.
                layer.weight.copy_(powers(2.0, layer.weight))
                layer.running_var.copy_(powers(4.0, layer.bias) - layer.eps)
        assert network.output.bias is not None
        network.output.bias.zero_()  # some peaks are probable
    return network.eval()


def random_network(config: DetectorConfig, seed: int = 3) -> DetectorNetwork:
    generator = torch.Generator().manual_seed(seed)
    return with_random_statistics(DetectorNetwork(config).initialise(generator), generator)


def graph_of(*networks: DetectorNetwork) -> onnxruntime.InferenceSession:
    states = [
        {key: value.numpy() for key, value in network.state_dict().items()} for network in networks
    ]
    model = build_detector_graph(networks[0].config, states).SerializeToString()
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def network() -> DetectorNetwork:
    return random_network(CONFIG)


@pytest.fixture(scope="module")
def session(network: DetectorNetwork) -> onnxruntime.InferenceSession:
    return graph_of(network)


@pytest.mark.parametrize("shape", [(2, 64, 192), (1, 8, 8), (3, 40, 24), (1, 256, 320)])
def test_graph_gives_the_peaks_of_the_network(
    shape: tuple[int, int, int],
    network: DetectorNetwork,
    session: onnxruntime.InferenceSession,
) -> None:
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)
    objectness, classes, boxes = session.run(["objectness", "classes", "boxes"], {"pixels": pixels})
    cells = shape[1] // 4 * (shape[2] // 2)
    assert classes.shape == (shape[0], min(cells, 4096), len(DETECTED_CLASSES))
    with torch.inference_mode():
        outputs = network(torch.from_numpy(pixels))
    for index, output in enumerate(outputs):
        expected = [part.numpy() for part in peaks(output, classes.shape[1])]
        count = int((expected[0] > 0).sum())
        assert count
        np.testing.assert_allclose(objectness[index], expected[0], atol=2e-5)
        # Peaks that are equal but for rounding may come in another order.
        for k in range(min(count, 100)):
            nearest = np.abs(boxes[index, :count] - expected[2][k]).sum(axis=1).argmin()
            np.testing.assert_allclose(boxes[index, nearest], expected[2][k], rtol=1e-3, atol=0.02)
            np.testing.assert_allclose(classes[index, nearest], expected[1][k], atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 64, 192), (1, 8, 8), (1, 256, 320)])
def test_graph_gives_the_cells_of_the_network(shape: tuple[int, int, int]) -> None:
    network = random_network(CELL_CONFIG)
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)
    objectness, corners = graph_of(network).run(["objectness", "corners"], {"pixels": pixels})
    places = shape[1] // 4 * (shape[2] // 4)
    assert corners.shape == (shape[0], min(places, 4096), 8)
    with torch.inference_mode():
        outputs = network(torch.from_numpy(pixels))
    for index, output in enumerate(outputs):
        expected = [part.numpy() for part in cell_peaks(output, corners.shape[1])]
        count = int((expected[0] > 0).sum())
        np.testing.assert_allclose(objectness[index], expected[0], atol=2e-5)
        for k in range(min(count, 100)):
            wanted = expected[1][k].ravel()
            nearest = np.abs(corners[index, :count] - wanted).sum(axis=1).argmin()
            np.testing.assert_allclose(corners[index, nearest], wanted, rtol=1e-3, atol=0.02)


def test_networks_are_averaged_before_peaks_are_looked_for() -> None:
    networks = [random_network(CONFIG, seed) for seed in (3, 4, 5)]
    pixels = np.random.default_rng(1).integers(0, 256, (1, 64, 96), np.uint8)
    objectness, classes, boxes = graph_of(*networks).run(
        ["objectness", "classes", "boxes"], {"pixels": pixels}
    )
    with torch.inference_mode():
        outputs = [network(torch.from_numpy(pixels)).double() for network in networks]
    mean = (sum(outputs) / len(networks)).float()
    expected = [part.numpy() for part in peaks(mean[0], classes.shape[1])]
    np.testing.assert_allclose(objectness[0], expected[0], atol=2e-5)
    np.testing.assert_allclose(classes[0, :20], expected[1][:20], atol=1e-4)
    np.testing.assert_allclose(boxes[0, :20], expected[2][:20], rtol=1e-3, atol=0.02)


def test_calibration_changes_the_logit_of_objectness_alone(network: DetectorNetwork) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 96), np.uint8)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    slope, intercept = 2.5, 0.75
    calibrated = calibrate_objectness(state, slope, intercept)
    logits = []
    for each in (state, calibrated):
        model = build_detector_graph(CONFIG, [each]).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        (found,) = session.run(["objectness"], {"pixels": pixels})
        p = found[found > 0].astype(np.float64)  # other places hold no peak
        logits.append(np.log(p / (1 - p)))
    np.testing.assert_allclose(logits[1], slope * logits[0] + intercept, rtol=1e-3, atol=1e-3)
    for key in ("output.weight", "output.bias"):
        np.testing.assert_array_equal(calibrated[key][1:], state[key][1:])
