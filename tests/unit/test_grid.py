"""Grids: drawn with known cells, seen from known places."""

import cv2
import numpy as np
import pytest
from clear_digits import Floats, clear_digit, cropped, overlap

from tenfold.errors import DataError
from tenfold.reading.grid import Cell, find_cells, find_frame, find_rules

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
    cells = list(find_cells(foreground))
    expected = [(row, column) for row in range(rows) for column in range(columns)]
    assert [(cell.row, cell.column) for cell in cells] == expected
    assert {(cell.row, cell.column) for cell in cells if cell.foreground.any()} == digits.keys()
    for cell in cells:
        left, top, right, bottom = cell.box
        x = MARGIN + (cell.column + 0.5) * SIDE
        y = MARGIN + (cell.row + 0.5) * SIDE
        centre = projected(projection, x, y)
        assert left < centre[0] < right
        assert top < centre[1] < bottom
        away = np.abs(centre - ((left + right) / 2, (top + bottom) / 2))
        assert away.max() < 0.15 * SIDE
        assert 0.7 * SIDE < right - left < 1.5 * SIDE


def test_a_cell_s_foreground_is_its_digit_alone() -> None:
    digits = {(row, column): 3 * row + column for row in range(3) for column in range(3)}
    cells = list(find_cells(drawn_grid(3, 3, digits)))
    for cell in cells:
        drawn = cropped(clear_digit(digits[cell.row, cell.column], 22))
        found = cropped(cell.foreground)
        stretched = cv2.resize(drawn, found.shape[::-1], interpolation=cv2.INTER_LINEAR)
        assert overlap(found, np.asarray(stretched, np.float32)) > 0.7


def test_dirt_in_a_cell_is_none() -> None:
    foreground = drawn_grid(3, 3, {(1, 1): 4})
    for row in range(3):
        x, y = MARGIN + 2 * SIDE + 20, MARGIN + row * SIDE + 20
        foreground[y : y + 5, x : x + 5] = 1  # a dot
        foreground[y : y + 2, x - SIDE - 16 : x - SIDE - 14] = 1
    assert [(c.row, c.column) for c in find_cells(foreground) if c.foreground.any()] == [(1, 1)]


def test_pale_rules_in_a_dark_frame() -> None:
    foreground = drawn_grid(9, 9, {})
    inside = np.zeros_like(foreground)
    inside[MARGIN + 5 : -MARGIN - 5, MARGIN + 5 : -MARGIN - 5] = 1
    pale = np.where(inside > 0, 0.4 * foreground, foreground).astype(np.float32)
    assert [cell[:2] for cell in find_cells(pale)] == [(r, c) for r in range(9) for c in range(9)]


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
    assert find_rules(flat) == [round(k * side / cells) for k in range(cells + 1)]


@pytest.mark.parametrize("digit", [None, *range(10)])
def test_without_a_grid(digit: int | None) -> None:
    foreground = np.zeros((90, 90), np.float32) if digit is None else clear_digit(digit)
    with pytest.raises(DataError, match="no grid in this picture; leave out --grid"):
        list(find_cells(foreground))


def test_a_grid_that_is_a_small_part_of_the_picture_is_none() -> None:
    foreground = np.pad(drawn_grid(2, 2, {}), 200)
    with pytest.raises(DataError, match="no grid"):
        next(find_cells(foreground))


def test_cells_are_in_the_picture_s_own_pixels() -> None:
    cell = next(find_cells(drawn_grid(2, 2, {(0, 0): 7})))
    assert isinstance(cell, Cell)
    np.testing.assert_allclose(cell.box, (MARGIN, MARGIN, MARGIN + SIDE, MARGIN + SIDE), atol=4)
