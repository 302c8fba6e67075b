"""Test-time augmentation: the variants of an image over which a prediction is averaged.

`none` uses the image alone, without resampling. `deskew-affine-shift` uses eight variants, sampled
bilinearly: the deskewed image, rotated by ±6° and scaled by 0.8 and 1.2 in all four combinations,
and the original image, shifted by one pixel in each of the four directions.
docs/explanation/accuracy.md has measurements of these and of other choices.
"""

import functools
import itertools
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import SIDE

TestTimeAugmentation = Literal["none", "deskew-affine-shift"]

VARIANTS: dict[TestTimeAugmentation, int] = {"none": 1, "deskew-affine-shift": 8}
ROTATION_DEGREES = 6
RELATIVE_SCALING = 0.2
SHIFTS_PX = ((1, 0), (-1, 0), (0, 1), (0, -1))  # (right, down)


@functools.cache
def interpolation_weights() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return from which pixels each variant of `deskew-affine-shift` is interpolated.

    Pixel p of a variant is Σₖ weight[k, p]·pixel[index[k, p]] over four neighbours. Neighbours
    outside the frame have weight 0. Pixels 0 … 783 are the image's, row by row; pixels 784 … 1567
    are the deskewed image's.

    Returns:
        index int64[8, 4, 784] and weight float32[8, 4, 784]: variants, neighbours, pixels.
    """
    angles = (-ROTATION_DEGREES, ROTATION_DEGREES)
    scales = (1 - RELATIVE_SCALING, 1 + RELATIVE_SCALING)
    affine = [
        _bilinear(angle=math.radians(angle), scale=scale)
        for angle, scale in itertools.product(angles, scales)
    ]
    shifted = [_bilinear(shift=shift) for shift in SHIFTS_PX]
    indices = [SIDE**2 + index for index, _ in affine] + [index for index, _ in shifted]
    return np.stack(indices), np.stack([weight for _, weight in affine + shifted])


def _bilinear(
    angle: float = 0, scale: float = 1, shift: tuple[int, int] = (0, 0)
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return index and weight [4, 784] of an image rotated and scaled about its centre, or shifted.

    The angle is in radians. The shift is in pixels, right and down.
    """
    centre = (SIDE - 1) / 2
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    y, x = np.indices((SIDE, SIDE)).reshape(2, -1) - centre - np.array(shift)[::-1, None]
    # Where a pixel comes from: the inverse transformation, R(-angle) / scale.
    rows, columns = cos * y - sin * x + centre, cos * x + sin * y + centre
    indices, weights = [], []
    for down, right in itertools.product((0, 1), repeat=2):
        row, column = np.floor(rows).astype(int) + down, np.floor(columns).astype(int) + right
        inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
        indices.append(np.where(inside, row * SIDE + column, 0))
        weights.append(inside * (1 - abs(rows - row)) * (1 - abs(columns - column)))
    return np.stack(indices), np.stack(weights).astype(np.float32)
