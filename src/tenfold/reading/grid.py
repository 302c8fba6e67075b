"""Grids, such as Sudokus, and tables: the digit or the number in each of their cells."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Grey, Pixels
from tenfold.bundle.detector_runtime import Detections, OnnxCellDetector
from tenfold.errors import DataError
from tenfold.reading.components import box_in_picture
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.foreground import downscale, to_grey
from tenfold.reading.lattice import Lattice, LatticeConfig, find_lattices
from tenfold.reading.number_reader import NumberReader, calibrated
from tenfold.reading.page import Number, Page
from tenfold.reading.pyramid import with_margin
from tenfold.reading.rule_decoding import under_rule
from tenfold.reading.rules import block_height
from tenfold.reading.straighten import Straightened, straighten
from tenfold.reading.suppression import suppress

SUDOKU_SIDE = 9


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """How grids and tables are found and read.

    Attributes:
        sides_px: of the longer side of a picture, in which it is looked at.
        margin_px: around it, so that no cell lies at the edge.
        min_objectness: less certain cells are left out.
        steps_per_px: corners are rounded to such parts of a pixel of what is looked at. The last
            bits of a network's floats differ from one machine to another; of corners that differ
            by them a picture is straightened with other grey levels, and probabilities differ.
        min_cell_px: side of a square as large as the mean cell; smaller ones have no digits.
        cell_height_px: of a straightened cell.
        min_digit_objectness: of what may be the digit of a grid's cell.
        presence: slope and intercept of the logit of the probability that there is a digit, over
            that of the detector's: in a cell a digit is more probable than anywhere on a page.
        note_height: where a cell of a grid has several digits, those that are lower than this
            share of the cell are notes.
        min_contrast: of a digit, as a share of the median probable digit's: fainter ones shine
            through the paper. Contrast is the standard deviation of the grey levels in its box.
        max_over_rule: of a digit's width on one side of a rule; with more it may be of either cell.
        max_gap: between it and the nearest digit of its number, as a share of its height.
        min_certainty: mean probability of digits; below it, the picture may lie on its side.
        lattice: when cells belong together.
    """

    sides_px: tuple[int, ...] = (1024, 512, 256, 128)
    margin_px: int = 16
    min_objectness: float = 0.25
    steps_per_px: int = 16
    min_cell_px: float = 12.0
    cell_height_px: float = 52.0
    min_digit_objectness: float = 0.02
    presence: tuple[float, float] = (1.1, 3.0)
    note_height: float = 0.5
    min_contrast: float = 0.25
    max_over_rule: float = 0.1
    max_gap: float = 0.5
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
        one_digit = replace(constraints, length=1, digits_only=True, optional=True)
        return self._read(picture, one_digit, one_digit_a_cell=True)

    def read_table(self, picture: Pixels, constraints: Constraints = ANYTHING) -> Page:
        """Read a table with one number a cell; see `read_grid`."""
        return self._read(picture, constraints, one_digit_a_cell=False)

    def _read(self, picture: Pixels, constraints: Constraints, *, one_digit_a_cell: bool) -> Page:
        grey = to_grey(picture)
        lattice = self.find(grey, constraints)
        page = self._page(grey, lattice, constraints, one_digit_a_cell=one_digit_a_cell)
        if _certainty(page) < self.config.min_certainty:
            turned = [lattice.turned(quarters) for quarters in (1, 2, 3)]
            pages = [page] + [
                self._page(grey, t, constraints, one_digit_a_cell=one_digit_a_cell) for t in turned
            ]
            page = max(pages, key=_evidence)
        return under_rule(page, constraints, self.numbers.config)

    def find(self, grey: Grey, constraints: Constraints = ANYTHING) -> Lattice:
        """Find the largest and clearest grid or table in uint8[h, w].

        One that has more rows, or more columns, than a Sudoku or than both that are asked for may
        be two that stand side by side: the more certain part is taken.

        Raises:
            DataError: there is none, or none with the rows and columns that are asked for.
        """
        rows, columns = constraints.rows, constraints.columns
        found = sorted(self._lattices(grey), key=lambda lattice: -lattice.score)
        if not found:
            raise DataError("no grid or table in this picture; photograph all of it, from above")
        is_sudoku = constraints.rule == "sudoku"
        for lattice in found:
            there = lattice.objectness.shape
            fits = rows in {None, there[0]} and columns in {None, there[1]}
            if fits and (not is_sudoku or block_height(*there)):
                return lattice
        side = SUDOKU_SIDE if is_sudoku else 0
        size = (rows or side, columns or side)
        for lattice in found:
            joined = 0 not in size and bool(np.equal(lattice.objectness.shape, size).any())
            if joined and (part := lattice.part(*size)) is not None:
                return part
        wanted = f"{rows or 'any'} x {columns or 'any'}"
        if is_sudoku and rows is None and columns is None:
            wanted = "a Sudoku"
        there = found[0].objectness.shape
        raise DataError(f"found {there[0]} x {there[1]} cells, not {wanted}")

    def _lattices(self, grey: Grey) -> Iterator[Lattice]:
        """Look at a picture in several sizes; yield what is found, in its own pixels."""
        h, w = grey.shape
        margin = self.config.margin_px
        sizes = sorted({min(side, max(h, w)) for side in self.config.sides_px}, reverse=True)
        for side in sizes:
            small, _ = downscale(grey, side)
            cells = self.cells.detect(with_margin(small, margin), self.config.min_objectness)
            factor = np.array([w / small.shape[1], h / small.shape[0]])
            steps = self.config.steps_per_px
            for lattice in find_lattices(cells, self.config.lattice):
                corners = np.rint((lattice.corners - margin + 0.5) * steps) / steps * factor - 0.5
                lattice = lattice._replace(corners=corners.astype(np.float32))  # noqa: PLW2901
                if lattice.area >= lattice.objectness.size * self.config.min_cell_px**2:
                    yield lattice

    def _page(
        self, grey: Grey, lattice: Lattice, constraints: Constraints, *, one_digit_a_cell: bool
    ) -> Page:
        straight = straighten(grey, lattice, self.config.cell_height_px)
        numbers = self.numbers
        least = numbers.config.pyramid.min_objectness
        found = numbers.detector.detect(
            straight.grey, self.config.min_digit_objectness if one_digit_a_cell else least
        )
        found = found.of(self.are_on_this_side(straight.grey, found))
        if one_digit_a_cell:
            found = self._with_presence(straight, found.of(found.is_digit))
            found = found.of(found.objectness >= least)
            found = found.of(~self._are_notes(straight, found))
        found = numbers.classified(found, straight.grey)
        rows, columns = lattice.objectness.shape
        if one_digit_a_cell:
            cells = straight.cells_of(found.boxes[:, :2])
        else:
            cells = self.cells_of_numbers(straight, found.boxes)
        in_cells = _numbers(numbers, straight, found, cells, constraints)
        return Page(tuple(in_cells), grid=(rows, columns), corners=lattice.corners)

    def are_on_this_side(self, grey: Grey, found: Detections) -> npt.NDArray[np.bool_]:
        """Return which digits are dark enough: not those of the other side of thin paper."""
        boxes = (box_in_picture(box, grey.shape) for box in found.boxes.tolist())
        parts = [grey[top:bottom, left:right] for left, top, right, bottom in boxes]
        contrast = np.array([part.std() for part in parts])
        probable = contrast[found.objectness >= self.numbers.config.min_digit_probability]
        typical = np.median(probable) if len(probable) else 0.0
        return np.asarray(contrast >= self.config.min_contrast * typical)

    def _with_presence(self, straight: Straightened, found: Detections) -> Detections:
        """Let the objectness of each cell's first digit say how probable a digit in it is."""
        cells = straight.cells_of(found.boxes[:, :2])
        _, first = np.unique(cells, axis=0, return_index=True)
        objectness = found.objectness.copy()
        objectness[first] = [calibrated(p, self.config.presence) for p in objectness[first]]
        return found._replace(objectness=objectness)

    def cells_of_numbers(
        self, straight: Straightened, boxes: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.intp]:
        """Return row and column of detections; on a rule, the column of the nearest other one.

        Who runs out of space writes a number's last digits over the rule.
        """
        x, y, w, h = boxes.T
        left, right, inset = x - w / 2, x + w / 2, self.config.max_over_rule * w
        cells = straight.cells_of(boxes[:, :2])
        first = straight.cells_of(np.stack([left + inset, y], axis=1))[:, 1]
        last = straight.cells_of(np.stack([right - inset, y], axis=1))[:, 1]
        on_rule = first < last
        placed = cells.copy()
        for k in np.flatnonzero(on_rule):
            others = ~on_rule & (cells[:, 0] == cells[k, 0])
            before = left[k] - right[others & (cells[:, 1] == first[k])]
            after = left[others & (cells[:, 1] == last[k])] - right[k]
            gaps = before.min(initial=np.inf), after.min(initial=np.inf)
            if min(gaps) < self.config.max_gap * h[k]:
                placed[k, 1] = first[k] if gaps[0] < gaps[1] else last[k]
        return placed

    def _are_notes(self, straight: Straightened, found: Detections) -> npt.NDArray[np.bool_]:
        """Return which digits are notes: small ones that share a cell with another."""
        cells = straight.cells_of(found.boxes[:, :2])
        heights = np.diff(straight.rows)[cells[:, 0]]
        is_small = found.boxes[:, 3] < self.config.note_height * heights
        config = self.numbers.config.suppression
        kept = suppress(found.objectness, found.boxes, found.labels, config)
        columns = len(straight.columns) - 1
        place = cells[:, 0] * columns + cells[:, 1]
        count = np.bincount(place[kept], minlength=(len(straight.rows) - 1) * columns)
        return np.asarray(is_small & (count > 1)[place])


def _numbers(
    reader: NumberReader,
    straight: Straightened,
    found: Detections,
    cells: npt.NDArray[np.intp],
    constraints: Constraints,
) -> Iterator[Number]:
    """Yield the numbers of the cells, row by row, given the cell of each detection."""
    places = sorted(set(map(tuple, cells.tolist())))
    rows = []
    for place in places:
        in_cell = np.flatnonzero((cells == place).all(axis=1))
        rows.append(found.of(in_cell[np.argsort(found.boxes[in_cell, 0])]))
    columns = [column for _, column in places]
    read = reader.read_rows(rows, straight.grey, constraints, columns)
    for (row, column), number in zip(places, read, strict=True):
        if number is not None:
            number = number.with_boxes(straight.box_in_original)  # noqa: PLW2901
            yield replace(number, row=row, column=column)


def _certainty(page: Page) -> float:
    # Of digits, not of numbers: a number's probability takes for granted that there is one.
    digits = [digit.probability for number in page.probable.numbers for digit in number.digits]
    return float(np.mean(digits or [0.0]))


def _evidence(page: Page) -> float:
    return sum(number.probability for number in page.probable.numbers)
