"""The query strings of reading requests."""

import pytest
from starlette.exceptions import HTTPException

from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.serving.query import ReadOptions, parse_query


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", ReadOptions()),
        ("layout=numbers", ReadOptions("numbers")),
        ("layout=single", ReadOptions("single")),
        ("single", ReadOptions("single")),
        ("grid=TRUE&explain=1", ReadOptions("grid", explain=True)),
        ("grid=false&single=0&explain=0", ReadOptions()),
        ("layout=grid&grid&grid=1", ReadOptions("grid")),
        ("length=1", ReadOptions("numbers", Constraints(length=1))),
        ("length=99&layout=numbers", ReadOptions("numbers", Constraints(length=99))),
        ("check=mod10", ReadOptions("numbers", Constraints(check="mod10"))),
        (
            "digits_only&check=luhn&length=16",
            ReadOptions("numbers", Constraints(length=16, check="luhn", digits_only=True)),
        ),
        ("pattern=%5B12%5D.4", ReadOptions("numbers", Constraints(pattern="[12].4"))),
        ("digits_only=false&single", ReadOptions("single", ANYTHING)),
        ("table", ReadOptions("table")),
        ("layout=table&length=3", ReadOptions("table", Constraints(length=3))),
        ("grid&rule=sudoku", ReadOptions("grid", Constraints(rule="sudoku"))),
        ("page=10000&single", ReadOptions("single", page=10_000)),
        (
            "table&rows=30&columns=4&rule=row-sums&check=luhn",
            ReadOptions("table", Constraints(rows=30, columns=4, rule="row-sums", check="luhn")),
        ),
    ],
)
def test_parameters_are_parsed(query: str, options: ReadOptions) -> None:
    assert parse_query(query.encode()) == options


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("layout=line", "layout='line': use numbers, single, grid or table"),
        ("layout", "layout='': use numbers, single, grid or table"),
        ("rule=kakuro", "rule='kakuro': use sudoku, column-sums or row-sums"),
        ("grid&rows=0", "rows='0': use 1 to 99"),
        ("table&columns=many", "columns='many': use 1 to 99"),
        ("page=0", "page='0': use 1 to 10000"),
        ("page=10001", "page='10001': use 1 to 10000"),
        ("rows=3", "rows: with layout=grid or layout=table only"),
        ("single&columns=3&rule=sudoku", "columns and rule: with layout=grid or layout=table"),
        ("length=2&rows=3", "rows: with layout=grid or layout=table only"),
        ("grid&table", "grid and table exclude each other"),
        ("table&single&length=4", "table and single exclude each other"),
        ("single=yes", "single='yes': use true or false"),
        ("digits_only=2", "digits_only='2': use true or false"),
        ("check=isbn", "check='isbn': use luhn, mod10, mod11, verhoeff"),
        ("values=12", "'values': unknown parameter; use layout, grid, table, single, length, "),
        ("Length=4", "'Length': unknown parameter"),
        ("length=4&length=5", "length: given twice, with different values"),
        ("single=1&single=0", "single: given twice"),
        ("grid&single", "grid and single exclude each other"),
        ("layout=numbers&single", "single and layout exclude each other"),
        ("single&length=4", "single and length exclude each other"),
        ("pattern=(", "pattern '(': missing )"),
        ("pattern=", "pattern: must have 1 to 200 characters"),
        ("pattern=(?:|4){9999999}x", "pattern '(?:|4){9999999}x': invalid repetition size"),
        ("grid&pattern=4", "grid and pattern exclude each other"),
        ("grid&check=luhn&digits_only", "grid and check and digits_only exclude each other"),
    ],
)
def test_an_error_names_the_parameter(query: str, message: str) -> None:
    with pytest.raises(HTTPException) as caught:
        parse_query(query.encode())
    assert caught.value.status_code == 422
    assert caught.value.detail.startswith(message)


@pytest.mark.parametrize("length", ["", "0", "-1", "100", "1.5", "4 ", "%D9%A4", "9" * 6000])
def test_a_length_is_a_small_whole_number(length: str) -> None:
    with pytest.raises(HTTPException) as caught:
        parse_query(f"length={length}".encode())
    assert caught.value.detail.startswith("length='")
    assert caught.value.detail.endswith("': use 1 to 99")
    assert len(caught.value.detail) < 80
