"""A printed grid, such as a Sudoku, to the digit in each of its cells."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import Foreground
from tenfold.errors import DataError
from tenfold.reading.crops import Box, isolate_digit

_SIDE = 576  # pixels of the longer side of a straightened grid
_INSET = 0.1  # of a cell: printed lines and their shadows
_LOWEST = 0.25  # of a cell's height: less ink than that is dirt
_MOST = 30  # rows or columns
_STRAIGHT = 0.9  # of the area in a frame lies between straight lines from corner to corner
_NO_GRID = "no grid in this picture; leave out --grid, or photograph the whole frame"


class Cell(NamedTuple):
    """A cell's row and column, its box in the picture, and its ink float32[h, w]; 0 if blank."""

    row: int
    column: int
    box: Box
    ink: Foreground


def find_cells(ink: Foreground) -> Iterator[Cell]:
    """Find the grid in ink float32[h, w], straighten it, and go through its cells row by row.

    Raises:
        DataError: there is no grid.
    """
    corners = find_frame(ink)
    edges = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T)  # left, top, right, bottom
    sides = np.array([edges[1] + edges[3], edges[0] + edges[2]])
    w, h = np.rint(_SIDE * sides / sides.max()).astype(int).tolist()
    if min(w, h) < _SIDE // _MOST:
        raise DataError(_NO_GRID)
    square = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    straighten = cv2.getPerspectiveTransform(corners, square)
    flat = np.asarray(cv2.warpPerspective(ink, straighten, (w, h)), np.float32)
    rows, columns = rules(flat.T), rules(flat)
    back: npt.NDArray[np.float64] = np.linalg.inv(np.asarray(straighten, np.float64))
    for row, (top, bottom) in enumerate(pairwise(rows)):
        for column, (left, right) in enumerate(pairwise(columns)):
            box = _box(back, (left, top, right, bottom))
            yield Cell(row, column, box, _content(flat[top:bottom, left:right]))


def find_frame(ink: Foreground) -> npt.NDArray[np.float32]:
    """Return the corners float32[4, 2] of the largest frame: clockwise from top left.

    Raises:
        DataError: no piece of ink is a frame.
    """
    mask = (ink > 0.3).astype(np.uint8)  # noqa: PLR2004
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hulls = [cv2.convexHull(contour) for contour in contours]
    largest = max(hulls, key=cv2.contourArea, default=None)
    if largest is None or cv2.contourArea(largest) < 0.1 * ink.size:
        raise DataError(_NO_GRID)
    points = largest[:, 0, :].astype(np.float32)
    total, gap = points.sum(axis=1), np.diff(points, axis=1)[:, 0]
    corners = [points[total.argmin()], points[gap.argmin()]]
    corners += [points[total.argmax()], points[gap.argmax()]]
    frame = np.asarray(corners, np.float32)
    if cv2.contourArea(frame) < _STRAIGHT * cv2.contourArea(largest):
        raise DataError(_NO_GRID)
    return frame


def rules(flat: Foreground) -> list[int]:
    """Return the positions of the vertical rules of a straightened grid, left edge to right edge.

    Rules are equally far apart; of the numbers of cells at which there is a rule at nearly every
    place, the largest is taken: thin rules may stand between thick ones.
    """
    length, side = flat.shape
    inked = (flat > 0.2).astype(np.float32)  # noqa: PLR2004 - thin rules are pale
    long = cv2.morphologyEx(inked, cv2.MORPH_CLOSE, np.ones((5, 1), np.uint8))
    long = cv2.morphologyEx(long, cv2.MORPH_OPEN, np.ones((max(3, length // 8), 1), np.uint8))
    long = cv2.dilate(long, np.ones((1, 9), np.uint8))
    present = long.mean(axis=0)

    def ruled(cells: int) -> bool:
        places = np.rint(np.linspace(0, side - 1, cells + 1)).astype(int)[1:-1]
        return float(np.mean(present[places] > 0.5)) >= 0.85  # noqa: PLR2004

    cells = max(filter(ruled, range(2, min(_MOST, side // 16) + 1)), default=1)
    return [int(place) for place in np.rint(np.linspace(0, side, cells + 1))]


def _content(cell: Foreground) -> Foreground:
    """Return a cell's ink inside its rules; all 0 if there is too little for a digit."""
    h, w = cell.shape
    y, x = round(_INSET * h), round(_INSET * w)
    inner = isolate_digit(np.ascontiguousarray(cell[y : h - y, x : w - x]))
    inked = inner > 0.3  # noqa: PLR2004
    rows = np.flatnonzero(inked.any(axis=1))
    at_rules_only = not inked[y:-y, x:-x].any()
    if at_rules_only or rows[-1] - rows[0] < _LOWEST * h:
        return np.zeros_like(inner)
    return inner


def _box(back: npt.NDArray[np.float64], box: Box) -> Box:
    left, top, right, bottom = box
    corners = np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]])
    mapped = back @ corners
    x, y = mapped[0] / mapped[2], mapped[1] / mapped[2]
    return int(x.min()), int(y.min()), int(np.ceil(x.max())), int(np.ceil(y.max()))
