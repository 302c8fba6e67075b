"""The table of a stack of forms: CSV, Parquet or Excel, one row a document."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from tenfold.errors import DataError, MissingExtraError
from tenfold.files import write_atomically
from tenfold.forms.documents import Document
from tenfold.forms.review_folder import MAX_FILE_BYTES
from tenfold.forms.template import DOCUMENT_COLUMNS, Template
from tenfold.text import csv_cell, escape, text_of_csv_cell
from tenfold.untrusted import read_bytes

Suffix = Literal[".csv", ".parquet", ".xlsx"]
SUFFIXES: tuple[Suffix, ...] = (".csv", ".parquet", ".xlsx")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_DECIMALS = re.compile(r"0\.(0+)")  # Excel's format of a number with so many
_FIX = "write it again with `tenfold forms read`"

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
        "template": escape(template.name),
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


def description_of(document: Document, template: Template) -> dict[str, Any]:
    """Return the columns of a document itself in JSON's types."""
    values = (
        document.name,
        list(document.files),
        [page.page for page in document.pages],
        template.name,
        list(document.problems),
    )
    return dict(zip(DOCUMENT_COLUMNS, values, strict=True))


def fields_of(row: Row, template: Template) -> dict[str, dict[str, Any]]:
    """Return the fields of a row in JSON's types; none if it is no page of the form.

    Of each, by its name: `value`, `probability`, `rules` and `review`.
    """
    return {
        cell.name: {
            "value": row[cell.name],
            "probability": float(row[f"{cell.name}.probability"]),
            "rules": row[f"{cell.name}.rules"],
            "review": row[f"{cell.name}.review"] == "true",
        }
        for cell in template.cells
        if cell.name in row
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

    In CSV and Excel no cell is a formula. In Excel, numbers are numbers that are shown with their
    decimals, unless they begin with a needless 0.

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
        DataError: it cannot be read, or another program has written it.
    """
    readers = {".csv": _from_csv, ".parquet": _from_parquet, ".xlsx": _from_excel}
    data = read_bytes(path, DataError, _FIX, MAX_FILE_BYTES)
    damaged = DataError(f"{path}: is damaged, or no table of forms; {_FIX}")
    try:
        columns, *lines = readers[path.suffix](data)
    except ImportError:
        raise
    except Exception as error:  # a damaged workbook raises what zip files, XML and openpyxl raise
        raise damaged from error
    if DOCUMENT_COLUMNS[0] not in columns:
        raise DataError(
            f"{path}: has no column {DOCUMENT_COLUMNS[0]!r}; if another program saved it, save it "
            f"there with commas, or {_FIX}"
        )
    if any(len(line) != len(columns) for line in lines):
        raise damaged
    return list(columns), [dict(zip(columns, line, strict=True)) for line in lines]


def _from_csv(data: bytes) -> Iterable[Sequence[str]]:
    text = io.StringIO(data.decode("utf-8-sig"), newline="")  # Excel marks UTF-8
    return ([text_of_csv_cell(cell) for cell in line] for line in csv.reader(text) if line)


def _from_parquet(data: bytes) -> Iterable[Sequence[str]]:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(data))
    columns = (column.cast(pa.string()).fill_null("").to_pylist() for column in table.columns)
    return [table.column_names, *zip(*columns, strict=True)]


def _from_excel(data: bytes) -> Iterable[Sequence[str]]:
    from openpyxl import load_workbook

    def text(cell: Any) -> str:  # noqa: ANN401 - a cell of openpyxl
        decimals = _DECIMALS.fullmatch(cell.number_format or "")
        if decimals and isinstance(cell.value, int | float):
            return f"{cell.value:.{len(decimals[1])}f}"
        return "" if cell.value is None else str(cell.value)

    with closing(load_workbook(io.BytesIO(data), read_only=True)) as book:
        return [[text(cell) for cell in line] for line in book.active.iter_rows()]


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
        result = WriteOnlyCell(sheet, value=text)
        result.data_type = "s"  # never a formula
        if _NUMBER.fullmatch(text):
            decimals = len(text.partition(".")[2])
            number = float(text) if decimals else int(text)
            if f"{number:.{decimals}f}" == text:  # not 007, and no digit too many
                result.value = number
                result.number_format = f"0.{'0' * decimals}" if decimals else "0"
        return result

    for line in ([*columns], *_lines(columns, rows)):
        sheet.append([cell(text) for text in line])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
