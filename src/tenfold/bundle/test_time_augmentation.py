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

from tenfold.data.mnist import SIDE

Views = Literal[1, 8]

DEGREES = 6
STRETCH = 0.2
SHIFTS = ((1, 0), (-1, 0), (0, 1), (0, -1))  # pixels right and down


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
