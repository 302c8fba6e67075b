"""Fit how probable a digit is in a cell of a grid, given what the detector says.

python experiments/cell_presence.py BUNDLE --out experiments/records/cell-presence.json

The grids are rendered with the validation digits. Of each cell in which the detector sees something
the most certain digit counts, and whether there is one. Slope and intercept are fitted for thick
paper, and for thin paper through which another grid shines. What people photograph lies between,
and so does `GridConfig.presence`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from number_reading import validation_digits
from record_runs import Json, write_record

from tenfold.arrays import Pixels
from tenfold.bundle.format import CellDetectorFacts, DetectorFacts, find_network
from tenfold.data.digits import Digits
from tenfold.errors import DataError
from tenfold.evaluation.fields import fit_calibration
from tenfold.reading.constraints import Constraints
from tenfold.reading.foreground import to_grey
from tenfold.reading.grid import GridReader
from tenfold.reading.reader import Reader
from tenfold.reading.straighten import straighten
from tenfold.rendering.held_out_tables import HELD_OUT_TABLES, held_out_tables

STRONGEST = 0.2
BLUR_PX = (0.5, 3.0)


def on_thin_paper(pixels: Pixels, behind: Pixels, random: np.random.Generator) -> Pixels:
    """Return uint8[h, w] with the other side of its paper, from 0 to 0.2 times as dark."""
    back = cv2.GaussianBlur(cv2.flip(behind, 1), (0, 0), random.uniform(*BLUR_PX))
    back = cv2.resize(back, pixels.shape[::-1], interpolation=cv2.INTER_AREA)
    light = 1 - random.uniform(0, STRONGEST) * (1 - back / float(np.median(back))).clip(0, 1)
    return np.asarray(pixels * light, np.uint8)


def cells(
    reader: GridReader, digits: Digits, count: int, *, thin: bool
) -> Iterator[tuple[float, bool]]:
    """Yield the objectness of the most certain digit of each cell, and whether there is one."""
    for name, kind in HELD_OUT_TABLES.items():
        if kind.max_digits > 1 or kind.puzzle:  # notes are no digits of a grid
            continue
        random = np.random.default_rng(0)
        pictures = [(to_grey(p), rows) for p, rows in held_out_tables(name, digits, count)]
        for index, (pixels, rows) in enumerate(pictures):
            grey = on_thin_paper(pixels, pictures[index - 1][0], random) if thin else pixels
            size = (len(rows), len(rows[0]))
            try:
                lattice = reader.find(grey, Constraints(rows=size[0], columns=size[1]))
            except DataError:
                continue
            straight = straighten(grey, lattice, reader.config.cell_height_px)
            least = reader.config.min_digit_objectness
            found = reader.numbers.detector.detect(straight.grey, least)
            found = found.of(found.is_digit & reader.are_on_this_side(straight.grey, found))
            places, first = np.unique(
                straight.cells_of(found.boxes[:, :2]), axis=0, return_index=True
            )
            for (row, column), objectness in zip(places, found.objectness[first], strict=True):
                yield float(objectness), bool(rows[row][column])


def main() -> None:
    """Fit slope and intercept; print and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--count", type=int, default=50, help="pictures of each set")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    digits = validation_digits()
    reader = Reader.load(options.bundle).grids
    fits = {}
    for paper, thin in (("thick", False), ("thin", True)):
        found = list(cells(reader, digits, options.count, thin=thin))
        objectness, has_digit = (np.array(column) for column in zip(*found, strict=True))
        slope, intercept = fit_calibration(objectness, has_digit)
        fits[paper] = {
            "cells": len(found),
            "with_digit": int(has_digit.sum()),
            "presence": [round(slope, 3), round(intercept, 3)],
        }
    content: Json = {
        "cells": find_network(options.bundle, CellDetectorFacts)[1].sha256,
        "detector": find_network(options.bundle, DetectorFacts)[1].sha256,
        "paper": fits,
    }
    if options.out:
        write_record(options.out, **content)
    print(content)


if __name__ == "__main__":
    main()
