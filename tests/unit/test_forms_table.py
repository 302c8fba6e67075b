"""Documents and tables of forms: pages are grouped, rules over documents hold, cells are text."""

import csv
import itertools
from pathlib import Path

import pytest

from tenfold.errors import DataError
from tenfold.forms.documents import documents, group_pages
from tenfold.forms.journal import FieldRecord, Journal, PageRecord
from tenfold.forms.table import columns_of, read_table, row_of, write_table
from tenfold.forms.template import FormField, PageOfForm, Template

NUMBERS = itertools.count(1)


def page(number: int | None, name: str = "scan.pdf", count: int = 9, **fields: str) -> PageRecord:
    records = tuple(
        FieldRecord(name=key, candidates=((value, 0.99, ""),)) for key, value in fields.items()
    )
    return PageRecord(
        file=name,
        page=next(NUMBERS),
        page_count=count,
        size=1,
        modified=1,
        form_page=number,
        problem="" if number else "foreign page: it is",
        fields=records,
    )


@pytest.mark.parametrize(
    ("pages", "groups"),
    [
        ([1, 2, 1, 2], [[1, 2], [1, 2]]),
        ([1, 1, 2], [[1], [1, 2]]),
        ([2, 2, 1], [[2], [2], [1]]),
        ([1, None, 2, 1], [[1, 2], [None], [1]]),
        ([1, 3, 2, 2], [[1, 3, 2], [2]]),
    ],
)
def test_pages_make_documents(pages: list[int | None], groups: list[list[int | None]]) -> None:
    found = [[p.form_page for p in group] for group in group_pages(map(page, pages))]
    assert found == groups


def form() -> Template:
    fields = (
        FormField(name="id", box=(10, 10, 9, 9), kind="digits", length=2, unique=True),
        FormField(name="n", page=2, box=(10, 10, 9, 9), kind="number", sign=True),
    )
    return Template(name="two", pages=(PageOfForm(), PageOfForm()), fields=fields)


def test_missing_and_foreign_pages_and_repeated_values_are_said() -> None:
    pages = [
        page(1, id="07"),
        page(2, n="-3"),
        page(None),
        page(1, id="07"),
        page(1, id="08"),
        page(2, n="4"),
    ]
    found = list(documents(lambda: iter(pages), form()))
    assert [d.problems for d in found] == [(), ("foreign page: it is",), ("page 2 is missing",), ()]
    rows = [row_of(document, form()) for document in found]
    assert "id" not in rows.pop(1)
    assert [row["id.rules"] for row in rows] == ["unique", "unique", ""]
    assert [row["id.review"] for row in rows] == ["true", "true", "false"]
    assert [(row["n"], row["n.review"]) for row in rows] == [
        ("-3", "false"),
        ("", "true"),
        ("4", "false"),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
def test_a_table_is_read_back(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("openpyxl")
    pages = [page(1, id="07"), page(2, n="-3"), page(None, "=1+2.png")]
    rows = [row_of(d, form()) for d in documents(lambda: iter(pages), form())]
    path = tmp_path / f"table{suffix}"
    write_table(path, columns_of(form()), rows)
    columns, back = read_table(path)
    assert columns == columns_of(form())
    for row, again in zip(rows, back, strict=True):
        assert all(again[name] == row.get(name, "") for name in ("document", "id", "n", "files"))


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pages = [page(None, "=HYPERLINK(1).png", count=1), page(1, id="07"), page(2, n="-3/2")]
    rows = [row_of(d, form()) for d in documents(lambda: iter(pages), form())]
    write_table(tmp_path / "t.csv", columns_of(form()), rows)
    with (tmp_path / "t.csv").open(newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert "'=HYPERLINK(1).png" in cells
    assert not any(cell.startswith(("=", "+", "@", "-")) for cell in cells)
    write_table(tmp_path / "t.xlsx", columns_of(form()), rows)
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    assert {cell.data_type for line in sheet for cell in line} <= {"s", "n", "inlineStr"}


def test_a_journal_continues_after_a_line_that_was_cut(tmp_path: Path) -> None:
    records = [page(1, f"{k}.png", id="07") for k in range(4)]
    journal = Journal(tmp_path, "plan\n")
    for record in records[:3]:
        journal.append(record, b"picture")
    whole = journal.path.read_bytes()
    for end in (len(whole) - 1, len(whole) - 40):
        journal.path.write_bytes(whole[:end])
        again = Journal(tmp_path, "plan\n")
        assert [r.key in again for r in records] == [True, True, False, False]
        again.append(records[3], b"")
        keys = [records[k].key for k in (3, 0, 1)]
        assert [r.key for r in again.pages(keys)] == keys
    with pytest.raises(DataError, match="another template"):
        Journal(tmp_path, "other plan\n")
