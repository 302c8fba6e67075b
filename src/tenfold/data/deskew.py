"""Deskewing of digits, as LeCun et al. (1998) deskewed MNIST."""

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import SIDE

_AXIS = np.arange(SIDE, dtype=np.float32)
# Keeps images still that are black, or white in one row only.
_EPSILON = np.float32(1e-6)


def deskewed(pixels_nhw: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Deskew images [n, 28, 28]: shift rows sideways until x and y do not correlate.

    Row y is read at x + k·(y - ȳ), linearly, zero outside, with k = Σ p·(x - x̄)(y - ȳ) /
    Σ p·(y - ȳ)² over the pixels p, limited to -1 … 1. These are the moments of LeCun et al. (1998).
    The centre of mass stays where it is.

    Returns:
        float32[n, 28, 28].
    """
    mass, rows = np.maximum(pixels_nhw.sum((1, 2)), _EPSILON)[:, None], pixels_nhw.sum(2)
    x = _AXIS - pixels_nhw.sum(1) @ _AXIS[:, None] / mass
    y = _AXIS - rows @ _AXIS[:, None] / mass
    covariance = np.einsum("nyx,ny,nx->n", pixels_nhw, y, x)
    variance = np.einsum("ny,ny->n", rows, y * y)
    slope = np.clip(covariance / np.maximum(variance, _EPSILON), -1, 1)
    columns = _AXIS + (slope[:, None] * y)[:, :, None]
    left = np.floor(columns)
    near = left.astype(np.int64) + SIDE
    padded = np.pad(pixels_nhw, ((0, 0), (0, 0), (SIDE, SIDE)))
    first, second = (np.take_along_axis(padded, near + step, axis=2) for step in (0, 1))
    moved: npt.NDArray[np.float32] = first + (columns - left) * (second - first)
    return moved
