"""The views of an image that a prediction averages over.

One view is the image itself, and takes no sampling. Eight are the deskewed image turned by
± `DEGREES` and at 1 ± `STRETCH` of its size, in all combinations, sampled bilinearly, and the image
as it is, shifted by a pixel in each direction. What they are worth, beside other views:
docs/accuracy.md.
"""

import functools
import itertools
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from tenfold.model.config import SIDE

Views = Literal[1, 8]

DEGREES = 6
STRETCH = 0.2
SHIFTS = ((1, 0), (-1, 0), (0, 1), (0, -1))  # pixels right and down

_AXIS = np.arange(SIDE, dtype=np.float32)
_TINY = np.float32(1e-6)  # where there is no ink, or one row of it, nothing moves


def deskewed(pixels_nhw: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Take the slant off images [n, 28, 28]: move rows sideways until x and y do not correlate.

    Row y is read at x + k·(y - ȳ), linearly, zero outside, with k = Σ p·(x - x̄)(y - ȳ) /
    Σ p·(y - ȳ)² over the pixels p, at most 1 either way: the moments that LeCun et al. (1998)
    deskewed MNIST by. The centre of mass stays where it is.
    """
    mass, rows = np.maximum(pixels_nhw.sum((1, 2)), _TINY)[:, None], pixels_nhw.sum(2)
    x = _AXIS - pixels_nhw.sum(1) @ _AXIS[:, None] / mass
    y = _AXIS - rows @ _AXIS[:, None] / mass
    covariance = np.einsum("nyx,ny,nx->n", pixels_nhw, y, x)
    variance = np.einsum("ny,ny->n", rows, y * y)
    slope = np.clip(covariance / np.maximum(variance, _TINY), -1, 1)
    columns = _AXIS + (slope[:, None] * y)[:, :, None]
    left = np.floor(columns)
    near = left.astype(np.int64) + SIDE  # in a row with as much nothing at each end
    framed = np.pad(pixels_nhw, ((0, 0), (0, 0), (SIDE, SIDE)))
    first, second = (np.take_along_axis(framed, near + step, axis=2) for step in (0, 1))
    moved: npt.NDArray[np.float32] = first + (columns - left) * (second - first)
    return moved


@functools.cache
def taps() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return which pixels make up those of each of the eight views, and how much of each.

    Pixel p of a view is Σₖ weight[k]·pixel[index[k]] over its four neighbours, those outside of the
    frame at weight 0. Pixels are numbered row by row, the image's and then the deskewed image's.

    Returns:
        index int64[8, 4, 784] and weight float32[8, 4, 784]: views, taps, pixels.
    """
    corners = itertools.product((-DEGREES, DEGREES), (1 - STRETCH, 1 + STRETCH))
    far = [_bilinear(math.radians(degrees), scale) for degrees, scale in corners]
    shifted = [_bilinear(shift=shift) for shift in SHIFTS]
    indices = [SIDE**2 + index for index, _ in far] + [index for index, _ in shifted]
    return np.stack(indices), np.stack([weight for _, weight in far + shifted])


def _bilinear(
    angle: float = 0, scale: float = 1, shift: tuple[int, int] = (0, 0)
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the taps of an image turned about its centre, scaled, then shifted, [4, 784] each."""
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    y, x = np.indices((SIDE, SIDE)).reshape(2, -1) - (SIDE - 1) / 2 - np.array(shift)[::-1, None]
    # Where a pixel comes from: the inverse map, R(-angle) / scale.
    rows, columns = cos * y - sin * x + (SIDE - 1) / 2, cos * x + sin * y + (SIDE - 1) / 2
    indices, weights = [], []
    for down, right in itertools.product((0, 1), repeat=2):
        row, column = np.floor(rows).astype(int) + down, np.floor(columns).astype(int) + right
        inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
        indices.append(np.where(inside, row * SIDE + column, 0))
        weights.append(inside * (1 - abs(rows - row)) * (1 - abs(columns - column)))
    return np.stack(indices), np.stack(weights).astype(np.float32)
