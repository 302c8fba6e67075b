"""Grids: drawn with known cells, seen from known places."""

from typing import cast

import cv2
import numpy as np
import pytest
from clear_digits import Floats, Pixels, clear_digit, cropped, on_paper
from stub_network import EVEN, Stub, detections

from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.errors import DataError
from tenfold.reading.grid import CONFIG, count_cells, find_frame, find_grid, read_grid
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.page import Page

SIDE = 44  # pixels of a cell
MARGIN = 40
# Where the corners go, in widths and heights: as it is, turned, from below, from the left.
VIEWS = {
    "level": np.array([[0, 0], [1, 0], [1, 1], [0, 1]]),
    "turned": np.array([[0.06, 0.0], [1.0, 0.05], [0.94, 1.0], [0.0, 0.95]]),
    "from below": np.array([[0.12, 0.1], [0.88, 0.1], [1.0, 1.0], [0.0, 1.0]]),
    "from the left": np.array([[0.0, 0.0], [0.9, 0.08], [0.95, 0.85], [0.03, 1.0]]),
}


def drawn_grid(rows: int, columns: int, digits: dict[tuple[int, int], int]) -> Floats:
    """Draw a grid with a thicker frame, and digits in some cells: float32[h, w]."""
    h, w = rows * SIDE, columns * SIDE
    foreground = np.zeros((h + 2 * MARGIN, w + 2 * MARGIN), np.float32)
    for row in range(rows + 1):
        y = MARGIN + row * SIDE
        cv2.line(foreground, (MARGIN, y), (MARGIN + w, y), 1.0, 2 + 2 * (row in {0, rows}))
    for column in range(columns + 1):
        x = MARGIN + column * SIDE
        cv2.line(foreground, (x, MARGIN), (x, MARGIN + h), 1.0, 2 + 2 * (column in {0, columns}))
    for (row, column), digit in digits.items():
        glyph = cropped(clear_digit(digit, 22))
        gh, gw = glyph.shape
        top = MARGIN + row * SIDE + (SIDE - gh) // 2
        left = MARGIN + column * SIDE + (SIDE - gw) // 2
        foreground[top : top + gh, left : left + gw] = glyph
    return foreground


def seen(foreground: Floats, view: str) -> tuple[Floats, np.ndarray]:
    """Return the picture from a place, and the projection [3, 3] that made it."""
    h, w = foreground.shape
    grid = np.array([[MARGIN, MARGIN], [w - MARGIN, MARGIN], [w - MARGIN, h - MARGIN]])
    corners = np.array([*grid, [MARGIN, h - MARGIN]], np.float32)
    places = (MARGIN + VIEWS[view] * (w - 2 * MARGIN, h - 2 * MARGIN)).astype(np.float32)
    projection = cv2.getPerspectiveTransform(corners, places)
    return np.asarray(cv2.warpPerspective(foreground, projection, (w, h)), np.float32), projection


def projected(projection: np.ndarray, x: float, y: float) -> np.ndarray:
    across, down, depth = projection @ (x, y, 1)
    return np.array([across / depth, down / depth])


class Sevens:
    """In place of the detector: whatever stands alone and is high enough is a 7."""

    def detect(self, grey: Pixels, _min_objectness: float) -> Detections:
        dark = (grey < 128).astype(np.uint8)
        _, _, stats, centres = cv2.connectedComponentsWithStats(dark, connectivity=8)
        found = [
            detections((x, 0.95, {"7": 1.0}), y=y, size=(w, h))
            for (_, _, w, h, _), (x, y) in zip(stats[1:], centres[1:], strict=True)
            if CONFIG.cell_side_px / 5 < max(w, h) < CONFIG.cell_side_px
        ]
        parts = zip(*(found or [detections()]), strict=True)
        return Detections(*(np.concatenate(part) for part in parts))


def read(foreground: Floats) -> Page:
    networks = cast("OnnxDetector", Sevens()), cast("OnnxClassifier", Stub(EVEN))
    return read_grid(NumberReader(*networks), on_paper(foreground, 0, 255))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [(9, 9), (4, 6), (3, 2), (1, 5)])
def test_every_cell_is_found_with_what_is_in_it(size: tuple[int, int], view: str) -> None:
    rows, columns = size
    digits = {
        (row, column): (3 * row + column) % 10
        for row in range(rows)
        for column in range(columns)
        if (row + 2 * column) % 3
    }
    foreground, projection = seen(drawn_grid(rows, columns, digits), view)
    page = read(foreground)
    assert page.grid == size
    assert [(number.row, number.column) for number in page.numbers] == sorted(digits)
    for number in page.numbers:
        assert (number.value, len(number.digits)) == ("7", 1)
        assert number.row is not None
        assert number.column is not None
        left, top, right, bottom = number.box
        x = MARGIN + (number.column + 0.5) * SIDE
        y = MARGIN + (number.row + 0.5) * SIDE
        centre = projected(projection, x, y)
        away = np.abs(centre - ((left + right) / 2, (top + bottom) / 2))
        assert away.max() < 0.15 * SIDE
        assert number.digits[0].box == number.box


def test_cells_that_are_empty_are_none() -> None:
    page = read(drawn_grid(2, 3, {(0, 1): 7, (1, 2): 7}))
    read_cells = [[cell and cell.value for cell in row] for row in page.cells]
    assert read_cells == [[None, "7", None], [None, None, "7"]]
    assert page.text == "7 7"


def test_a_cell_has_one_digit_at_most() -> None:
    foreground = drawn_grid(2, 2, {(0, 0): 7})
    foreground[MARGIN + 10 : MARGIN + 34, MARGIN + 4 : MARGIN + 6] = 1  # a bar beside it
    (number,) = read(foreground).numbers
    assert (number.row, number.column, len(number.digits)) == (0, 0, 1)


def test_pale_rules_in_a_dark_frame() -> None:
    foreground = drawn_grid(9, 9, {})
    inside = np.zeros_like(foreground)
    inside[MARGIN + 5 : -MARGIN - 5, MARGIN + 5 : -MARGIN - 5] = 1
    pale = np.where(inside > 0, 0.4 * foreground, foreground).astype(np.float32)
    assert find_grid(pale)[1:] == (9, 9)


def test_corners_are_the_frame_s() -> None:
    foreground, projection = seen(drawn_grid(5, 5, {}), "turned")
    far = MARGIN + 5 * SIDE
    expected = [
        projected(projection, x, y)
        for x, y in ((MARGIN, MARGIN), (far, MARGIN), (far, far), (MARGIN, far))
    ]
    np.testing.assert_allclose(find_frame(foreground), expected, atol=4)


@pytest.mark.parametrize("cells", [1, 2, 3, 4, 7, 9, 16, 25])
def test_rules_are_equally_far_apart(cells: int) -> None:
    side = 576
    flat = np.zeros((side, side), np.float32)
    for place in np.linspace(0, side - 1, cells + 1).round().astype(int):
        flat[:, max(0, place - 1) : place + 1] = 1
    assert count_cells(flat) == cells


@pytest.mark.parametrize("digit", [None, *range(10)])
def test_without_a_grid(digit: int | None) -> None:
    foreground = np.zeros((90, 90), np.float32) if digit is None else clear_digit(digit)
    with pytest.raises(DataError, match="no grid in this picture; leave out --grid"):
        read(foreground)


def test_a_grid_that_is_a_small_part_of_the_picture_is_none() -> None:
    foreground = np.pad(drawn_grid(2, 2, {}), 200)
    with pytest.raises(DataError, match="no grid"):
        read(foreground)


def test_boxes_are_in_the_pixels_of_a_picture_that_was_scaled_down() -> None:
    foreground = drawn_grid(2, 2, {(0, 1): 7})
    (small,) = read(foreground).numbers
    (large,) = read(np.kron(foreground, np.ones((10, 10), np.float32))).numbers
    np.testing.assert_allclose(np.array(large.box) / 10, small.box, atol=2)
