"""Documents and tables of forms: pages are grouped, rules over documents hold, cells are text."""

import contextlib
import csv
import errno
import itertools
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tenfold.errors import DataError, WriteError
from tenfold.forms.documents import documents, group_pages
from tenfold.forms.journal import FieldRecord, Journal, PageRecord
from tenfold.forms.table import Row, columns_of, read_table, row_of, write_table
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


def test_values_are_repeated_if_they_are_after_the_sums() -> None:
    """Of two totals that were read as 9 and 12, sums make 12 and 12; then nothing was repeated."""
    parts = tuple(FormField(name=name, box=(10, 10, 9, 9), kind="number") for name in "ab")
    total = FormField(name="t", box=(10, 30, 9, 9), kind="number", sum_of=("a", "b"), unique=True)
    stack = [page(1, a="5", b="7", t="12"), page(1, a="8", b="4", t="9")]
    unsure = FieldRecord(name="t", candidates=(("9", 0.6, ""), ("12", 0.4, "")))
    stack[1] = stack[1].model_copy(update={"fields": (*stack[1].fields[:2], unsure)})
    for unique, rules in ((True, ["unique", "unique"]), (False, ["", ""])):
        last = total.model_copy(update={"unique": unique})
        template = Template(name="sums", fields=(*parts, last))
        found = [document.readings[2].best for document in documents(lambda: iter(stack), template)]
        assert [best.value for best in found] == ["12", "12"]
        assert [best.broken for best in found] == rules


TEXTS = ["1.50", "-0.50", "100.00", "0.000010000", "-3", "007", "-0", "1" * 17, "1e5", "", "true"]
NAMES = ["=1+2.png", "-3.png", "'70s.png", "ü.png"]


@pytest.fixture(params=[".csv", ".parquet", ".xlsx"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"table{request.param}"


def made_rows() -> tuple[list[str], list[Row]]:
    """Columns and rows: what a form may say, and pages that are none."""
    pages = [page(1, id="07"), page(2, n="-3"), *(page(None, name, count=1) for name in NAMES)]
    rows = [row_of(d, form()) for d in documents(lambda: iter(pages), form())]
    columns = columns_of(form())
    whole = [{name: row.get(name, "") for name in columns} for row in rows]
    return columns, [*whole, *(whole[0] | {"document": f"{text}#", "n": text} for text in TEXTS)]


def test_a_table_is_read_back(table: Path) -> None:
    pytest.importorskip("openpyxl")
    columns, rows = made_rows()
    write_table(table, columns, rows)
    assert read_table(table) == (columns, rows)


def test_a_table_that_a_spreadsheet_saved_is_read_back(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    columns, rows = made_rows()
    path = tmp_path / "table.xlsx"
    write_table(path, columns, rows)
    book = openpyxl.load_workbook(path)
    for line in book.active:
        for cell in line:
            if isinstance(cell.value, float) and cell.value.is_integer():
                cell.value = int(cell.value)  # 100.00 is stored as 100
            cell.value = cell.value if cell.value != "" else None
    book.save(path)
    assert read_table(path) == (columns, rows)
    path = tmp_path / "table.csv"
    write_table(path, columns, rows)
    path.write_text(path.read_text().replace("\n", "\r\n"), "utf-8-sig", newline="")
    assert read_table(path) == (columns, rows)


def test_a_parquet_file_that_another_program_saved_is_read_back(tmp_path: Path) -> None:
    columns, rows = made_rows()
    path = tmp_path / "table.parquet"
    write_table(path, columns, rows)
    saved = parquet.read_table(path)
    numbers = pa.array(range(len(rows)))
    saved = saved.set_column(columns.index("n"), "n", numbers)
    nulls = pa.nulls(len(rows), pa.string())
    saved = saved.set_column(columns.index("problems"), "problems", nulls)
    parquet.write_table(saved, path)
    expected = [row | {"n": str(k), "problems": ""} for k, row in enumerate(rows)]
    assert read_table(path) == (columns, expected)


def test_a_name_of_a_template_with_control_characters_can_be_in_every_table(table: Path) -> None:
    pytest.importorskip("openpyxl")
    named = form().model_copy(update={"name": "x\x01y"})
    rows = [row_of(d, named) for d in documents(lambda: iter([page(1, id="07")]), named)]
    write_table(table, columns_of(named), rows)
    assert read_table(table)[1][0]["template"] == r"x\x01y"


DAMAGED = r": is damaged, or no table of forms; write it again with `tenfold forms read`$"


@pytest.mark.parametrize("end", [0, 1, 300, -300])
@pytest.mark.parametrize("suffix", [".parquet", ".xlsx"])
def test_a_table_that_was_cut_is_refused(tmp_path: Path, suffix: str, end: int) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / f"table{suffix}"
    write_table(path, *made_rows())
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match=f"^{path}{DAMAGED}"):
        read_table(path)


@pytest.mark.parametrize(
    "content", [b"", b"document\n" + b"1" * 200_000, b"document,n\n1\n", b"document\n\xff\n"]
)
def test_what_is_no_csv_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{path}{DAMAGED}"):
        read_table(path)


def test_a_workbook_whose_bytes_changed_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "table.xlsx"
    write_table(path, *made_rows())
    content = path.read_bytes()
    for place in range(30, len(content), 97):
        path.write_bytes(content[:place] + b"\x00\xff\x00\xff" + content[place + 4 :])
        with contextlib.suppress(DataError):
            read_table(path)


def test_a_table_without_documents_is_refused(table: Path) -> None:
    pytest.importorskip("openpyxl")
    columns, rows = made_rows()
    write_table(table, columns[1:], rows)
    with pytest.raises(DataError, match=rf"^{table}: has no column 'document'; .* with commas, or"):
        read_table(table)


def test_a_table_with_semicolons_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("document;n;n.probability\n1.png;7,5;0,99\n")
    with pytest.raises(DataError, match="save it there with commas"):
        read_table(path)


def test_a_table_that_is_gone_is_named(table: Path) -> None:
    with pytest.raises(DataError, match=rf"^{table}: cannot be read \(No such file"):
        read_table(table)


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
    with pytest.raises(DataError, match=r"another template.*, or remove .*pages\.jsonl to read"):
        Journal(tmp_path, "other plan\n")
    journal.path.write_bytes(b"{}\n")
    with pytest.raises(DataError, match=r"pages\.jsonl: is damaged; remove it to read all again"):
        Journal(tmp_path, "plan\n")
    journal.path.unlink()
    assert records[0].key not in Journal(tmp_path, "other plan\n")


@pytest.mark.skipif(os.name != "posix", reason="needs inodes")
def test_a_picture_is_on_the_disk_before_the_line_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "plan\n")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    record = page(1, id="07").model_copy(update={"picture": "crops/1.png"})
    journal.append(record, b"picture")
    picture = tmp_path / record.picture
    assert picture.read_bytes() == b"picture"
    assert synced == [path.stat().st_ino for path in (picture, picture.parent, journal.path)]


def test_a_page_whose_picture_cannot_be_written_is_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = Journal(tmp_path, "plan\n")
    record = page(1, id="07").model_copy(update={"picture": "crops/1.png"})
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(WriteError, match=r"1\.png: cannot be written .*; make room"):
        journal.append(record, b"picture")
    assert record.key not in Journal(tmp_path, "plan\n")
    assert not list((tmp_path / "crops").iterdir())
