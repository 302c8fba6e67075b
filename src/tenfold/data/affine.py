"""Random affine maps of a whole batch of images at a time.

An image is read as a function of the pixel position p = (x, y), zero outside, with its centre at
c = (13.5, 13.5). A map moves it to

    out(p) = in(c + A⁻¹ (p - c - t)),    A = s · R(θ) · [[1, tan φ], [0, 1]]

with scale s, rotation θ, shear φ and translation t drawn per image, sampled bilinearly.
"""

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.data.mnist import SIDE
from tenfold.untrusted import Frozen

CENTRE = (SIDE - 1) / 2


class AffineRanges(Frozen):
    """How far images are moved at random; draws are uniform."""

    rotation: float = Field(default=0.0, ge=0, le=180, description="± degrees")
    scale: float = Field(default=0.0, ge=0, lt=1, description="± fraction of the size")
    shear: float = Field(default=0.0, ge=0, le=60, description="± degrees, along x")
    translation: float = Field(default=0.0, ge=0, le=SIDE, description="± pixels, x and y apart")


def draw_inverses(n: int, ranges: AffineRanges, generator: torch.Generator) -> Tensor:
    """Draw the maps from output to input positions, relative to the centre.

    Returns:
        float32[n, 2, 3]: rows x and y; columns x, y and the offset in pixels: [A⁻¹ | -A⁻¹ t].
    """
    draws = torch.rand(n, 5, generator=generator) * 2 - 1
    theta = torch.deg2rad(draws[:, 0] * ranges.rotation)
    scale = 1 + draws[:, 1] * ranges.scale
    slope = torch.tan(torch.deg2rad(draws[:, 2] * ranges.shear))
    offset = draws[:, 3:] * ranges.translation
    cos, sin = theta.cos() / scale, theta.sin() / scale
    # A⁻¹ = [[1, -tan φ], [0, 1]] · R(-θ) / s
    linear = torch.stack([cos + slope * sin, sin - slope * cos, -sin, cos], 1).view(n, 2, 2)
    return torch.cat([linear, -linear @ offset.unsqueeze(2)], 2)


def warp(
    images: Tensor, inverses: Tensor, displacement: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Sample each image bilinearly at inverses · (x - 13.5, y - 13.5, 1), zero outside.

    Args:
        images: uint8[n, 28, 28].
        inverses: float32[n, 2, 3], as from `draw_inverses`.
        displacement: what is added to the position that is read, in pixels: coefficients
            float32[2n, k], x and y of each image in turn, and what each coefficient adds to
            each pixel, float32[k, 784].

    Returns:
        float32[n, 28, 28] in [0, 1].
    """
    n, device = len(images), images.device
    axis = torch.arange(SIDE, dtype=torch.float32, device=device) - CENTRE
    x, y = axis.repeat(SIDE), axis.repeat_interleave(SIDE)
    positions = torch.stack([x, y, torch.ones_like(x)])
    # One matrix product for all grids, 25 times as fast as affine_grid; grid_sample reads
    # the permuted view as fast as a contiguous one. Its unit is half the distance between the
    # outermost pixel centres.
    grid = inverses.to(device).reshape(-1, 3) @ positions
    if displacement is not None:
        coefficients, basis = displacement
        grid.addmm_(coefficients.to(device), basis.to(device))
    grid = grid.div_(CENTRE).view(n, 2, SIDE, SIDE)
    scaled = images.to(torch.float32).div_(255).unsqueeze(1)
    return F.grid_sample(
        scaled,
        grid.permute(0, 2, 3, 1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    ).squeeze(1)
