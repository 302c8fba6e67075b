"""Constraints against check digits that are computed, and published numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.errors import TenfoldError
from tenfold.reading.constraints import CHECKS, CheckDigit, Constraints

digits = st.text("0123456789", min_size=1, max_size=18)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("luhn", "79927398713"),  # the example of Luhn's patent articles
        ("luhn", "4111111111111111"),
        ("mod10", "4006381333931"),  # an EAN-13
        ("mod10", "036000291452"),  # a UPC-A
        ("mod11", "0306406152"),  # an ISBN-10
    ],
)
def test_published_numbers_check(check: CheckDigit, text: str) -> None:
    assert Constraints(check=check).allow(text)
    for place in range(len(text)):
        other = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        assert not Constraints(check=check).allow(other)


@given(digits)
def test_exactly_one_digit_completes_luhn_and_mod10(text: str) -> None:
    for check in ("luhn", "mod10"):
        assert sum(CHECKS[check](text + d) for d in "0123456789") == 1


def test_length_counts_digits_and_not_marks() -> None:
    assert Constraints(length=3).allow("85.5")
    assert not Constraints(length=4).allow("85.5")


def test_pattern_matches_the_whole_text() -> None:
    dates = Constraints(pattern=r"\d\d/\d\d")
    assert dates.allow("12/05")
    assert not dates.allow("12/055")
    assert not dates.allow("\N{ARABIC-INDIC DIGIT ONE}2/05")


def test_values_are_the_only_texts() -> None:
    marks = Constraints(values=frozenset({"1.0", "1.3"}))
    assert marks.allow("1.3")
    assert not marks.allow("13")
    assert marks.active
    assert not Constraints(digits_only=True).active


@pytest.mark.parametrize("pattern", ["(", "a" * 201, "[0-"])
def test_a_bad_pattern_is_refused_in_one_line(pattern: str) -> None:
    with pytest.raises(TenfoldError, match="pattern") as caught:
        Constraints(pattern=pattern)
    assert "\n" not in str(caught.value)
