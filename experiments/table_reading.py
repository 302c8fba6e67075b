"""Measure how a bundle reads grids and tables, scanned and photographed.

python experiments/table_reading.py BUNDLE --out experiments/records/table-reading.json

All pictures are rendered with MNIST's test digits: the sets of `HELD_OUT_TABLES`. There are two
rows of each set: its tables, of which those are right whose rows and columns were counted right,
and their cells.
"""

import argparse
from pathlib import Path

from number_reading import table_of
from record_runs import Json, publish

from tenfold.bundle.format import CellDetectorFacts, DetectorFacts, find_network
from tenfold.data.sources import load_digits
from tenfold.evaluation.tables import evaluate_tables
from tenfold.reading.reader import Reader


def main() -> None:
    """Read every set; print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--count", type=int, default=50, help="pictures of each set")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options = parser.parse_args()
    reader = Reader.load(options.bundle).grids
    rows = evaluate_tables(reader, load_digits("mnist", "test"), options.count).sets
    content: Json = {
        "cells": find_network(options.bundle, CellDetectorFacts)[1].sha256,
        "detector": find_network(options.bundle, DetectorFacts)[1].sha256,
        "rows": [row.model_dump(mode="json") for row in rows],
    }
    publish(options, content, table_of(list(rows)))


if __name__ == "__main__":
    main()
