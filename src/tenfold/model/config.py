"""The configuration of a digit network. It does not import torch."""

import math
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from tenfold.data.mnist import CLASSES, SIDE
from tenfold.untrusted import Frozen

PoolKind = Literal["mixed", "max", "average"]

# Weights of the maximum and of the average of each 2×2 window.
POOLING_WEIGHTS: dict[PoolKind, tuple[float, float]] = {
    "mixed": (0.5, 0.5),
    "max": (1.0, 0.0),
    "average": (0.0, 1.0),
}


MAX_PARAMETERS = 100_000_000


class NetworkConfig(Frozen):
    """What a `DigitNetwork` is made of; the defaults are the seed report's network."""

    widths: tuple[PositiveInt, ...] = Field(
        default=(32, 64, 128), min_length=1, max_length=5, description="filters of each 3×3 conv"
    )
    fully_connected: tuple[PositiveInt, ...] = Field(
        default=(1024, 512), max_length=10, description="units of each"
    )
    pooling: PoolKind = "mixed"
    normalisation: Literal["none", "batch"] = "none"
    fully_connected_slope: float = Field(default=0.2, ge=0, lt=1, description="0 is ReLU")
    dropout: float = Field(default=0.5, ge=0, lt=1)
    initialisation: Literal["truncated-normal", "he"] = "truncated-normal"
    initial_std: float = Field(default=0.1, gt=0, description="of the truncated normal")
    initial_bias: float = 0.1
    input_mean: float = Field(default=0.0, description="of pixels in [0, 1]")
    input_std: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        if sum(map(math.prod, tensor_shapes(self).values())) > MAX_PARAMETERS:
            raise ValueError(f"a network has at most {MAX_PARAMETERS:,} parameters")
        return self


def tensor_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor that a trained `DigitNetwork` holds."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels, side = 1, SIDE
    for block, width in enumerate(config.widths):
        shapes |= _layer(f"blocks.{block}.convolution", (width, channels, 3, 3), config)
        channels = width
        side = -(-side // 2)
    units = (side * side * channels, *config.fully_connected)
    for index, (inputs, outputs) in enumerate(pairwise(units)):
        shapes |= _layer(f"dense.{index}.linear", (outputs, inputs), config)
    return shapes | {"output.weight": (CLASSES, units[-1]), "output.bias": (CLASSES,)}


def _layer(name: str, weight: tuple[int, ...], config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return what a layer holds: weights, then a bias or the batch norm that brings one."""
    shapes, outputs = {f"{name}.weight": weight}, weight[:1]
    if config.normalisation == "none":
        return shapes | {f"{name}.bias": outputs}
    norm = f"{name.rpartition('.')[0]}.norm"
    for part in ("weight", "bias", "running_mean", "running_var"):
        shapes[f"{norm}.{part}"] = outputs
    return shapes | {f"{norm}.num_batches_tracked": ()}
