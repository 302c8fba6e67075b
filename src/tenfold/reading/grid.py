"""A printed grid, such as a Sudoku, to the digit in each of its cells."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import Foreground
from tenfold.errors import DataError
from tenfold.reading.components import Box, connected_components
from tenfold.reading.constraints import Constraints
from tenfold.reading.foreground import Pixels, downscale, find_foreground, to_grey
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.page import Page

T = TypeVar("T", np.uint8, np.float32)

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
    cell_side_px: int = 48  # of the straightened grid that is read


CONFIG = GridConfig()
ONE_DIGIT = Constraints(length=1, digits_only=True)


def read_grid(reader: NumberReader, picture: Pixels) -> Page:
    """Read the cells of a printed grid in uint8[h, w] or uint8[h, w, 3], one digit each.

    Raises:
        DataError: there is no grid.
    """
    small, factor = downscale(picture)
    corners, rows, columns = find_grid(find_foreground(small))
    w, h = columns * CONFIG.cell_side_px, rows * CONFIG.cell_side_px
    grey, matrix = _straighten(to_grey(small), corners, w, h)
    to_picture = np.diag([1 / factor, 1 / factor, 1]) @ np.linalg.inv(matrix)
    found = reader.detector.detect(grey, reader.config.pyramid.min_objectness)
    found = reader.classified(found, grey)
    column_n, row_n = (found.boxes[:, :2] // CONFIG.cell_side_px).astype(int).T
    numbers = []
    for row, column in sorted(set(zip(row_n.tolist(), column_n.tolist(), strict=True))):
        in_cell = np.flatnonzero((row_n == row) & (column_n == column))
        in_cell = in_cell[np.argsort(found.boxes[in_cell, 0])]
        number = reader.number(found.of(in_cell), grey, ONE_DIGIT)
        if number is not None:
            number = number.with_boxes(partial(_box_in_picture, to_picture))
            numbers.append(replace(number, row=row, column=column))
    return Page(tuple(numbers), grid=(rows, columns))


def find_grid(foreground: Foreground) -> tuple[npt.NDArray[np.float32], int, int]:
    """Find the grid in float32[h, w].

    Returns:
        its corners float32[4, 2], clockwise from top left, and its counts of rows and columns.

    Raises:
        DataError: there is none.
    """
    corners = find_frame(foreground)
    left, top, right, bottom = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T)
    sides = np.array([top + bottom, left + right])
    w, h = np.rint(CONFIG.side_px * sides / sides.max()).astype(int).tolist()
    if min(w, h) < CONFIG.side_px // CONFIG.max_cells_of_side:
        raise DataError(_NO_GRID)
    straight, _ = _straighten(foreground, corners, w, h)
    return corners, count_cells(straight.T), count_cells(straight)


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


def count_cells(straight: Foreground) -> int:
    """Count the cells side by side between a straightened grid's vertical rules.

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
    return max(filter(has_rules, range(2, most + 1)), default=1)


def _straighten(
    picture: npt.NDArray[T], corners: npt.NDArray[np.float32], w: int, h: int
) -> tuple[npt.NDArray[T], npt.NDArray[np.float64]]:
    """Map what lies between four corners to [h, w]; return it, and the 3 × 3 matrix."""
    rectangle = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = np.asarray(cv2.getPerspectiveTransform(corners, rectangle), np.float64)
    return np.asarray(cv2.warpPerspective(picture, matrix, (w, h)), picture.dtype), matrix


def _box_in_picture(to_picture: npt.NDArray[np.float64], box: Box) -> Box:
    left, top, right, bottom = box
    corners = np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]])
    mapped = to_picture @ corners
    x, y = mapped[0] / mapped[2], mapped[1] / mapped[2]
    return int(x.min()), int(y.min()), int(np.ceil(x.max())), int(np.ceil(y.max()))
