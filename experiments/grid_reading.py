r"""Measure how a bundle reads photographed grids, cell by cell and under the rule of Sudoku.

python experiments/grid_reading.py BUNDLE FOLDER --out experiments/records/grid-reading.json

FOLDER has a `manifest.csv` with the columns `file`, `expected` and `mode`. Those of mode `grid`
are read. In `expected`, rows of the grid are parted by `/`, `.` is an empty cell, and `*` a cell
that is not scored. The name of a set is the first folder of `file`. The pictures are of other
people and not part of this repository: Sudokus from newspapers, as printed and filled with
MNIST's digits (github.com/wichtounet/sudoku_dataset), and photographs from telephones
(github.com/AlexKubiesa/sudoku-scanner).
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
from record_runs import Json, publish
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tenfold.bundle.format import DetectorFacts, find_network
from tenfold.data.decoding import load_pixels
from tenfold.errors import DataError
from tenfold.evaluation.metrics import wilson
from tenfold.reading.constraints import Constraints
from tenfold.reading.page import Number, Page
from tenfold.reading.reader import Reader

EMPTY, NOT_SCORED = ".", "*"
WAYS = {"cell by cell": Constraints(), "with the rule": Constraints(rule="sudoku")}


class Outcome(NamedTuple):
    """What became of a picture.

    Attributes:
        found: whether a grid of the right shape was found.
        cells: that are scored.
        right: cells whose digit was read, or that are empty and stayed so.
        accepted_wrong: cells with another digit, accepted.
    """

    found: bool
    cells: int
    right: int
    accepted_wrong: int

    @property
    def whole(self) -> bool:
        """Whether all cells are right."""
        return self.right == self.cells


def score(page: Page | None, expected: Sequence[str]) -> Outcome:
    """Compare the cells of a page with the rows that are expected."""
    wanted = {(i, j): c for i, row in enumerate(expected) for j, c in enumerate(row)}
    scored = {place: c for place, c in wanted.items() if c != NOT_SCORED}
    if page is None or page.grid != (len(expected), len(expected[0])):
        return Outcome(found=False, cells=len(scored), right=0, accepted_wrong=0)
    cells = page.cells
    right = wrong = 0
    for (row, column), character in scored.items():
        number = cells[row][column]
        right += is_right(number, character)
        accepted = number is not None and number.accepted
        wrong += accepted and not is_right(number, character)
    return Outcome(found=True, cells=len(scored), right=right, accepted_wrong=wrong)


def is_right(number: Number | None, character: str) -> bool:
    """Return whether a cell was read as expected; a digit that is not accepted may be right."""
    if number is None:
        return character == EMPTY
    return number.value == character


def outcomes_of(
    reader: Reader, folder: Path, rows: Sequence[dict[str, str]]
) -> Iterator[tuple[str, str, Outcome]]:
    """Yield (set, way to read, outcome) of each picture."""
    for row in track(rows, console=Console(stderr=True), transient=True):
        pixels = load_pixels(folder / row["file"])
        for way, constraints in WAYS.items():
            try:
                page: Page | None = reader.read(pixels, "grid", constraints)
            except DataError:
                page = None
            yield row["file"].split("/")[0], way, score(page, row["expected"].split("/"))


def row_of(name: str, way: str, outcomes: Sequence[Outcome]) -> Json:
    """Return the figures of a set."""
    whole = sum(one.whole for one in outcomes)
    return {
        "name": name,
        "way": way,
        "grids": len(outcomes),
        "found": sum(one.found for one in outcomes),
        "whole": whole,
        "whole_interval": [round(x, 4) for x in wilson(whole, len(outcomes))],
        "cells": sum(one.cells for one in outcomes if one.found),
        "cells_right": sum(one.right for one in outcomes),
        "cells_accepted_wrong": sum(one.accepted_wrong for one in outcomes),
    }


def table_of(rows: Sequence[Json]) -> Table:
    """Lay the figures out for people."""
    columns = ("set", "", "grids", "found", "whole", "cells right", "accepted and wrong")
    table = Table(*columns, box=None)
    for row in rows:
        right = f"{100 * row['cells_right'] / max(row['cells'], 1):.2f} %"
        counts = (row["grids"], row["found"], row["whole"])
        table.add_row(
            row["name"], row["way"], *map(str, counts), right, str(row["cells_accepted_wrong"])
        )
    return table


def main() -> None:
    """Read every grid; print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", metavar="SET", help="by default all of the manifest")
    parser.add_argument("--count", type=int, help="pictures of each set, at most")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with (options.folder / "manifest.csv").open(encoding="utf-8") as file:
        grids = [row for row in csv.DictReader(file) if row["mode"] == "grid"]
    names = options.sets or list(dict.fromkeys(row["file"].split("/")[0] for row in grids))
    of_set = {name: [r for r in grids if r["file"].startswith(f"{name}/")] for name in names}
    chosen = [row for rows in of_set.values() for row in rows[: options.count]]
    found: dict[tuple[str, str], list[Outcome]] = {}
    for name, way, outcome in outcomes_of(Reader.load(options.bundle), options.folder, chosen):
        found.setdefault((name, way), []).append(outcome)
    rows = [row_of(*key, outcomes) for key, outcomes in found.items()]
    content: Json = {
        # Where the pictures lie on this machine is nobody's business.
        "command": f"python experiments/grid_reading.py {options.bundle} FOLDER",
        "sets": options.sets,
        "count": options.count,
        "detector": find_network(options.bundle, DetectorFacts)[1].sha256,
        "rows": rows,
    }
    publish(options, content, table_of(rows))


if __name__ == "__main__":
    main()
