"""Small bundles in memory, whose networks give different answers to different images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tenfold.bundle.format import BundleConfig, Weights
from tenfold.bundle.test_time_augmentation import TestTimeAugmentation
from tenfold.bundle.torch_bundle import Bundle
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
        weights_sha256="",
    )
    return Bundle(config, networks), weights


def noise(n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Make random images, every second of them sparse, as digits are."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 28, 28), np.uint8)
    images[::2] *= rng.random((len(images[::2]), 28, 28)) < 0.2
    return images
