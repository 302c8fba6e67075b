"""Grids, such as Sudokus, and tables: the digit or the number in each of their cells."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.bundle.detector_runtime import Detections, OnnxCellDetector
from tenfold.errors import DataError
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.foreground import Pixels, to_grey
from tenfold.reading.lattice import Lattice, LatticeConfig, find_lattices
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.page import Number, Page
from tenfold.reading.pyramid import Grey, with_margin
from tenfold.reading.straighten import Straightened, straighten


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """How grids and tables are found and read.

    Attributes:
        sides_px: of the longer side of a picture, in which it is looked at.
        margin_px: around it, so that no cell lies at the edge.
        min_objectness: less certain cells are left out.
        cell_height_px: of a straightened cell.
        note_height: of a digit in a grid, as a share of its cell: smaller ones are notes,
        note_distance: unless their middle is nearer than this to the middle of the cell.
        min_certainty: mean probability of numbers; below it, the picture may lie on its side.
        lattice: when cells belong together.
    """

    sides_px: tuple[int, ...] = (1024, 512, 256, 128)
    margin_px: int = 16
    min_objectness: float = 0.25
    cell_height_px: float = 52.0
    note_height: float = 0.36
    note_distance: float = 0.2
    min_certainty: float = 0.95
    lattice: LatticeConfig = field(default_factory=LatticeConfig)


class GridReader:
    """Reads grids and tables.

    Args:
        cells: finds cells.
        numbers: reads what is in them.
        config: sizes and thresholds.
    """

    def __init__(
        self, cells: OnnxCellDetector, numbers: NumberReader, config: GridConfig = GridConfig()
    ) -> None:
        self.cells = cells
        self.numbers = numbers
        self.config = config

    def read_grid(self, picture: Pixels, constraints: Constraints = ANYTHING) -> Page:
        """Read a grid with one digit a cell in uint8[h, w] or uint8[h, w, 3].

        Raises:
            DataError: there is no grid, or none with these rows and columns.
        """
        one_digit = replace(constraints, length=1, digits_only=True)
        return self._read(picture, one_digit, without_notes=True)

    def read_table(self, picture: Pixels, constraints: Constraints = ANYTHING) -> Page:
        """Read a table with one number a cell; see `read_grid`."""
        return self._read(picture, constraints, without_notes=False)

    def _read(self, picture: Pixels, constraints: Constraints, *, without_notes: bool) -> Page:
        grey = to_grey(picture)
        lattice = self.find(grey, constraints.rows, constraints.columns)
        page = self._page(grey, lattice, constraints, without_notes=without_notes)
        if _certainty(page) >= self.config.min_certainty:
            return page
        turned = [lattice.turned(quarters) for quarters in (1, 2, 3)]
        pages = [page] + [
            self._page(grey, t, constraints, without_notes=without_notes) for t in turned
        ]
        return max(pages, key=_evidence)

    def find(self, grey: Grey, rows: int | None = None, columns: int | None = None) -> Lattice:
        """Find the largest and clearest grid or table in uint8[h, w].

        Raises:
            DataError: there is none, or none with these rows and columns.
        """
        found = sorted(self._lattices(grey), key=lambda lattice: -lattice.score)
        if not found:
            raise DataError("no grid or table in this picture; photograph all of it, from above")
        for lattice in found:
            if all(
                wanted in {None, count}
                for wanted, count in zip((rows, columns), lattice.objectness.shape, strict=True)
            ):
                return lattice
        there = " x ".join(map(str, found[0].objectness.shape))
        raise DataError(f"found {there} cells, not {rows or 'any'} x {columns or 'any'}")

    def _lattices(self, grey: Grey) -> Iterator[Lattice]:
        """Look at a picture in several sizes; yield what is found, in its own pixels."""
        h, w = grey.shape
        margin = self.config.margin_px
        sizes = sorted({min(side, max(h, w)) for side in self.config.sides_px}, reverse=True)
        for side in sizes:
            scale = side / max(h, w)
            size = (max(1, round(w * scale)), max(1, round(h * scale)))
            small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
            cells = self.cells.detect(with_margin(small, margin), self.config.min_objectness)
            factor = np.array([w / size[0], h / size[1]], np.float32)
            for lattice in find_lattices(cells, self.config.lattice):
                corners = (lattice.corners - np.float32(margin - 0.5)) * factor - np.float32(0.5)
                yield lattice._replace(corners=corners)

    def _page(
        self, grey: Grey, lattice: Lattice, constraints: Constraints, *, without_notes: bool
    ) -> Page:
        straight = straighten(grey, lattice, self.config.cell_height_px)
        numbers = self.numbers
        found = numbers.detector.detect(straight.grey, numbers.config.pyramid.min_objectness)
        if without_notes:
            found = found.of(~self._are_notes(straight, found))
        found = numbers.classified(found, straight.grey)
        rows, columns = lattice.objectness.shape
        in_cells = _numbers(numbers, straight, found, constraints)
        return Page(tuple(in_cells), grid=(rows, columns))

    def _are_notes(self, straight: Straightened, found: Detections) -> npt.NDArray[np.bool_]:
        """Return which digits are small and not in the middle of their cell."""
        middles, sizes = straight.middles_and_sizes(straight.cells_of(found.boxes[:, :2]))
        distance = np.linalg.norm((found.boxes[:, :2] - middles) / sizes, axis=1)
        is_small = found.boxes[:, 3] < self.config.note_height * sizes[:, 1]
        return np.asarray(is_small & (distance > self.config.note_distance))


def _numbers(
    reader: NumberReader, straight: Straightened, found: Detections, constraints: Constraints
) -> Iterator[Number]:
    """Yield the numbers of the cells, row by row."""
    cells = straight.cells_of(found.boxes[:, :2])
    for row, column in sorted(set(map(tuple, cells.tolist()))):
        in_cell = np.flatnonzero((cells == (row, column)).all(axis=1))
        in_cell = in_cell[np.argsort(found.boxes[in_cell, 0])]
        number = reader.number(found.of(in_cell), straight.grey, constraints)
        if number is not None:
            number = number.with_boxes(straight.box_in_original)
            yield replace(number, row=row, column=column)


def _certainty(page: Page) -> float:
    return float(np.mean([number.probability for number in page.numbers] or [0.0]))


def _evidence(page: Page) -> float:
    return sum(number.probability for number in page.numbers)
