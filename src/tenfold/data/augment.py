"""Random affine augmentation of a whole batch at a time.

An image is read as a function of the pixel position p = (x, y), zero outside, with its centre at
c = (13.5, 13.5). Augmenting moves it to

    out(p) = in(c + A⁻¹ (p - c - t)),    A = s · R(θ) · [[1, tan φ], [0, 1]]

with scale s, rotation θ, shear φ and translation t drawn per image, sampled bilinearly.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

_SIDE = 28
_CENTRE = (_SIDE - 1) / 2


class Augmentation(BaseModel):
    """How far images are moved at random; every draw is uniform in ± the given value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotation: float = Field(default=0.0, ge=0, le=180, description="± degrees")
    scale: float = Field(default=0.0, ge=0, lt=1, description="± fraction of the size")
    shear: float = Field(default=0.0, ge=0, le=60, description="± degrees, along x")
    translation: float = Field(default=0.0, ge=0, le=_SIDE, description="± pixels, x and y apart")

    @property
    def active(self) -> bool:
        """Whether any image is moved at all."""
        return any((self.rotation, self.scale, self.shear, self.translation))


def augment(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Move each image by an affine map of its own.

    Args:
        images: uint8[n, 28, 28].
        config: how far; all zero leaves the generator untouched.
        generator: source of the 5 uniform draws per image.

    Returns:
        float32[n, 28, 28] in [0, 1]; exactly ``images / 255`` when the config is all zero.
    """
    if not config.active:
        return images.to(torch.float32).div_(255)
    return warp(images, draw_inverses(len(images), config, generator))


def draw_inverses(n: int, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw the maps from output to input positions, relative to the centre.

    Returns:
        float32[n, 2, 3]: rows x and y; columns x, y and the offset in pixels: [A⁻¹ | -A⁻¹ t].
    """
    draws = torch.rand(n, 5, generator=generator) * 2 - 1
    theta = torch.deg2rad(draws[:, 0] * config.rotation)
    scale = 1 + draws[:, 1] * config.scale
    slope = torch.tan(torch.deg2rad(draws[:, 2] * config.shear))
    offset = draws[:, 3:] * config.translation
    cos, sin = theta.cos() / scale, theta.sin() / scale
    # A⁻¹ = [[1, -tan φ], [0, 1]] · R(-θ) / s
    linear = torch.stack([cos + slope * sin, sin - slope * cos, -sin, cos], 1).view(n, 2, 2)
    return torch.cat([linear, -linear @ offset.unsqueeze(2)], 2)


def warp(images: Tensor, inverses: Tensor) -> Tensor:
    """Sample each image bilinearly at inverses · (x - 13.5, y - 13.5, 1), zero outside.

    Args:
        images: uint8[n, 28, 28].
        inverses: float32[n, 2, 3], as from `draw_inverses`.

    Returns:
        float32[n, 28, 28] in [0, 1].
    """
    n = len(images)
    axis = torch.arange(_SIDE, dtype=torch.float32) - _CENTRE
    positions = torch.stack(
        [axis.repeat(_SIDE), axis.repeat_interleave(_SIDE), torch.ones(_SIDE * _SIDE)]
    )
    # One matrix product for all grids, 25 times as fast as affine_grid; grid_sample reads
    # the permuted view as fast as a contiguous one. Its unit is half the distance between the
    # outermost pixel centres.
    grid = (inverses.reshape(-1, 3) @ positions).div_(_CENTRE).view(n, 2, _SIDE, _SIDE)
    scaled = images.to(torch.float32).div_(255).unsqueeze(1)
    return functional.grid_sample(
        scaled,
        grid.permute(0, 2, 3, 1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    ).squeeze(1)
