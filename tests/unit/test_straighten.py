"""Straightening: what lies in the middle of a cell stays there, bent and turned paper included."""

import cv2
import numpy as np
import pytest
from test_lattice import cells_of, crossings

from tenfold.arrays import Floats
from tenfold.reading.lattice import Lattice
from tenfold.reading.straighten import straighten


def seen_lattice(grid: Floats) -> Lattice:
    rows, columns = grid.shape[0] - 1, grid.shape[1] - 1
    return Lattice(grid, np.ones((rows, columns), np.float32))


def with_dots(grid: Floats, scale: float) -> np.ndarray:
    """Draw a dot in the middle of every second cell, in the pattern of a chessboard."""
    picture = np.full((int(600 * scale), int(600 * scale)), 255, np.uint8)
    for row, line in enumerate(cells_of(grid * np.float32(scale))):
        for column, cell in enumerate(line):
            if (row + column) % 2 == 0:
                x, y = np.rint(cell.mean(axis=0)).astype(int).tolist()
                cv2.circle(picture, (x, y), int(4 * scale), 0, -1)
    return picture


@pytest.mark.parametrize("scale", [1.0, 4.0])  # the second picture is made smaller first
@pytest.mark.parametrize(
    "seen", [{}, {"turn": 0.5}, {"perspective": 0.25, "turn": -0.2}, {"widths": 0.3}]
)
def test_dots_stay_in_their_cells(seen: dict[str, float], scale: float) -> None:
    grid = crossings((5, 6), **seen)
    picture = with_dots(grid, scale)
    straight = straighten(picture, seen_lattice(grid * np.float32(scale)), 40)
    _, _, _, centres = cv2.connectedComponentsWithStats((straight.grey < 128).astype(np.uint8))
    places = straight.cells_of(centres[1:].astype(np.float32))
    expected = [[r, c] for r in range(5) for c in range(6) if (r + c) % 2 == 0]
    assert sorted(places.tolist()) == expected
    for (row, column), (x, y) in zip(places.tolist(), centres[1:], strict=True):
        assert abs(x - straight.columns[column : column + 2].mean()) < 4
        assert abs(y - straight.rows[row : row + 2].mean()) < 4


def test_cells_have_the_height_that_was_asked_for() -> None:
    straight = straighten(np.zeros((600, 600), np.uint8), seen_lattice(crossings((4, 4))), 30)
    np.testing.assert_allclose(np.diff(straight.rows), 30, rtol=1e-4)
    assert straight.grey.shape == (120, 120)


def test_a_box_goes_back_to_where_it_was() -> None:
    grid = crossings((5, 6), turn=0.3, perspective=0.2)
    straight = straighten(np.zeros((600, 600), np.uint8), seen_lattice(grid), 40)
    left, right = straight.columns[2], straight.columns[3]
    top, bottom = straight.rows[1], straight.rows[2]
    box = (round(left), round(top), round(right), round(bottom))
    found = straight.box_in_original(box)
    cell = cells_of(grid)[1, 2]
    expected = (*cell.min(axis=0), *cell.max(axis=0))
    np.testing.assert_allclose(found, expected, atol=2)
