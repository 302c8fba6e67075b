"""Grids: drawn with known cells, seen from known places. The shipped network finds the cells."""

import functools
import itertools
import math
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest
from clear_digits import Floats, Pixels, clear_digit, cropped, on_paper
from stub_network import EVEN, Stub, detections
from test_lattice import cells_of, crossings
from test_lattice import found as found_cells

from tenfold.bundle.detector_runtime import Detections, OnnxCellDetector, OnnxDetector
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.errors import DataError
from tenfold.reading import number_reader
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.grid import GridConfig, GridReader
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.page import Page
from tenfold.reading.reader import load_cell_detector
from tenfold.reading.straighten import Straightened

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
    """In place of the detector: whatever stands alone, is dark and high enough is a 7."""

    def __init__(self, level: int = 128, objectness: float = 0.95) -> None:
        self.level = level
        self.objectness = objectness

    def detect(self, grey: Pixels, _min_objectness: float) -> Detections:
        dark = (grey < self.level).astype(np.uint8)
        _, _, stats, centres = cv2.connectedComponentsWithStats(dark, connectivity=8)
        found = [
            detections((x, self.objectness, {"7": 1.0}), y=y, size=(w, h))
            for (_, _, w, h, _), (x, y) in zip(stats[1:], centres[1:], strict=True)
            if GridConfig.cell_height_px / 5 < max(w, h) < GridConfig.cell_height_px
        ]
        parts = zip(*(found or [detections()]), strict=True)
        return Detections(*(np.concatenate(part) for part in parts))


@functools.cache
def grid_reader(objectness: float = 0.95) -> GridReader:
    networks = cast("OnnxDetector", Sevens(128, objectness)), cast("OnnxClassifier", Stub(EVEN))
    return GridReader(load_cell_detector("field"), NumberReader(*networks))


def read(foreground: Floats, constraints: Constraints = ANYTHING, objectness: float = 0.95) -> Page:
    return grid_reader(objectness).read_grid(on_paper(foreground, 0, 255), constraints)


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


@pytest.mark.parametrize("objectness", [0.02, 0.1])
def test_in_a_cell_a_doubtful_digit_is_probable_but_no_second_one(objectness: float) -> None:
    foreground = drawn_grid(2, 2, {(0, 0): 7})
    foreground[MARGIN + 10 : MARGIN + 34, MARGIN + 4 : MARGIN + 6] = 1  # a bar beside it
    numbers = NumberReader(
        cast("OnnxDetector", Sevens(objectness=objectness)), cast("OnnxClassifier", Stub(EVEN))
    )
    reader = GridReader(load_cell_detector("field"), numbers, GridConfig(presence=(1.5, 5.0)))
    page = reader.read_grid(on_paper(foreground, 0, 255))
    odds = math.exp(5) * (objectness / (1 - objectness)) ** 1.5
    assert [number.value for number in page.numbers] == ["7"] * (odds > 1)
    for number in page.numbers:
        assert number.probability == pytest.approx(odds / (1 + odds), rel=1e-4)
    assert not reader.read_table(on_paper(foreground, 0, 255)).numbers


def test_pale_rules_in_a_dark_frame() -> None:
    foreground = drawn_grid(9, 9, {(4, 4): 7})
    inside = np.zeros_like(foreground)
    inside[MARGIN + 5 : -MARGIN - 5, MARGIN + 5 : -MARGIN - 5] = 1
    pale = np.where(inside > 0, 0.4 * foreground, foreground).astype(np.float32)
    assert read(pale).grid == (9, 9)


def test_crossings_are_where_rules_cross() -> None:
    foreground, projection = seen(drawn_grid(5, 5, {}), "turned")
    corners = read(foreground).corners
    assert corners is not None
    for row in range(6):
        for column in range(6):
            expected = projected(projection, MARGIN + column * SIDE, MARGIN + row * SIDE)
            np.testing.assert_allclose(corners[row, column], expected, atol=0.1 * SIDE)


def test_the_last_bits_of_a_networks_floats_move_no_corner() -> None:
    cells = found_cells(cells_of(crossings((9, 9), turn=0.1)).reshape(-1, 4, 2), shake=0.5)
    moved = cells._replace(corners=np.nextafter(cells.corners, np.float32(np.inf)))
    corners = []
    for seen_cells in (cells, moved):
        detector = cast("OnnxCellDetector", SimpleNamespace(detect=lambda *_, s=seen_cells: s))
        reader = GridReader(detector, cast("NumberReader", None), GridConfig(sides_px=(700,)))
        corners.append(reader.find(np.full((1400, 1400), 255, np.uint8)).corners)
    assert len(np.unique(corners[0])) > 100
    np.testing.assert_array_equal(corners[0], corners[1])


@pytest.mark.parametrize("digit", [None, *range(10)])
def test_without_a_grid(digit: int | None) -> None:
    foreground = np.zeros((90, 90), np.float32) if digit is None else clear_digit(digit)
    with pytest.raises(DataError, match="no grid or table in this picture"):
        read(foreground)


def test_rows_and_columns_that_are_known_choose_the_grid() -> None:
    two = np.vstack([drawn_grid(6, 6, {}), np.pad(drawn_grid(2, 3, {}), ((0, 0), (0, 132)))])
    assert read(two).grid == (6, 6)
    assert read(two, Constraints(rows=2, columns=3)).grid == (2, 3)
    with pytest.raises(DataError, match="found 6 x 6 cells, not any x 4"):
        read(two, Constraints(columns=4))


def test_of_two_grids_side_by_side_the_part_that_is_asked_for_is_read() -> None:
    wide = drawn_grid(4, 9, {(1, 1): 7, (2, 5): 7})
    assert read(wide).grid == (4, 9)
    page = read(wide, Constraints(rows=4, columns=4))
    assert page.grid == (4, 4)
    assert len(page.numbers) == 1
    with pytest.raises(DataError, match="found 4 x 9 cells, not 3 x 4"):
        read(wide, Constraints(rows=3, columns=4))


@pytest.mark.parametrize("objectness", [0.95, 0.3])
def test_small_digits_that_share_a_cell_are_notes(objectness: float) -> None:
    foreground = drawn_grid(3, 3, {(1, 1): 7})
    top, left = MARGIN + 6, MARGIN + 6
    for x in (left, left + 9):
        foreground[top : top + 13, x : x + 3] = 1
    alone = MARGIN + 2 * SIDE + 8
    foreground[top : top + 13, alone : alone + 3] = 1
    page = read(foreground, objectness=objectness)
    assert [(number.row, number.column) for number in page.numbers] == [(0, 2), (1, 1)]


@pytest.mark.parametrize("layout", ["read_grid", "read_table"])
def test_more_digits_than_a_page_has_are_refused(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_reader, "MAX_DETECTIONS", 3)
    drawn = drawn_grid(2, 2, dict.fromkeys(itertools.product((0, 1), (0, 1)), 7))
    pixels = on_paper(drawn, 0, 255)
    with pytest.raises(DataError, match="more than 3 digits: crop the picture"):
        getattr(grid_reader(), layout)(pixels)


def test_what_shines_through_the_paper_is_left_out() -> None:
    foreground = drawn_grid(3, 3, {(0, 0): 7, (1, 1): 7, (2, 2): 7})
    foreground = np.maximum(foreground, 0.1 * drawn_grid(3, 3, {(0, 2): 7})).astype(np.float32)
    seven = cast("OnnxDetector", Sevens(level=250))
    reader = GridReader(
        load_cell_detector("field"), NumberReader(seven, grid_reader().numbers.classifier)
    )
    page = reader.read_grid(on_paper(foreground, 0, 255))
    assert [(number.row, number.column) for number in page.numbers] == [(0, 0), (1, 1), (2, 2)]


def test_boxes_are_in_the_pixels_of_a_picture_that_was_scaled_down() -> None:
    foreground = drawn_grid(2, 2, {(0, 1): 7})
    (small,) = read(foreground).numbers
    (large,) = read(np.kron(foreground, np.ones((10, 10), np.float32))).numbers
    np.testing.assert_allclose(np.array(large.box) / 10, small.box, atol=2)


@pytest.mark.parametrize(
    ("others", "column"),
    [
        ([60, 80], 0),  # a digit's width away, its number ends before the rule
        ([80, 118], 1),  # the number behind the rule is nearer
        ([40, 160], 1),  # both are far: its middle decides
        ([], 1),
    ],
)
def test_a_digit_on_a_rule_belongs_to_the_nearest_number(others: list[int], column: int) -> None:
    edges, corners = np.array([0.0, 100.0, 200.0]), np.zeros((2, 3, 2), np.float32)
    straight = Straightened(np.zeros((52, 200), np.uint8), edges[:2], edges, corners)
    boxes = np.array([(x, 26, 16, 24) for x in [101, *others]], np.float32)
    cells = grid_reader().cells_of_numbers(straight, boxes)
    assert cells[:, 0].tolist() == [0] * len(boxes)
    assert cells[:, 1].tolist() == [column, *(int(x > 100) for x in others)]


def test_a_sudoku_is_looked_for_if_the_rule_is_its() -> None:
    two = np.vstack([drawn_grid(5, 6, {}), np.pad(drawn_grid(4, 4, {}), ((0, 0), (0, 88)))])
    assert read(two).grid == (5, 6)
    assert read(two, Constraints(rule="sudoku")).grid == (4, 4)
    with pytest.raises(DataError, match="found 5 x 6 cells, not a Sudoku"):
        read(drawn_grid(5, 6, {}), Constraints(rule="sudoku"))
