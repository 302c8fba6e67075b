"""Measuring what finds and reads the cells of grids and tables, on rendered ones."""

from collections.abc import Iterator

import numpy as np

from tenfold.arrays import Floats
from tenfold.artifacts.detection import DetectorEvaluation, FieldMetrics
from tenfold.data.digits import Digits
from tenfold.errors import DataError
from tenfold.evaluation.fields import field_metrics
from tenfold.reading.grid import GridReader
from tenfold.reading.lattice import shorter_sides
from tenfold.reading.page import Page
from tenfold.rendering.held_out_tables import HELD_OUT_TABLES, Rows, held_out_tables

# A cell is found if each corner is nearer than this share of its shorter side.
CORNER_TOLERANCE = 0.2


def evaluate_tables(reader: GridReader, digits: Digits, count: int) -> DetectorEvaluation:
    """Read `count` pictures of each set of `HELD_OUT_TABLES`, written with `digits`.

    There are two entries of each set: its tables, of which those are right whose rows and columns
    were counted right, and their cells.
    """
    sets = [
        part for name in HELD_OUT_TABLES for part in measure_tables(reader, name, digits, count)
    ]
    return DetectorEvaluation(data=digits.name, sets=tuple(sets))


def measure_tables(
    reader: GridReader, name: str, digits: Digits, count: int
) -> Iterator[FieldMetrics]:
    """Yield the two entries of one set; see `evaluate_tables`."""
    read = reader.read_grid if HELD_OUT_TABLES[name].max_digits == 1 else reader.read_table
    tables: list[tuple[bool, bool]] = []
    cells: list[tuple[bool, bool]] = []
    for pixels, rows in held_out_tables(name, digits, count):
        try:
            page = read(pixels)
        except DataError:
            page = Page(())
        right = page.grid == (len(rows), len(rows[0]))
        tables.append((right, page.grid is not None))
        cells += _outcomes(page, rows) if right else [(False, False)] * (len(rows) * len(rows[0]))
    yield field_metrics(f"{name}: rows and columns", tables)
    yield field_metrics(f"{name}: cells", cells)


def _outcomes(page: Page, rows: Rows) -> Iterator[tuple[bool, bool]]:
    """Yield of each cell whether it is right, and whether it is believed."""
    for row, texts in zip(page.cells, rows, strict=True):
        for number, text in zip(row, texts, strict=True):
            value, accepted = (number.value, number.accepted) if number else ("", True)
            yield value == text, accepted


def match_cells(found: Floats, cells: Floats) -> tuple[int, int]:
    """Return how many cells float32[n, 4, 2] were found, and how many others."""
    if not len(found) or not len(cells):
        return 0, len(found)
    distance = np.linalg.norm(found[:, None] - cells, axis=3).max(axis=2) / shorter_sides(cells)
    nearest = distance.argmin(axis=1)
    right = distance.min(axis=1) < CORNER_TOLERANCE
    hits = len(set(nearest[right].tolist()))
    return hits, len(found) - hits
