"""Rendered tables: the corners of cells are where their rules cross."""

import numpy as np
import pytest

from tenfold.data.digits import Digits
from tenfold.reading.lattice import shorter_sides
from tenfold.rendering.scene import Scene
from tenfold.rendering.tables import TableConfig, TablePicture, TableRenderer


@pytest.fixture(scope="module")
def pictures(tiny_digits: Digits) -> list[TablePicture]:
    renderer = TableRenderer(tiny_digits, seed=4)
    return [renderer.render(index) for index in range(60)]


def test_a_picture_is_a_function_of_seed_and_index(tiny_digits: Digits) -> None:
    one, other = (TableRenderer(tiny_digits, seed=2).render(7) for _ in range(2))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.cells, other.cells)
    assert (TableRenderer(tiny_digits, seed=3).render(7).pixels != one.pixels).any()


def test_cells_are_in_the_picture(pictures: list[TablePicture]) -> None:
    for picture in pictures:
        assert picture.pixels.shape == (192, 192)
        assert picture.cells.min(initial=0) > -2.01
        assert picture.cells.max(initial=0) < 194.01
    counts = [len(picture.cells) for picture in pictures]
    assert np.mean(np.equal(counts, 0)) < 0.35
    assert max(counts) > 60


def test_sizes_are_those_of_the_config(tiny_digits: Digits) -> None:
    config = TableConfig(side=128, cell_height_px=(20, 21))
    sides = [
        side
        for index in range(20)
        for side in shorter_sides(TableRenderer(tiny_digits, 0, config).render(index).cells)
    ]
    assert 10 < np.median(sides) < 24


def test_rules_are_at_the_corners(pictures: list[TablePicture]) -> None:
    """Along its sides a cell is darker than within: in most pictures, not where light falls off."""
    darker = []
    for picture in pictures:
        if len(picture.cells) < 4:
            continue
        levels = picture.pixels.astype(float)
        differences = []
        for cell in picture.cells:
            edge, inner = (_mean_along(levels, cell, inset) for inset in (0.0, 0.25))
            differences.append(abs(edge - inner))
        darker.append(np.mean(differences) > 3)
    assert np.mean(darker) > 0.8


def _mean_along(levels: np.ndarray, cell: np.ndarray, inset: float) -> float:
    middle = cell.mean(axis=0)
    corners = cell + inset * (middle - cell)
    points = [
        a + share * (b - a)
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        for share in np.linspace(0, 1, 12)
    ]
    x, y = np.rint(points).astype(int).clip(0, 191).T
    return float(levels[y, x].mean())


def test_straight_lines_stay_straight_in_perspective() -> None:
    scene = Scene((192, 192), (1.0, 0.0), np.random.default_rng(0), 0)
    scene.keystone = (0.002, -0.001)
    points = np.array([scene.to_crop(x, 3 * x + 5) for x in (-40, -10, 0, 15, 30)])
    steps = np.diff(points, axis=0)
    cross = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
    np.testing.assert_allclose(cross, 0, atol=1e-9)
