"""What `tenfold read` prints of grids and tables."""

import csv
import io
import json
from collections.abc import Callable, Iterable

import pytest

from tenfold.cli.read_output import (
    Outcome,
    Place,
    print_csv_table,
    print_json,
    print_text,
)
from tenfold.errors import DataError
from tenfold.reading.page import Number, Page


def cell(row: int, column: int, value: str, text: str | None = None) -> Number:
    return Number(
        value=value,
        text=text or value,
        box=(0, 0, 1, 1),
        probability=0.5 if text else 0.99,
        alternatives=(),
        digits=(),
        reason="unsure" if text else None,
        row=row,
        column=column,
    )


TABLE = Page(
    (cell(0, 0, "12"), cell(0, 2, "-4.5"), cell(1, 1, "307", "3?7"), cell(2, 0, "8", "8")),
    grid=(3, 3),
)


def printed(
    show: Callable[[Iterable[Outcome]], None],
    capsys: pytest.CaptureFixture[str],
    *outcomes: Outcome,
) -> str:
    show(iter(outcomes))
    return capsys.readouterr().out


def test_people_see_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(print_text, capsys, (Place("a.png"), TABLE))
    assert shown == "a.png\n  12   . -4.5\n   . ???    .\n   ?   .    .\n"


def test_a_row_alone_stands_beside_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    row = Page((cell(0, 1, "7"),), grid=(1, 2))
    assert printed(print_text, capsys, (Place("a.png"), row)) == "a.png  . 7\n"


def test_csv_of_one_page_is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(print_csv_table, capsys, (Place("a.png"), TABLE))
    assert shown == "12,,-4.5\n,3?7,\n8,,\n"


def test_csv_of_several_pages_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    other = Page((cell(0, 1, "6"),), grid=(1, 2))
    shown = printed(
        print_csv_table,
        capsys,
        (Place("=a.pdf", 1, 3), TABLE),
        (Place("=a.pdf", 2, 3), DataError("no grid")),
        (Place("=a.pdf", 3, 3), other),
    )
    rows = list(csv.reader(io.StringIO(shown)))
    assert rows == [
        ["'=a.pdf", "1", "12", "", "-4.5"],
        ["'=a.pdf", "1", "", "3?7", ""],
        ["'=a.pdf", "1", "8", "", ""],
        ["'=a.pdf", "3", "", "6"],
    ]


def test_csv_of_nothing_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(print_csv_table, capsys) == ""
    assert printed(print_csv_table, capsys, (Place("a.png"), DataError("no grid"))) == ""


def test_json_has_the_size_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    failed = DataError("no grid")
    shown = printed(print_json, capsys, (Place("a.png"), TABLE), (Place("b.png"), failed))
    table, error = map(json.loads, shown.splitlines())
    assert (table["rows"], table["columns"], table["error"]) == (3, 3, None)
    assert [(n["row"], n["column"]) for n in table["numbers"]] == [(0, 0), (0, 2), (1, 1), (2, 0)]
    assert (error["rows"], error["columns"], error["error"]) == (None, None, "no grid")
