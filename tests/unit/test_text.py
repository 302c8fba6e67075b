"""Text from outside is shown, and does nothing."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.text import csv_cell, escape, is_utf8, text_of_csv_cell

ANY = st.text(st.characters(exclude_categories=()))  # surrogates, too


@given(ANY)
def test_escaped_text_is_one_encodable_line_without_controls(text: str) -> None:
    escaped = escape(text)
    escaped.encode()
    assert len(escaped.splitlines()) <= 1
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(c) for c in escaped}
    assert escape(escaped) == escaped
    assert is_utf8(escaped)
    assert is_utf8(text) == (not {"Cs"} & set(map(unicodedata.category, text)))


@pytest.mark.parametrize("text", ["größer 7.png", "图片.png", "👨‍👩‍👧.png", r"C:\scans\7.png", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert escape(text) == text
    assert csv_cell(text) == text


def test_what_is_escaped_can_be_read() -> None:
    assert escape("a\x1b[2Jb\tc\nd\u202ee") == r"a\x1b[2Jb\x09c\nd\u202ee".replace(r"\x09", r"\t")
    name = b"x\xff.png".decode("utf-8", "surrogateescape")
    assert escape(name) == r"x\udcff.png"


@given(ANY)
def test_a_cell_begins_no_formula_and_survives_a_csv_file(text: str) -> None:
    cell = csv_cell(text)
    assert isinstance(cell, str)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not cell.startswith(("\uff1d", "\uff0b", "\uff0d", "\uff20"))  # full width
    file = io.StringIO()
    csv.writer(file).writerow([cell, "end"])
    assert next(csv.reader(io.StringIO(file.getvalue()))) == [cell, "end"]


@given(ANY.filter(lambda text: not text.startswith("'")))
def test_a_cell_becomes_the_text_again(text: str) -> None:
    cell = csv_cell(text)
    assert isinstance(cell, str)
    assert text_of_csv_cell(cell) == escape(text)


@pytest.mark.parametrize("text", ["'", "''", "'tis", "'70s.png", "a'=b"])
def test_a_quote_that_guards_no_formula_stays(text: str) -> None:
    assert text_of_csv_cell(text) == text


def test_text_that_begins_as_a_formula_gets_a_quote() -> None:
    assert csv_cell("-5") == "'-5"
    assert csv_cell("=cmd|' /C calc'!A0") == "'=cmd|' /C calc'!A0"
