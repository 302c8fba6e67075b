"""Remake every record of a bundle that reads, and the tables of figures in the documentation.

python experiments/reading_records.py src/tenfold/bundles/field --grids FOLDER
python experiments/reading_records.py --tables-only

Needed when a network of the shipped bundle has changed: about an hour and a quarter on two cores.
FOLDER has photographed Sudokus of others, see `grid_reading.py`; without it, their record stays as
it is. Sentences with figures in the documents are to be changed by hand: the tables stand between
marks.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from record_runs import Json, read_record

from tenfold.evaluation.metrics import wilson
from tenfold.files import write_atomically

RECORDS = Path("experiments/records")
READING = Path("docs/explanation/reading.md")
FORMS = Path("docs/how-to/forms.md")
COMMANDS: Mapping[str, Sequence[str]] = {
    "number-reading": ("number_reading.py", "--count", "100"),
    "number-reading-bhmsds": ("number_reading.py", "--data", "bhmsds", "--count", "50"),
    "table-reading": ("table_reading.py", "--count", "25"),
    "forms-reading": ("forms_reading.py", "--forms", "20", "--copies", "100", "--workers", "2"),
    "cell-presence": ("cell_presence.py", "--count", "25"),
    "grid-reading": ("grid_reading.py",),
}
NUMBER_SETS = {
    "comb": "in the boxes of a comb",
    "touching-rules": "that touch or cross rules",
    "decimals": "with point and minus",
    "empty-and-crossed": "none: boxes are empty or crossed out",
    "dark-desk": "on a sheet on a dark desk",
    "borders": "in a picture with a border",
    "faint-pencil": "in faint pencil beside print",
    "side-by-side+6": "MNIST images, 6 pixels apart",
    "side-by-side+1": "1 pixel apart",
    "side-by-side+0": "touching",
    "side-by-side-1": "overlapping by 1 pixel",
    "side-by-side-2": "by 2",
    "side-by-side-4": "by 4",
}
GRID_SETS = {
    "newspaper": "from newspapers",
    "newspaper-filled": "the same, filled with MNIST's digits",
    "sudoku-photos": "from telephones, with pencil",
}


def share(count: int, n: int, digits: int = 1) -> str:
    """Return a share in %."""
    return f"{100 * count / n:.{digits}f} %"


def share_with_interval(count: int, n: int, digits: int = 1) -> str:
    """Return a share in % and its 95 % interval as two cells of a table."""
    low, high = (100 * side for side in wilson(count, n))
    return f"{share(count, n, digits)} | {low:.{digits}f}–{high:.{digits}f} %"


def heading(*columns: str) -> str:
    """Return the heading of a table: two lines."""
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def number_table(record: Json) -> Iterator[str]:
    """Yield the lines of the table of sets of numbers."""
    columns = ("set", "numbers of four digits", "exactly right", "95 % interval", "accepted")
    yield heading(*columns, "accepted and wrong")
    rows = {row["name"]: row for row in record["rows"]}
    keys = ("fields", "exact", "accepted", "accepted_wrong")
    total = {key: sum(row[key] for row in rows.values()) for key in keys}
    shown = [(f"`{name}`", title, rows[name]) for name, title in NUMBER_SETS.items()]
    for name, title, row in (*shown, (f"all {len(rows)} sets", f"n = {total['fields']:,}", total)):
        n = row["fields"]
        exact = share_with_interval(row["exact"], n)
        shares = (share(row["accepted"], n), share(row["accepted_wrong"], n))
        yield f"| {name} | {title} | {exact} | {' | '.join(shares)} |"


def cells_table(record: Json) -> Iterator[str]:
    """Yield the lines of the table of rendered grids and tables."""
    columns = ("set", "tables", "rows and columns right", "cells", "right", "95 % interval")
    yield heading(*columns, "accepted and wrong")
    rows = {row["name"]: row for row in record["rows"]}
    for name in dict.fromkeys(name.partition(":")[0] for name in rows):
        shapes, cells = rows[f"{name}: rows and columns"], rows[f"{name}: cells"]
        n = cells["fields"]
        figures = (
            str(shapes["fields"]),
            str(shapes["exact"]),
            f"{n:,}",
            share_with_interval(cells["exact"], n),
            share(cells["accepted_wrong"], n),
        )
        yield f"| {name} | {' | '.join(figures)} |"


def grid_table(record: Json) -> Iterator[str]:
    """Yield the lines of the table of photographed grids."""
    columns = ("Sudokus", "pictures", "grid found", "read whole", "95 % interval", "with the rule")
    yield heading(
        *columns,
        "cells right, of those found",
        "cells accepted and wrong: number, and with the rule",
    )
    rows = {(row["name"], row["way"]): row for row in record["rows"]}
    for name, title in GRID_SETS.items():
        plain, ruled = rows[name, "cell by cell"], rows[name, "with the rule"]
        n = plain["grids"]
        figures = (
            str(n),
            str(plain["found"]),
            f"{plain['whole']} = {share_with_interval(plain['whole'], n)}",
            f"{ruled['whole']} = {share(ruled['whole'], n)}",
            share(plain["cells_right"], plain["cells"], 2),
            f"{plain['cells_accepted_wrong']}, {ruled['cells_accepted_wrong']}",
        )
        yield f"| {title} | {' | '.join(figures)} |"


def forms_table(record: Json) -> Iterator[str]:
    """Yield the lines of the table of forms."""
    row = record["rows"][0]
    n, wrong = row["fields"], row["accepted_wrong"]
    yield heading(f"of {n:,} fields on {record['pages']:,} pages", "share", "95 % interval")
    yield f"| right as they were read | {share_with_interval(row['right'], n)} |"
    yield f"| sent to review | {share_with_interval(row['reviewed'], n)} |"
    yield f"| accepted and wrong | {share_with_interval(wrong, n, 2)} |"
    yield f"| right after the review | {share_with_interval(n - wrong, n, 2)} |"


TABLES = {
    "number-reading": (READING, number_table),
    "number-reading-bhmsds": (READING, number_table),
    "table-reading": (READING, cells_table),
    "grid-reading": (READING, grid_table),
    "forms-reading": (FORMS, forms_table),
}


def write_table(document: Path, name: str, lines: Iterator[str]) -> None:
    """Write a table between `<!-- NAME -->` and `<!-- end -->` of a document."""
    begin, end = f"<!-- {name} -->\n", "\n<!-- end -->"
    head, rest = document.read_text(encoding="utf-8").split(begin, 1)
    _, tail = rest.split(end, 1)
    content = "\n".join(lines)
    write_atomically(document, f"{head}{begin}\n{content}\n{end}{tail}")


def remake(bundle: str, grids: Path | None) -> None:
    """Run every experiment on a bundle."""
    for name, (script, *options) in COMMANDS.items():
        if name == "grid-reading" and grids is None:
            continue
        folder = (str(grids),) if name == "grid-reading" else ()
        command = [sys.executable, f"experiments/{script}", bundle, *folder, *options]
        print(name, flush=True)
        subprocess.run([*command, "--out", str(RECORDS / f"{name}.json")], check=True)


def main() -> None:
    """Remake the records, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default="src/tenfold/bundles/field")
    parser.add_argument("--grids", type=Path, metavar="FOLDER")
    parser.add_argument("--tables-only", action="store_true", help="the records stay as they are")
    options = parser.parse_args()
    if not options.tables_only:
        remake(options.bundle, options.grids)
    for name, (document, table) in TABLES.items():
        record = RECORDS / f"{name}.json"
        if record.exists():
            write_table(document, name, table(read_record(record)))


if __name__ == "__main__":
    main()
