"""A bundle's probabilities in plain NumPy, float64: independent of torch and of ONNX."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.bundle.format import BundleConfig
from tenfold.bundle.test_time_augmentation import interpolation_weights
from tenfold.data.deskew import deskewed
from tenfold.model.config import NetworkConfig

Floats = npt.NDArray[np.float64]
Tensors = Mapping[str, npt.NDArray[Any]]


def softmax(x: Floats) -> Floats:
    powers: Floats = np.exp(x - x.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def normalised(x: Floats, state: Tensors, name: str) -> Floats:
    """Apply the batch norm `name`, if there is one, over the last axis."""
    if f"{name}.weight" not in state:
        return x
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"].astype(float)
    result: Floats = (x - mean) / np.sqrt(variance + 1e-5) * state[f"{name}.weight"]
    result += state[f"{name}.bias"]
    return result


def convolved(x_nyxc: Floats, weight_oikl: npt.NDArray[Any], bias: Any) -> Floats:
    framed = np.pad(x_nyxc, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), axis=(1, 2))
    result: Floats = np.einsum("nyxikl,oikl->nyxo", windows, weight_oikl.astype(float))
    result += bias
    return result


def pooled(x_nyxc: Floats, kind: str) -> Floats:
    """Pool windows of 2×2. A window that the edge cuts has fewer pixels."""
    side = x_nyxc.shape[1]
    framed = np.pad(x_nyxc, ((0, 0), (0, side % 2), (0, side % 2), (0, 0)), constant_values=np.nan)
    windows = np.stack([framed[:, a::2, b::2] for a in (0, 1) for b in (0, 1)])
    largest, mean = np.nanmax(windows, axis=0), np.nanmean(windows, axis=0)
    result: Floats = {"max": largest, "average": mean, "mixed": (largest + mean) / 2}[kind]
    return result


def logits(pixels_nyx: Floats, config: NetworkConfig, state: Tensors) -> Floats:
    x = ((pixels_nyx - config.input_mean) / config.input_std)[..., None]
    for block in range(len(config.widths)):
        name = f"blocks.{block}"
        bias = state.get(f"{name}.convolution.bias", 0)
        x = convolved(x, state[f"{name}.convolution.weight"], bias)
        x = pooled(np.maximum(normalised(x, state, f"{name}.norm"), 0), config.pooling)
    x = x.reshape(len(x), -1)
    for layer in range(len(config.fully_connected)):
        name = f"dense.{layer}"
        x = x @ state[f"{name}.linear.weight"].T + state.get(f"{name}.linear.bias", 0)
        x = normalised(x, state, f"{name}.norm")
        x = np.where(x < 0, config.fully_connected_slope * x, x)
    result: Floats = x @ state["output.weight"].T + state["output.bias"]
    return result


def classify(
    images_nyx: npt.NDArray[np.uint8], config: BundleConfig, weights: Tensors
) -> tuple[Floats, Floats]:
    """Return calibrated probabilities [n, 10], and each member's own [n, members, 10]."""
    pixels = images_nyx[None] / 255.0
    if config.test_time_augmentation == "deskew-affine-shift":
        straight = deskewed(pixels[0].astype(np.float32))
        both = np.concatenate([pixels[0], straight], axis=1).reshape(len(images_nyx), -1)
        index, weight = interpolation_weights()
        pixels = (both[:, index] * weight).sum(axis=2).swapaxes(0, 1).reshape(8, -1, 28, 28)
    members = []
    for number, network in enumerate(config.members):
        prefix = f"{number:02}."
        state = {
            key.removeprefix(prefix): value
            for key, value in weights.items()
            if key.startswith(prefix)
        }
        p = [softmax(logits(variant, network, state)) for variant in pixels]
        members.append(np.mean(p, axis=0))
    calibrated = softmax(np.log(np.mean(members, axis=0)) / config.temperature)
    return calibrated, np.stack(members, axis=1)
