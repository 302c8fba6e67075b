"""The table of a stack of forms: CSV, Parquet or Excel, one row a document."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from tenfold.errors import DataError, MissingExtraError
from tenfold.files import write_atomically
from tenfold.forms.documents import Document
from tenfold.forms.template import Template
from tenfold.text import csv_cell

Suffix = Literal[".csv", ".parquet", ".xlsx"]
SUFFIXES: tuple[Suffix, ...] = (".csv", ".parquet", ".xlsx")
DOCUMENT_COLUMNS = ("document", "files", "pages", "template", "problems")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]+)?")
_LEADING_ZERO = re.compile(r"-?0[0-9]")

Row = dict[str, str]


def columns_of(template: Template) -> list[str]:
    """Return the names of the columns."""
    parts = ("", ".probability", ".rules", ".review")
    return [
        *DOCUMENT_COLUMNS,
        *(f"{cell.name}{part}" for cell in template.cells for part in parts),
    ]


def row_of(document: Document, template: Template) -> Row:
    """Return the row of a document; its fields are empty if it is no page of the form."""
    row = {
        "document": document.name,
        "files": "; ".join(document.files),
        "pages": " ".join(str(page.page) for page in document.pages),
        "template": template.name,
        "problems": "; ".join(document.problems),
    }
    for reading in document.readings:
        best, review = reading.best, reading.needs_review(template.min_probability)
        row |= field_columns(
            reading.cell.name, best.value, best.probability, best.broken, review=review
        )
    return row


def field_columns(name: str, value: str, probability: float, rules: str, *, review: bool) -> Row:
    """Return the columns of a field."""
    return {
        name: value,
        f"{name}.probability": f"{probability:.4f}",
        f"{name}.rules": rules,
        f"{name}.review": str(review).lower(),
    }


def document_of_row(document: Document, row: Row) -> dict[str, Any]:
    """Return a document in JSON's types, with the values that its row has.

    Its keys are those of `DOCUMENT_COLUMNS`, and `fields`: `value`, `probability`, `rules` and
    `review` of each by its name; none if it is no page of the form.
    """
    names = [reading.cell.name for reading in document.readings]
    return {
        "document": document.name,
        "files": list(document.files),
        "pages": [page.page for page in document.pages],
        "template": row["template"],
        "problems": list(document.problems),
        "fields": {
            name: {
                "value": row[name],
                "probability": float(row[f"{name}.probability"]),
                "rules": row[f"{name}.rules"],
                "review": row[f"{name}.review"] == "true",
            }
            for name in names
        },
    }


def check_table_name(path: Path) -> None:
    """Refuse a name that says no known format, and a format whose package is missing.

    Raises:
        DataError: the suffix is another one.
        MissingExtraError: its package is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"--out {path}: name a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file")
    try:
        if path.suffix == ".parquet":
            import pyarrow as pa  # noqa: F401
        if path.suffix == ".xlsx":
            import openpyxl  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--out {path}", "forms") from error


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a table; its suffix says the format, see `check_table_name`.

    In CSV and Excel no cell is a formula. In Excel, numbers are numbers, unless they begin with 0.

    Args:
        path: the file.
        columns: their names.
        rows: texts by column; what is missing is empty.

    Raises:
        WriteError: it cannot be written.
    """
    writers = {".csv": _csv, ".parquet": _parquet, ".xlsx": _excel}
    write_atomically(path, writers[path.suffix](columns, rows))


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """Return the columns and rows of a table as `write_table` was given them.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                rows = [{k: v.removeprefix("'") for k, v in row.items()} for row in reader]
                return list(reader.fieldnames or ()), rows
        if path.suffix == ".parquet":
            from pyarrow import parquet

            table = parquet.read_table(path)
            return list(table.column_names), table.to_pylist()
        from openpyxl import load_workbook

        with closing(load_workbook(path, read_only=True)) as book:
            names, *lines = book.active.iter_rows(values_only=True)
        columns = [str(name) for name in names]
        return columns, [
            dict(zip(columns, ("" if v is None else str(v) for v in line), strict=True))
            for line in lines
        ]
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise DataError(f"{path}: is not a table that `tenfold forms read` wrote") from error


def _lines(columns: Sequence[str], rows: Sequence[Row]) -> Iterator[list[str]]:
    yield from ([row.get(name, "") for name in columns] for row in rows)


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in columns])
    for line in _lines(columns, rows):
        # A number that begins with a minus sign is no formula.
        writer.writerow([cell if _NUMBER.fullmatch(cell) else csv_cell(cell) for cell in line])
    return text.getvalue().encode(errors="backslashreplace")


def _parquet(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.string()) for name in columns])
    filled = [dict(zip(columns, line, strict=True)) for line in _lines(columns, rows)]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(filled, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _excel(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("forms")
    sheet.freeze_panes = "B2"

    def cell(text: str) -> Any:  # noqa: ANN401 - a cell of openpyxl
        if _NUMBER.fullmatch(text) and not _LEADING_ZERO.match(text):
            return float(text) if "." in text else int(text)
        value = WriteOnlyCell(sheet, value=text)
        value.data_type = "s"  # never a formula
        return value

    for line in ([*columns], *_lines(columns, rows)):
        sheet.append([cell(text) for text in line])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
