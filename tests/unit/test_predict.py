"""Reading without torch: the same probabilities as with it."""

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenfold.bundle import numpy_predictor as predict
from tenfold.bundle.format import BundleConfig
from tenfold.bundle.numpy_predictor import Predictor
from tenfold.bundle.test_time_augmentation import Views
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.model.config import NetworkConfig
from tenfold.model.network import DigitNetwork

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL: dict[str, Any] = {"widths": (8, 12, 10), "fully_connected": (16,), "initialisation": "he"}
CASES: list[dict[str, Any]] = [
    *({"pooling": pooling} for pooling in ("mixed", "max", "average", "learned")),
    {"normalisation": "batch"},
    {"normalisation": "batch", "pooling": "learned", "convolutions": 2},
    {"convolution_slope": 0.3, "fully_connected_slope": 0.0},
    {"convolution_slope": 0.1, "pooling": "max", "convolutions": 3},
    {"convolutions": 2, "normalisation": "batch", "pooling": "average"},
    {"widths": (6, 8, 10, 12, 14), "normalisation": "batch"},  # 28, 14, 7, 4, 2 pixels a side
    {"widths": (2, 3, 4, 5, 6), "convolutions": 2, "pooling": "max"},
    {"widths": (5,), "fully_connected": (), "input_mean": 0.13, "input_std": 0.31},
    {"fully_connected": (9, 7), "normalisation": "batch", "fully_connected_slope": 0.2},
]


def trained(config: NetworkConfig, seed: int) -> DigitNetwork:
    """Make a network of which no tensor is what it started as, and that prefers no digit."""
    generator = torch.Generator().manual_seed(seed)
    network = DigitNetwork(config).initialise(generator).eval()
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("bias", "running_mean", "gate")):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / 2)
        elif "norm" in name and tensor.ndim:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    state["output.weight"].mul_(3)  # opinions that differ
    with torch.inference_mode():
        state["output.bias"].sub_(network(torch.rand(50, 28, 28, generator=generator)).mean(dim=0))
    return network


def both(
    configs: Sequence[NetworkConfig],
    images: npt.NDArray[np.uint8],
    *,
    views: Views = 1,
    temperature: float = 1.0,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the probabilities without torch, and those with it."""
    config = BundleConfig(
        name="x", members=tuple(configs), views=views, temperature=temperature, weights_sha256=""
    )
    networks = tuple(trained(member, seed) for seed, member in enumerate(configs))
    weights = {
        f"{index:02}.{name}": tensor.float().numpy()
        for index, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    predictor, bundle = Predictor(config, weights), Bundle(config, networks)
    own = np.exp(bundle.member_log_probabilities(torch.from_numpy(images))).transpose(1, 0, 2)
    np.testing.assert_allclose(predictor.opinions(images)[1], own, atol=1e-5)
    found = predictor.probabilities(images)
    assert found.dtype == np.float32
    return found, bundle.probabilities(torch.from_numpy(images))


def noise(n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), np.uint8)


@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_probabilities_are_those_of_the_bundle(
    case: dict[str, Any], views: Views, tiny_digits: Digits
) -> None:
    images = np.concatenate([tiny_digits.images[:10].numpy(), noise(10)])
    found, expected = both([NetworkConfig(**SMALL | case)], images, views=views)
    assert np.abs(found - expected).max() < 1e-5
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert expected.std(axis=0).max() > 0.02  # the answers differ


@pytest.mark.parametrize("temperature", [0.3, 1.0, 50.0])
@pytest.mark.parametrize("views", [1, 8])
def test_members_are_averaged_then_tempered(views: Views, temperature: float) -> None:
    first = NetworkConfig(**SMALL, input_mean=0.2)
    second = NetworkConfig(widths=(3, 4), fully_connected=(), initialisation="he", pooling="max")
    found, expected = both([first, second], noise(9), views=views, temperature=temperature)
    assert np.abs(found - expected).max() < 1e-5
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


WIDTHS = st.lists(st.integers(1, 6), min_size=1, max_size=5)
SLOPES = st.sampled_from([0.0, 0.01, 0.5])
CONFIGS = st.builds(
    NetworkConfig,
    widths=WIDTHS,
    convolutions=st.integers(1, 3),
    fully_connected=st.lists(st.integers(1, 9), max_size=2),
    pooling=st.sampled_from(["mixed", "max", "average", "learned"]),
    normalisation=st.sampled_from(["none", "batch"]),
    convolution_slope=SLOPES,
    fully_connected_slope=SLOPES,
    input_mean=st.floats(-1, 1, width=32),
    input_std=st.floats(0.25, 2, width=32),
    initialisation=st.just("he"),
)


@settings(max_examples=40)
@given(
    configs=st.lists(CONFIGS, min_size=1, max_size=2),
    n=st.integers(0, 4),
    views=st.sampled_from([1, 8]),
    temperature=st.floats(0.5, 4),
)
def test_any_network_gives_the_bundle_s_probabilities(
    configs: list[NetworkConfig], n: int, views: Views, temperature: float
) -> None:
    found, expected = both(configs, noise(n), views=views, temperature=temperature)
    assert found.shape == expected.shape == (n, 10)
    assert np.abs(found - expected).max(initial=0) < 1e-5


def test_the_shipped_bundle_reads_alike_with_and_without_torch(tiny_digits: Digits) -> None:
    bundle, predictor = Bundle.load(), Predictor.load()
    assert predictor.config == bundle.config
    images = tiny_digits.images[:40]
    found, expected = predictor.probabilities(images.numpy()), bundle.probabilities(images)
    assert np.abs(found - expected).max() < 1e-5
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def test_an_image_is_read_alike_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, images = Predictor.load(), noise(11)
    whole = predictor.probabilities(images)
    monkeypatch.setattr(predict, "BATCH", 4)
    for start, stop in pairwise((0, 1, 3, 3, 11)):
        part = predictor.probabilities(images[start:stop])
        np.testing.assert_allclose(part, whole[start:stop], atol=1e-6)


def test_neither_images_nor_weights_are_changed() -> None:
    config = NetworkConfig(**SMALL, normalisation="batch", pooling="learned")
    weights = {
        f"00.{name}": tensor.float().numpy()
        for name, tensor in trained(config, 0).state_dict().items()
    }
    images = noise(5)
    for array in (images, *weights.values()):
        array.flags.writeable = False
    predictor = Predictor(BundleConfig(name="x", members=(config,), weights_sha256=""), weights)
    first = predictor.probabilities(images)
    assert first.tobytes() == predictor.probabilities(images).tobytes()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 28, 28), np.float32), r"images are float32\[2, 28, 28\], not uint8\[n, 28"),
        (np.zeros((28, 28), np.uint8), r"images are uint8\[28, 28\], not"),
        (np.zeros((1, 28, 29), np.uint8), r"images are uint8\[1, 28, 29\], not"),
        (np.zeros((1, 28, 28, 1), np.uint8), r"images are uint8\[1, 28, 28, 1\], not"),
    ],
    ids=["floats", "one image", "too wide", "channels"],
)
def test_what_is_no_batch_of_images_is_refused(images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictor.load().probabilities(images)


def test_reading_needs_neither_torch_nor_scipy() -> None:
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from tenfold.bundle.numpy_predictor import Predictor\n"
        "print(Predictor.load().probabilities(np.zeros((2, 28, 28), np.uint8)).shape)\n"
        "print([m for m in ('torch', 'scipy', 'matplotlib', 'PIL', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(2, 10)\n[]\n"
