"""From the cells that were found one by one to the rows and columns of grids and tables."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from tenfold.arrays import Floats
from tenfold.bundle.detector_runtime import Cells

Place = tuple[int, int]

RIGHT, DOWN = (0, 1), (1, 0)


@dataclass(frozen=True)
class LatticeConfig:
    """When cells belong together.

    Attributes:
        min_distance: between the middles of two cells: a share of the shorter side of one.
        max_gap: between the corners that two neighbours share, along each side of each cell: a
            share of that side.
        min_objectness: mean of an outer row or column, and the same as a share of the lattice's
            median; others are left out.
        min_inner_objectness: mean of the cells that were found of an inner row or column, as a
            share of the median, and of the lesser of the two lines beside it; with less of either
            it is the gap between two tables.
        short_line: a row or column of fewer cells needs only a share of these objectnesses: the
            mean of few says little. Count and share.
        min_cells: of a grid or table.
        min_mean_objectness: of all cells of a grid or table; what looks like cells has less.
    """

    min_distance: float = 0.5
    max_gap: float = 0.2
    min_objectness: tuple[float, float] = (0.5, 0.8)
    min_inner_objectness: tuple[float, float] = (0.6, 0.79)
    short_line: tuple[int, float] = (5, 0.7)
    min_cells: int = 4
    min_mean_objectness: float = 0.6


class Lattice(NamedTuple):
    """Rows and columns of cells.

    Attributes:
        corners: float32[rows + 1, columns + 1, 2], x and y of each crossing of rules, in pixels.
        objectness: float32[rows, columns], 0 where no cell was found but must be.
    """

    corners: Floats
    objectness: Floats

    @property
    def area(self) -> float:
        """The area of its outline, square pixels."""
        c = self.corners
        outline = np.concatenate([c[0], c[1:, -1], c[-1, -2::-1], c[-2:0:-1, 0]]).astype(float)
        x, y = outline.T
        return float(abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2)

    @property
    def score(self) -> float:
        """How much of a picture it explains: the area of cells that are there, less the others'."""
        return self.area * float(2 * self.objectness.mean() - 1)

    def turned(self, quarters: int) -> "Lattice":
        """Return it as it is seen after so many quarter turns of the picture, anticlockwise."""
        corners, objectness = (np.rot90(part, quarters) for part in self)
        return Lattice(np.ascontiguousarray(corners), np.ascontiguousarray(objectness))

    def part(self, rows: int, columns: int) -> "Lattice | None":
        """Return the most certain part of a size; None if it is larger than the lattice."""
        if rows > self.objectness.shape[0] or columns > self.objectness.shape[1]:
            return None
        certain = sliding_window_view(self.objectness, (rows, columns)).mean(axis=(2, 3))
        top, left = np.unravel_index(certain.argmax(), certain.shape)
        corners = self.corners[top : top + rows + 1, left : left + columns + 1]
        return Lattice(corners, self.objectness[top : top + rows, left : left + columns])


def find_lattices(cells: Cells, config: LatticeConfig = LatticeConfig()) -> list[Lattice]:
    """Group cells to grids and tables, the one with the highest score first."""
    cells = _distinct(cells, config)
    right, down = _neighbours(cells.corners, config)
    lattices = []
    left = set(range(len(cells.objectness)))
    for start in range(len(cells.objectness)):  # the most certain first
        if start in left:
            places = _places(start, left, right, down)
            if gaps := _gaps(places, cells.objectness, config):
                left -= gaps
                places = _places(start, left, right, down) if start in left else {}
            left -= set(places)
            if (lattice := _lattice(cells, places, config)) is not None:
                lattices.append(lattice)
    return sorted(lattices, key=lambda lattice: -lattice.score)


def _distinct(cells: Cells, config: LatticeConfig) -> Cells:
    """Keep of cells with nearly the same middle the most certain one."""
    middle = cells.corners.mean(axis=1)
    near = _distances(middle, middle) < config.min_distance * shorter_sides(cells.corners)[:, None]
    kept: list[int] = []
    for index in range(len(middle)):
        if not near[index, kept].any():
            kept.append(index)
    return Cells(*(part[kept] for part in cells))


def shorter_sides(corners: Floats) -> Floats:
    """Return the mean length of the shorter pair of sides of each cell float32[n, 4, 2]."""
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    return np.asarray(np.minimum(sides[:, 0] + sides[:, 2], sides[:, 1] + sides[:, 3]) / 2)


def _distances(a: Floats, b: Floats) -> Floats:
    """Return the distance of each of a [n, 2] to each of b [m, 2]: float32[n, m]."""
    return np.asarray(np.hypot(a[:, None, 0] - b[:, 0], a[:, None, 1] - b[:, 1]))


def _neighbours(corners: Floats, config: LatticeConfig) -> tuple[dict[int, int], dict[int, int]]:
    """Return which cell is to the right of a cell, and which below: they share two corners."""
    top_left, top_right, bottom_right, bottom_left = corners.transpose(1, 0, 2)
    across = (top_right - top_left + bottom_right - bottom_left) / 2
    down = (bottom_left - top_left + bottom_right - top_right) / 2
    sides = (across, down)
    right = _mutual((top_right, bottom_right), (top_left, bottom_left), sides, config)
    return right, _mutual((bottom_left, bottom_right), (top_left, top_right), sides, config)


def _mutual(
    ends: tuple[Floats, Floats],
    starts: tuple[Floats, Floats],
    sides: tuple[Floats, Floats],
    config: LatticeConfig,
) -> dict[int, int]:
    """Return pairs of cells: the end of the first is nearest to the start of the second."""
    if not len(sides[0]):
        return {}
    distance = _distances(ends[0], starts[0]) + _distances(ends[1], starts[1])
    after, before = distance.argmin(axis=1), distance.argmin(axis=0)
    own = np.arange(len(after))
    paired = (before[after] == own) & (after != own)
    for end, start in zip(ends, starts, strict=True):
        gap = end - start[after]
        for side in (*sides, *(side[after] for side in sides)):  # of both cells
            along = np.abs((gap * side).sum(axis=1))
            paired &= along < config.max_gap * np.square(side).sum(axis=1)
    return {int(k): int(after[k]) for k in np.flatnonzero(paired)}


def _places(
    start: int, left: set[int], right: dict[int, int], down: dict[int, int]
) -> dict[int, Place]:
    """Return row and column, relative to a cell, of all in `left` that are connected with it."""
    steps: dict[int, list[tuple[int, Place]]] = {}
    for pairs, (dy, dx) in ((right, RIGHT), (down, DOWN)):
        for one, other in pairs.items():
            steps.setdefault(one, []).append((other, (dy, dx)))
            steps.setdefault(other, []).append((one, (-dy, -dx)))
    places: dict[int, Place] = {start: (0, 0)}
    queue = deque([start])
    while queue:
        one = queue.popleft()
        row, column = places[one]
        for other, (dy, dx) in steps.get(one, ()):
            if other in left and other not in places:
                places[other] = (row + dy, column + dx)
                queue.append(other)
    return places


def _gaps(places: dict[int, Place], objectness: Floats, config: LatticeConfig) -> set[int]:
    """Return the cells of inner rows and columns that are gaps between two tables."""
    index, place = np.array(list(places)), np.array(list(places.values()))
    place -= place.min(axis=0)
    certain = objectness[index]
    least, least_beside = config.min_inner_objectness
    gaps = np.zeros(len(index), bool)
    for line in place.T:
        count = np.bincount(line)
        mean = np.bincount(line, certain) / np.maximum(count, 1)
        beside = np.minimum(np.roll(mean, 1), np.roll(mean, -1))
        needed = np.array([_needed(n, config) for n in count])
        is_gap = mean < needed * np.maximum(least * np.median(certain), least_beside * beside)
        gaps |= is_gap[line] & (line > 0) & (line < line.max())
    return set(index[gaps].tolist())


def _needed(count: int, config: LatticeConfig) -> float:
    """Return the share of the usual objectness that a line of so many cells needs."""
    short, share = config.short_line
    return share if count < short else 1.0


def _lattice(cells: Cells, places: dict[int, Place], config: LatticeConfig) -> Lattice | None:
    """Average the corners that cells share; None if there are too few cells."""
    if len(places) < config.min_cells:
        return None
    index = np.array(list(places))
    place = np.array(list(places.values()))
    place -= place.min(axis=0)
    rows, columns = (place.max(axis=0) + 1).tolist()
    objectness = np.zeros((rows, columns), np.float32)
    np.maximum.at(objectness, (place[:, 0], place[:, 1]), cells.objectness[index])
    total, weight = np.zeros((rows + 1, columns + 1, 2)), np.zeros((rows + 1, columns + 1, 1))
    for corner, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 1), (1, 0))):
        at = (place[:, 0] + dy, place[:, 1] + dx)
        certain = cells.objectness[index][:, None]
        np.add.at(total, at, certain * cells.corners[index, corner])
        np.add.at(weight, at, certain)
    first, last = _supported(objectness, config)
    total, weight = (
        part[first[0] : last[0] + 1, first[1] : last[1] + 1] for part in (total, weight)
    )
    objectness = objectness[first[0] : last[0], first[1] : last[1]]
    if objectness.size < config.min_cells or objectness.mean() < config.min_mean_objectness:
        return None
    corners = np.where(weight > 0, total / np.maximum(weight, 1e-9), np.nan)
    corners = _completed(corners)
    return None if np.isnan(corners).any() else Lattice(corners.astype(np.float32), objectness)


def _supported(objectness: Floats, config: LatticeConfig) -> tuple[Place, Place]:
    """Return the first and the last row and column, without outer ones that are hardly there."""
    least, of_median = config.min_objectness
    least = max(least, of_median * float(np.median(objectness[objectness > 0])))
    top, left, bottom, right = 0, 0, *objectness.shape
    while top < bottom and left < right:
        part = objectness[top:bottom, left:right]
        lines = (part[0], part[-1], part[:, 0], part[:, -1])
        needed = [least * _needed(len(line), config) for line in lines]
        support = [float(line.mean()) / need for line, need in zip(lines, needed, strict=True)]
        worst = int(np.argmin(support))
        if support[worst] >= 1:
            break
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)  # noqa: PLR2004 - the four sides
    return (top, left), (bottom, right)


def _completed(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Fill in crossings that no cell gave, each from the parallelograms that it is a corner of."""
    corners = corners.copy()
    while np.isnan(corners[..., 0]).any():
        padded = np.pad(corners, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
        estimates = []
        for dy in (-1, 1):
            for dx in (-1, 1):
                beside = np.roll(padded, -dx, axis=1)
                above = np.roll(padded, -dy, axis=0)
                across = np.roll(padded, (-dy, -dx), axis=(0, 1))
                estimates.append((beside + above - across)[1:-1, 1:-1])
        known = [~np.isnan(estimate[..., :1]) for estimate in estimates]
        count = sum(part.astype(int) for part in known)
        mean = sum(np.nan_to_num(estimate) for estimate in estimates) / np.maximum(count, 1)
        new = np.isnan(corners) & (count > 0)
        if not new.any():
            break
        corners = np.where(new, mean, corners)
    return corners
