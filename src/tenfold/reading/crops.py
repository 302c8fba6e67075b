"""From a picture, or from strokes, to the crops that the classifier sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import Foreground, foreground_box, normalize_digit
from tenfold.errors import DataError
from tenfold.reading.components import Box
from tenfold.reading.foreground import Pixels, downscale, find_foreground
from tenfold.reading.grid import find_cells
from tenfold.reading.isolation import isolate_digit
from tenfold.reading.segmentation import segment_digits
from tenfold.rendering.strokes import draw_polylines

Layout = Literal["line", "single", "grid"]
Point = tuple[float, float]
Strokes = Sequence[Sequence[Point]]

DRAWING_SIDE_PX = 280  # of the digit in a drawing of strokes
PEN_WIDTH_PX = 31  # a ninth of the side, like MNIST's pen
_MAX_COORDINATE = 1e100  # products of larger ones would not be finite


@dataclass(frozen=True, eq=False)
class Crop:
    """A digit before it is read: uint8[28, 28], its box in the picture, its row and column."""

    image: npt.NDArray[np.uint8]
    box: Box | None
    cell: tuple[int, int] | None = None


Region = list[list[Crop]]  # the candidate splits of one region into digits, mostly a single one


def find_digits(picture: Pixels, layout: Layout) -> list[Region]:
    """Find the digits of a picture, in reading order.

    Raises:
        DataError: there is no grid, if `layout` is grid.
    """
    small, factor = downscale(picture)
    foreground = find_foreground(small, keep_lines=layout == "grid").foreground
    return crop_digits(foreground, layout, 1 / factor, picture.shape)


def crop_digits(
    foreground: Foreground, layout: Layout, factor: float, shape: Sequence[int]
) -> list[Region]:
    """Crop the digits of float32[h, w]; boxes are scaled by `factor` to a picture of `shape`."""
    if layout == "grid":
        return [
            [[Crop(normalize_digit(digit), scale_box(box, factor, shape), (row, column))]]
            for row, column, box, digit in find_cells(foreground)
        ]
    if layout == "line":
        return [
            [
                [
                    Crop(normalize_digit(digit), scale_box(box, factor, shape))
                    for box, digit in split
                ]
                for split in candidates
            ]
            for candidates in segment_digits(foreground)
        ]
    digit = isolate_digit(foreground)
    top, left, bottom, right = foreground_box(digit)
    box = scale_box((left, top, right, bottom), factor, shape) if bottom else None
    return [[[Crop(normalize_digit(digit), box)]]]


def stack_images(regions: Sequence[Region]) -> npt.NDArray[np.uint8]:
    """Return the images of all crops of at least one region, uint8[n, 28, 28]."""
    return np.stack([crop.image for region in regions for split in region for crop in split])


def scale_box(box: Box, factor: float, shape: Sequence[int]) -> Box:
    """Scale a box about the origin, outwards to whole pixels, and clip it to the picture."""
    left, top, right, bottom = box
    h, w = shape[:2]
    return (
        int(left * factor),
        int(top * factor),
        min(w, int(np.ceil(right * factor))),
        min(h, int(np.ceil(bottom * factor))),
    )


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
