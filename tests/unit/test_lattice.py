"""Lattices: cells of known grids, shaken, shuffled, with gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenfold.arrays import Floats
from tenfold.bundle.detector_runtime import Cells
from tenfold.reading.lattice import Lattice, LatticeConfig, find_lattices

SIDE = 20.0


def crossings(
    size: tuple[int, int], *, turn: float = 0.0, perspective: float = 0.0, widths: float = 0.0
) -> Floats:
    """Return the crossings float32[rows + 1, columns + 1, 2] of a grid seen from somewhere."""
    rows, columns = size
    steps = np.exp(widths * np.random.default_rng(columns).normal(0, 1, columns))
    x = np.concatenate([[0.0], np.cumsum(steps)]) * SIDE
    y = np.arange(rows + 1) * SIDE
    points = np.stack(np.meshgrid(x, y), axis=2) - (x[-1] / 2, y[-1] / 2)
    points /= 1 - perspective * points[..., 1:] / (y[-1] / 2)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = points @ np.array([[cos, sin], [-sin, cos]]) + 300
    return np.asarray(turned, np.float32)


def cells_of(grid: Floats) -> Floats:
    """Return the corners float32[rows, columns, 4, 2] of each cell."""
    corners = [grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]]
    return np.stack(corners, axis=2).astype(np.float32, copy=False)


def found(corners: Floats, seed: int = 0, shake: float = 0.0) -> Cells:
    """Return cells float32[n, 4, 2] as a detector gives them: inexact, the most certain first."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(corners))
    shaken = corners[order] + random.normal(0, shake, corners.shape)
    certain = -np.sort(-random.uniform(0.8, 0.95, len(corners)))
    return Cells(certain.astype(np.float32), shaken.astype(np.float32))


@settings(max_examples=30)
@given(
    size=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    seen=st.fixed_dictionaries(
        {
            "turn": st.floats(-0.7, 0.7),
            "perspective": st.floats(0, 0.25),
            "widths": st.sampled_from([0.0, 0.3]),
        }
    ),
    seed=st.integers(0, 1000),
)
def test_rows_and_columns_are_those_of_the_grid(
    size: tuple[int, int], seen: dict[str, float], seed: int
) -> None:
    grid = crossings(size, **seen)
    (lattice,) = find_lattices(found(cells_of(grid).reshape(-1, 4, 2), seed, shake=0.4))
    assert lattice.objectness.shape == size
    np.testing.assert_allclose(lattice.corners, grid, atol=2)


@settings(max_examples=30)
@given(missing=st.sets(st.integers(0, 48), max_size=8), seed=st.integers(0, 1000))
def test_cells_that_were_not_found_are_filled_in(missing: set[int], seed: int) -> None:
    """Up to eight of the 7 × 7 inner cells are missing."""
    grid = crossings((9, 9), turn=0.2, perspective=0.2)
    cells = cells_of(grid)
    kept = np.ones((9, 9), bool)
    kept[1:8, 1:8].flat[list(missing)] = False
    lattice = find_lattices(found(cells[kept], seed))[0]
    assert lattice.objectness.shape == (9, 9)
    # One that has lost all its neighbours is connected with none.
    assert len(missing) <= (lattice.objectness == 0).sum() <= len(missing) + 2
    np.testing.assert_allclose(lattice.corners, grid, atol=0.2 * SIDE)


def test_two_grids_are_told_apart() -> None:
    large, small = crossings((6, 6)), crossings((2, 3)) + np.float32(200)
    corners = np.concatenate([cells_of(grid).reshape(-1, 4, 2) for grid in (small, large)])
    shapes = [lattice.objectness.shape for lattice in find_lattices(found(corners))]
    assert shapes == [(6, 6), (2, 3)]


@pytest.mark.parametrize("scale", [0.6, 1.6])
def test_a_grid_with_other_cells_is_not_joined(scale: float) -> None:
    """It begins where the first one ends, but its rules do not meet the other's."""
    grid = crossings((9, 9))
    other = (crossings((4, 6)) - np.float32(300)) * np.float32(scale)
    other += grid[-1, 0] - other[0, 0]
    corners = np.concatenate([cells_of(part).reshape(-1, 4, 2) for part in (grid, other)])
    shapes = {lattice.objectness.shape for lattice in find_lattices(found(corners, shake=0.3))}
    assert shapes == {(9, 9), (4, 6)}


def test_a_cell_that_was_found_twice_counts_once() -> None:
    corners = cells_of(crossings((3, 3))).reshape(-1, 4, 2)
    (lattice,) = find_lattices(found(np.concatenate([corners, corners + np.float32(1)])))
    assert lattice.objectness.shape == (3, 3)


def test_what_stands_beside_a_grid_is_no_column() -> None:
    grid = crossings((9, 10))
    cells = cells_of(grid)
    kept = np.concatenate([cells[:, :9].reshape(-1, 4, 2), cells[3:4, 9]])
    (lattice,) = find_lattices(found(kept))
    assert lattice.objectness.shape == (9, 9)


@pytest.mark.parametrize("certainty", [0.5, 0.72])
def test_the_gap_between_two_grids_is_no_column(certainty: float) -> None:
    """The cells of the gap were found, but with less certainty."""
    cells = cells_of(crossings((9, 14)))
    one = found(cells.reshape(-1, 4, 2))
    in_gap = (one.corners[:, None] == cells[:, 9].reshape(1, -1, 4, 2)).all(axis=(2, 3)).any(axis=1)
    one.objectness[in_gap] *= np.float32(certainty)
    order = np.argsort(-one.objectness, kind="stable")
    lattices = find_lattices(Cells(*(part[order] for part in one)))
    assert [lattice.objectness.shape for lattice in lattices] == [(9, 9), (9, 4)]


def test_rows_in_a_shadow_are_no_gap() -> None:
    """Towards the middle the cells of a long table are less and less certain."""
    cells = cells_of(crossings((31, 3)))
    one = found(cells.reshape(-1, 4, 2))
    middle = one.corners.mean(axis=(1, 2))
    row = np.array([np.abs(cells.mean(axis=(2, 3)) - m).argmin() // 3 for m in middle])
    one.objectness[:] = 0.95 * (0.68 + 0.32 * np.abs(row - 15) / 15)
    order = np.argsort(-one.objectness, kind="stable")
    (lattice,) = find_lattices(Cells(*(part[order] for part in one)))
    assert lattice.objectness.shape == (31, 3)


def test_a_part_of_a_lattice_is_where_it_is_most_certain() -> None:
    objectness = np.full((3, 5), 0.9, np.float32)
    objectness[:, 0] = 0.5
    grid = crossings((3, 5))
    part = Lattice(grid, objectness).part(3, 3)
    assert part is not None
    np.testing.assert_array_equal(part.corners, grid[:, 1:5])
    assert part.objectness.min() == np.float32(0.9)
    assert Lattice(grid, objectness).part(4, 2) is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_cells_are_no_grid(count: int) -> None:
    assert find_lattices(found(cells_of(crossings((2, 2))).reshape(-1, 4, 2)[:count])) == []


def test_area_and_turns() -> None:
    grid = crossings((2, 3))
    lattice = Lattice(grid, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert lattice.area == pytest.approx(6 * SIDE**2, rel=1e-5)
    assert lattice.score == pytest.approx(6 * SIDE**2 * (2 * 2.5 - 1), rel=1e-5)
    turned = lattice.turned(1)
    assert turned.objectness.tolist() == [[2, 5], [1, 4], [0, 3]]
    np.testing.assert_array_equal(turned.corners[0, 0], grid[0, 3])
    np.testing.assert_array_equal(lattice.turned(1).turned(3).corners, grid)


def test_config_says_what_is_left_out() -> None:
    corners = cells_of(crossings((2, 2))).reshape(-1, 4, 2)
    assert find_lattices(found(corners), LatticeConfig(min_cells=5)) == []
