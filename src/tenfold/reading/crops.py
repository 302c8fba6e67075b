"""What belongs to one digit, and ink from strokes."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import Foreground
from tenfold.errors import DataError
from tenfold.reading.line_removal import BODY, with_edge
from tenfold.rendering.strokes import draw_polylines

Point = tuple[float, float]
Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two exclusive

_SPECK = 0.04  # of the largest piece's area: smaller ones are dirt
_NEAR = 0.5  # of the main piece's size: farther away lies what is not of its digit
_CANVAS = 280  # pixels: the longer side that strokes are drawn at
_FAR = 1e100  # no point is farther out, no drawing smaller than its inverse: products stay finite
_PEN = 31  # pixels: a ninth of that, like MNIST's pen


def isolate_digit(ink: Foreground) -> Foreground:
    """Keep what belongs to the one digit of a picture: no specks, no shadows along an edge.

    The main piece is the largest, pieces that touch an edge counting less. Another piece stays if
    it is no speck, is near, and does not lie along an edge that the main one keeps clear of.
    """
    mask = (ink > BODY).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count == 1:
        return np.zeros_like(ink)
    if count == 2:  # noqa: PLR2004 - paper and one piece
        return np.where(with_edge(mask > 0), ink, 0).astype(np.float32, copy=False)
    h, w = ink.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    area = np.bincount(labels.ravel(), weights=ink.ravel(), minlength=count)
    area[0] = 0
    at_edge = (left == 0) | (top == 0) | (right == w) | (bottom == h)
    main = int(np.argmax(np.where(at_edge, area / 4, area)))
    kept = area >= _SPECK * area[main]
    reach = _NEAR * max(right[main] - left[main], bottom[main] - top[main])
    apart_x = np.maximum(left - right[main], left[main] - right)
    apart_y = np.maximum(top - bottom[main], top[main] - bottom)
    kept &= np.maximum(apart_x, apart_y) <= reach
    if not at_edge[main]:
        kept &= ~at_edge
    kept[main] = True
    kept[0] = False
    return np.where(with_edge(kept[labels]), ink, 0).astype(np.float32, copy=False)


def draw_strokes(strokes: Sequence[Sequence[Point]]) -> Foreground:
    """Draw polylines with a pen like MNIST's: float32[h, w], as a canvas would show them.

    Args:
        strokes: points (x, y) in any unit, y downwards.

    Raises:
        DataError: what is no list of finite points.
    """
    given = [_points(stroke) for stroke in strokes if len(stroke)]
    if not given:
        return np.zeros((1, 1), np.float32)
    points = np.concatenate(given)
    low, extent = points.min(axis=0), float(np.ptp(points, axis=0).max())
    scale = _CANVAS / extent if extent > 1 / _FAR else 1.0
    moved = [(stroke - low) * scale + _PEN for stroke in given]
    w, h = (np.ptp(points, axis=0) * scale + 2 * _PEN + 1).astype(int).tolist()
    return np.asarray(draw_polylines(moved, (h, w), _PEN) / 255, np.float32)


def _points(stroke: Sequence[Point]) -> npt.NDArray[np.float64]:
    """Return a stroke's points float64[k, 2], a dot's twice: a line of one point is not drawn."""
    try:
        points = np.asarray(stroke, np.float64)
    except (TypeError, ValueError):  # not of one length, or no numbers
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or not (np.abs(points) < _FAR).all():  # noqa: PLR2004
        raise DataError("strokes are lists of points (x, y), finite numbers")
    return np.repeat(points, 2, axis=0) if len(points) == 1 else points


def scaled(box: Box, factor: float, shape: Sequence[int]) -> Box:
    """Scale a box about the origin, outwards to whole pixels, and keep it in the picture."""
    left, top, right, bottom = box
    h, w = shape[:2]
    return (
        int(left * factor),
        int(top * factor),
        min(w, int(np.ceil(right * factor))),
        min(h, int(np.ceil(bottom * factor))),
    )
