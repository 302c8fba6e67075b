"""Small bundles in memory and on disk, whose networks tell images apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tenfold.bundle.format import BundleConfig, BundleFacts
from tenfold.bundle.save import save_bundle
from tenfold.bundle.test_time_augmentation import TestTimeAugmentation
from tenfold.bundle.torch_bundle import Bundle
from tenfold.bundle.weights import Weights
from tenfold.data.digits import Digits
from tenfold.model.config import NetworkConfig
from tenfold.model.network import DigitNetwork

SMALL: dict[str, Any] = {"widths": (8, 12, 10), "fully_connected": (16,), "initialisation": "he"}


def made_network(config: NetworkConfig, seed: int) -> DigitNetwork:
    """Make a network of which no tensor is what it started as, and that prefers no digit."""
    generator = torch.Generator().manual_seed(seed)
    network = DigitNetwork(config).initialise(generator).eval()
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("bias", "running_mean")):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / 2)
        elif "norm" in name and tensor.ndim:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    state["output.weight"].mul_(3)  # answers that differ
    with torch.inference_mode():
        state["output.bias"].sub_(network(torch.rand(50, 28, 28, generator=generator)).mean(dim=0))
    return network


def made_bundle(
    configs: Sequence[NetworkConfig],
    *,
    test_time_augmentation: TestTimeAugmentation = "none",
    temperature: float = 1.0,
) -> tuple[Bundle, Weights]:
    """Make a bundle in torch, and its weights as `weights.safetensors` would hold them."""
    networks = tuple(made_network(config, seed) for seed, config in enumerate(configs))
    weights = {
        f"{index:02}.{name}": tensor.float().numpy()
        for index, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    config = BundleConfig(
        name="made",
        members=tuple(configs),
        test_time_augmentation=test_time_augmentation,
        temperature=temperature,
    )
    return Bundle(config, networks), weights


def noise(n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Make random images, every second of them sparse, as digits are."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 28, 28), np.uint8)
    images[::2] *= rng.random((len(images[::2]), 28, 28)) < 0.2
    return images


THREE_CONFIGS = (
    NetworkConfig(widths=(2, 3), fully_connected=(5,)),
    NetworkConfig(widths=(4,), fully_connected=(), normalisation="batch", pooling="max"),
    NetworkConfig(widths=(3,), fully_connected=(6, 4), initialisation="he", input_mean=0.1),
)


def three_networks() -> list[DigitNetwork]:
    made = []
    for seed, config in enumerate(THREE_CONFIGS):
        network = DigitNetwork(config).initialise(torch.Generator().manual_seed(seed)).eval()
        with torch.no_grad():
            network.output.weight.mul_(3)  # answers that differ
        made.append(network)
    return made


def write_bundle(
    path: Path,
    *,
    order: tuple[int, ...] = (0, 1, 2),
    temperature: float = 1.0,
    test_time_augmentation: TestTimeAugmentation = "none",
) -> Path:
    """Save a bundle of the three networks, in any order."""
    networks = three_networks()
    config = BundleConfig(
        name="three",
        members=tuple(THREE_CONFIGS[i] for i in order),
        temperature=temperature,
        test_time_augmentation=test_time_augmentation,
        facts=BundleFacts(seed=0),
    )
    save_bundle(path, config, [networks[i].state_dict() for i in order], "# three\n")
    return path


def member_logits(digits: Digits) -> npt.NDArray[np.float64]:
    """Return the logits of the three networks, [3, n, 10]."""
    with torch.inference_mode():
        inputs = digits.images.float() / 255
        logits = torch.stack([network(inputs) for network in three_networks()])
    return logits.double().numpy()
