"""A printed grid, such as a Sudoku, to the digit in each of its cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import Foreground
from tenfold.errors import DataError
from tenfold.reading.components import Box, connected_components
from tenfold.reading.isolation import isolate_digit

_NO_GRID = "no grid in this picture; leave out --grid, or photograph the whole frame"


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """Sizes and thresholds of grid detection; `x_of_y` is x as a share of y."""

    side_px: int = 576  # of the longer side of a straightened grid
    max_cells_of_side: int = 30
    min_cell_side_px: int = 16
    frame_level: float = 0.3
    min_frame_area_of_picture: float = 0.1
    min_straight_area_of_frame: float = 0.9  # between straight lines from corner to corner
    rule_level: float = 0.2  # thin rules are pale
    min_rule_length: float = 0.5
    min_rule_segment: int = 8  # a segment is at least the side divided by this
    min_rules_present: float = 0.85
    cell_margin: float = 0.1  # printed lines and their shadows
    digit_level: float = 0.3
    min_digit_height_of_cell: float = 0.25  # less is dirt


CONFIG = GridConfig()


class Cell(NamedTuple):
    """A cell's row, column, box in the picture, and float32[h, w]: all 0 if it is blank."""

    row: int
    column: int
    box: Box
    foreground: Foreground


def find_cells(foreground: Foreground) -> Iterator[Cell]:
    """Find the grid in float32[h, w], straighten it, and yield its cells row by row.

    Raises:
        DataError: there is no grid.
    """
    corners = find_frame(foreground)
    left, top, right, bottom = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T)
    sides = np.array([top + bottom, left + right])
    w, h = np.rint(CONFIG.side_px * sides / sides.max()).astype(int).tolist()
    if min(w, h) < CONFIG.side_px // CONFIG.max_cells_of_side:
        raise DataError(_NO_GRID)
    rectangle = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    straighten = cv2.getPerspectiveTransform(corners, rectangle)
    straight = np.asarray(cv2.warpPerspective(foreground, straighten, (w, h)), np.float32)
    rows, columns = find_rules(straight.T), find_rules(straight)
    inverse: npt.NDArray[np.float64] = np.linalg.inv(np.asarray(straighten, np.float64))
    for row, (y0, y1) in enumerate(pairwise(rows)):
        for column, (x0, x1) in enumerate(pairwise(columns)):
            box = _box_in_picture(inverse, (x0, y0, x1, y1))
            yield Cell(row, column, box, _digit_in_cell(straight[y0:y1, x0:x1]))


def find_frame(foreground: Foreground) -> npt.NDArray[np.float32]:
    """Return the corners float32[4, 2] of the largest frame, clockwise from top left.

    Raises:
        DataError: there is no frame.
    """
    mask = (foreground > CONFIG.frame_level).astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    least = CONFIG.min_frame_area_of_picture * foreground.size
    labels, stats = connected_components(closed > 0)
    left, top, right, bottom, _ = stats.T
    large = (right - left) * (bottom - top) > least
    large[0] = False
    contours, _ = cv2.findContours(
        large[labels].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    hulls = [cv2.convexHull(contour) for contour in contours]
    largest = max(hulls, key=cv2.contourArea, default=None)
    if largest is None or cv2.contourArea(largest) < least:
        raise DataError(_NO_GRID)
    points = largest[:, 0, :].astype(np.float32)
    total, difference = points.sum(axis=1), np.diff(points, axis=1)[:, 0]
    corners = (total.argmin(), difference.argmin(), total.argmax(), difference.argmax())
    frame = np.asarray([points[corner] for corner in corners], np.float32)
    if cv2.contourArea(frame) < CONFIG.min_straight_area_of_frame * cv2.contourArea(largest):
        raise DataError(_NO_GRID)
    return frame


def find_rules(straight: Foreground) -> list[int]:
    """Return the positions of a straightened grid's vertical rules, left edge to right edge.

    Rules are equally far apart. Of the numbers of cells at which nearly every place has a rule, the
    largest is taken: thin rules may stand between thick ones.
    """
    length, side = straight.shape
    mask = (straight > CONFIG.rule_level).astype(np.float32)
    segment = max(3, length // CONFIG.min_rule_segment)
    lines = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 1), np.uint8))
    lines = cv2.morphologyEx(lines, cv2.MORPH_OPEN, np.ones((segment, 1), np.uint8))
    covered = cv2.dilate(lines, np.ones((1, 9), np.uint8)).mean(axis=0)

    def has_rules(cells: int) -> bool:
        places = np.rint(np.linspace(0, side - 1, cells + 1)).astype(int)[1:-1]
        present = covered[places] > CONFIG.min_rule_length
        return float(np.mean(present)) >= CONFIG.min_rules_present

    most = min(CONFIG.max_cells_of_side, side // CONFIG.min_cell_side_px)
    cells = max(filter(has_rules, range(2, most + 1)), default=1)
    return [int(place) for place in np.rint(np.linspace(0, side, cells + 1))]


def _digit_in_cell(cell: Foreground) -> Foreground:
    """Return a cell's foreground inside its rules; all 0 if it is too little for a digit."""
    h, w = cell.shape
    y, x = round(CONFIG.cell_margin * h), round(CONFIG.cell_margin * w)
    digit = isolate_digit(np.ascontiguousarray(cell[y : h - y, x : w - x]))
    mask = digit > CONFIG.digit_level
    rows = np.flatnonzero(mask.any(axis=1))
    at_rules_only = not mask[y:-y, x:-x].any()
    if at_rules_only or rows[-1] - rows[0] < CONFIG.min_digit_height_of_cell * h:
        return np.zeros_like(digit)
    return digit


def _box_in_picture(inverse: npt.NDArray[np.float64], box: Box) -> Box:
    left, top, right, bottom = box
    corners = np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]])
    mapped = inverse @ corners
    x, y = mapped[0] / mapped[2], mapped[1] / mapped[2]
    return int(x.min()), int(y.min()), int(np.ceil(x.max())), int(np.ceil(y.max()))
