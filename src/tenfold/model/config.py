"""What a digit network is made of, said without torch."""

from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from tenfold.data.mnist import CLASSES, SIDE

PoolKind = Literal["mixed", "max", "average"]

# How much of the maximum and of the average each kind of pooling takes.
SHARES: dict[PoolKind, tuple[float, float]] = {
    "mixed": (0.5, 0.5),
    "max": (1.0, 0.0),
    "average": (0.0, 1.0),
}


class NetworkConfig(BaseModel):
    """What a `DigitNetwork` is made of; the defaults are the seed report's network."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    widths: tuple[PositiveInt, ...] = Field(
        default=(32, 64, 128), min_length=1, max_length=5, description="filters of each 3×3 conv"
    )
    convolutions: int = Field(
        default=1, ge=1, le=4, description="3×3 convs in each block but the first, which has one"
    )
    fully_connected: tuple[PositiveInt, ...] = Field(
        default=(1024, 512), description="units of each"
    )
    pooling: Literal["mixed", "max", "average", "learned"] = "mixed"
    normalisation: Literal["none", "batch"] = "none"
    convolution_slope: float = Field(default=0.0, ge=0, lt=1, description="0 is ReLU")
    fully_connected_slope: float = Field(default=0.2, ge=0, lt=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    initialisation: Literal["truncated-normal", "he", "xavier"] = "truncated-normal"
    initial_std: float = Field(default=0.1, gt=0, description="of the truncated normal")
    initial_bias: float = 0.1
    input_mean: float = Field(default=0.0, description="of pixels in [0, 1]")
    input_std: float = Field(default=1.0, gt=0)


def convolution_names(config: NetworkConfig, block: int) -> list[str]:
    """Return the names of a block's convolutions, in order; what pools is the block itself."""
    extra = config.convolutions - 1 if block else 0
    return [*(f"blocks.{block}.before.{index}" for index in range(extra)), f"blocks.{block}"]


def tensor_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor that a trained `DigitNetwork` holds."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels, side = 1, SIDE
    for block, width in enumerate(config.widths):
        for name in convolution_names(config, block):
            shapes |= _layer(f"{name}.convolution", (width, channels, 3, 3), config)
            channels = width
        if config.pooling == "learned":
            shapes[f"blocks.{block}.pool.gate"] = (width,)
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
