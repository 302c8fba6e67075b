"""Choose how much the other numbers of a table's column say about a number's marks.

python experiments/column_marks.py BUNDLE --out experiments/records/column-marks.json

The tables are rendered with the validation digits. The constants of `ColumnMarksConfig` are changed
one at a time; the record has the misread cells of each set, also without any such say.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from number_reading import validation_digits
from record_runs import Json, write_record

from tenfold.bundle.format import DetectorFacts, find_network
from tenfold.evaluation.tables import measure_tables
from tenfold.reading.column_marks import ColumnMarksConfig
from tenfold.reading.grid import GridReader
from tenfold.reading.reader import Reader
from tenfold.rendering.held_out_tables import HELD_OUT_TABLES

VALUES: dict[str, tuple[Any, ...]] = {
    "share": (0.03, 0.1, 0.3),
    "strength": (0.5, 2.0, 8.0),
    "rounds": (0, 1, 5),
}


def configs() -> Iterator[ColumnMarksConfig]:
    """Yield today's config, and those that differ in one constant."""
    today = ColumnMarksConfig()
    yield today
    for name, values in VALUES.items():
        for value in values:
            if value != getattr(today, name):
                yield dataclasses.replace(today, **{name: value})


def with_columns(reader: GridReader, columns: ColumnMarksConfig) -> GridReader:
    """Return the same reader with another config."""
    config = dataclasses.replace(reader.numbers.config, columns=columns)
    return GridReader(reader.cells, reader.numbers.configured(config), reader.config)


def main() -> None:
    """Count misread cells with each config; print and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--count", type=int, default=25, help="pictures of each set")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    digits, reader = validation_digits(), Reader.load(options.bundle).grids
    names = [name for name, kind in HELD_OUT_TABLES.items() if kind.max_digits > 1]
    cells: dict[str, int] = {}
    rows: list[Json] = []
    for config in configs():
        with_config = with_columns(reader, config)
        misread: dict[str, int] = {}
        for name in names:
            _, found = measure_tables(with_config, name, digits, options.count)
            cells[name], misread[name] = found.fields, found.fields - found.exact
        rows.append({**dataclasses.asdict(config), "misread": misread})
        print(rows[-1], flush=True)
    if options.out:
        detector = find_network(options.bundle, DetectorFacts)[1].sha256
        write_record(options.out, detector=detector, cells=cells, configs=rows)


if __name__ == "__main__":
    main()
