"""Drawings: from the points of a pen to pixels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import Foreground
from tenfold.errors import DataError
from tenfold.rendering.strokes import draw_polylines

Point = tuple[float, float]
Strokes = Sequence[Sequence[Point]]

DRAWING_SIDE_PX = 280  # of the digit in a drawing of strokes
PEN_WIDTH_PX = 31  # a ninth of the side, like MNIST's pen
_MAX_COORDINATE = 1e100  # products of larger ones would not be finite


def draw_strokes(strokes: Strokes) -> Foreground:
    """Draw polylines with a pen like MNIST's: float32[h, w] in [0, 1].

    Args:
        strokes: points (x, y) in any unit, y downwards.

    Raises:
        DataError: the strokes are not lists of finite points.
    """
    given = [_points(stroke) for stroke in strokes if len(stroke)]
    if not given:
        return np.zeros((1, 1), np.float32)
    points = np.concatenate(given)
    low, extent = points.min(axis=0), float(np.ptp(points, axis=0).max())
    scale = DRAWING_SIDE_PX / extent if extent > 1 / _MAX_COORDINATE else 1.0
    moved = [(stroke - low) * scale + PEN_WIDTH_PX for stroke in given]
    w, h = (np.ptp(points, axis=0) * scale + 2 * PEN_WIDTH_PX + 1).astype(int).tolist()
    return np.asarray(draw_polylines(moved, (h, w), PEN_WIDTH_PX) / 255, np.float32)


def _points(stroke: Sequence[Point]) -> npt.NDArray[np.float64]:
    """Return a stroke's points float64[k, 2], a dot's twice: a line of one point is not drawn."""
    try:
        points = np.asarray(stroke, np.float64)
    except (TypeError, ValueError):  # points of different lengths, or not numbers
        points = np.empty(0)
    is_list_of_points = points.ndim == 2 and points.shape[1] == 2  # noqa: PLR2004
    if not is_list_of_points or not (np.abs(points) < _MAX_COORDINATE).all():
        raise DataError("strokes are lists of points (x, y), finite numbers")
    return np.repeat(points, 2, axis=0) if len(points) == 1 else points
