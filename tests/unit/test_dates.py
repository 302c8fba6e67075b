"""Dates that are read, against Python's own parser."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.forms.dates import date_digits, parse_date, year_of

FORMATS = {"DD.MM.YYYY": "%d.%m.%Y", "YYYY-MM-DD": "%Y-%m-%d", "MM/DD/YY": "%m/%d/%y"}


@given(st.dates(dt.date(2000, 1, 1), dt.date(2068, 12, 31)), st.sampled_from(sorted(FORMATS)))
def test_a_date_is_read_with_and_without_marks(date: dt.date, form: str) -> None:
    text = date.strftime(FORMATS[form])
    assert parse_date(text, form) == text
    assert parse_date("".join(filter(str.isdigit, text)), form) == text
    assert parse_date(text.replace("0", "", text.startswith("0")), form) == text
    assert year_of(text, form) == (date.year if "YYYY" in form else None)


@pytest.mark.parametrize("text", ["31.02.2024", "29.02.2023", "1.13.2024", "3112202", "1.2.34567"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text, "DD.MM.YYYY") is None


@pytest.mark.parametrize("form", ["DD.MM", "DD.MM.YYYY.DD", "day", "DDxMMxYY", ""])
def test_a_format_names_day_month_and_year(form: str) -> None:
    with pytest.raises(ValueError, match="DD, MM and YYYY"):
        date_digits(form)
