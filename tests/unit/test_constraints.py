"""Constraints against check digits that are computed, and published numbers."""

import pickle
import re
import time
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, given
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
        ("verhoeff", "2363"),  # Wikipedia's examples
        ("verhoeff", "123451"),
        ("verhoeff", "1428570"),
        ("iso7064-mod11-2", "0000000218250097"),  # ORCID's examples
        ("iso7064-mod11-2", "0000000151093700"),
        ("iso7064-mod97-10", "79444"),  # the standard's example
        ("iso7064-mod97-10", "3214282912345698765432161182"),  # of an IBAN, letters as numbers
    ],
)
def test_published_numbers_check(check: CheckDigit, text: str) -> None:
    assert Constraints(check=check).allow(text)
    for place in range(len(text)):
        other = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        assert not Constraints(check=check).allow(other)


@given(digits, st.integers(0, 19), st.integers(1, 9), st.sampled_from(sorted(CHECKS)))
def test_one_wrong_digit_is_always_found(
    text: str, place: int, added: int, check: CheckDigit
) -> None:
    ends = (text + end for end in [*"0123456789", *(f"{k:02}" for k in range(100))])
    right = next((whole for whole in ends if CHECKS[check](whole)), None)
    assume(right is not None and len(right) <= 11)  # longer ISBNs would repeat weights of 11
    assert right is not None
    place %= len(right)
    wrong = right[:place] + str((int(right[place]) + added) % 10) + right[place + 1 :]
    assert not CHECKS[check](wrong)


@given(digits.filter(lambda text: len(text) > 1), st.integers(0, 17))
def test_verhoeff_finds_digits_that_changed_places(text: str, place: int) -> None:
    whole = text + next(d for d in "0123456789" if CHECKS["verhoeff"](text + d))
    place %= len(whole) - 1
    swapped = whole[:place] + whole[place + 1] + whole[place] + whole[place + 2 :]
    assert CHECKS["verhoeff"](swapped) == (swapped == whole)


@given(digits)
def test_exactly_one_digit_completes_luhn_mod10_and_verhoeff(text: str) -> None:
    for check in ("luhn", "mod10", "verhoeff"):
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


@pytest.mark.parametrize(
    "pattern",
    ["(a*)*b", "(?:1?){999}x", "(?:1?1?){200}x", "(1+)+x", "(.*)*(.*)*(.*)*x", 45 * "(1?)" + "x"],
)
def test_no_pattern_is_slow(pattern: str) -> None:
    start = time.process_time()
    constraints = Constraints(pattern=pattern)
    assert not any(constraints.allow(99 * "1" + str(number)) for number in range(100))
    assert time.process_time() - start < 0.3


def test_a_pattern_goes_to_other_processes() -> None:
    constraints = pickle.loads(pickle.dumps(Constraints(pattern=r"\d4")))
    assert constraints.allow("14")
    assert not constraints.allow("144")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "(",
        201 * "a",
        200 * "(",
        "(\n\x1b[31m",
        "[0-",
        "(?=4)",
        r"(4)\1",
        66 * r"\pL",
        "(?:|4){9999999}x",
        "\udc80",
    ],
)
def test_a_bad_pattern_is_refused_in_one_line(pattern: str) -> None:
    with pytest.raises(TenfoldError, match="pattern") as caught:
        Constraints(pattern=pattern)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"length": 0}, "length: 0 is no positive integer"),
        ({"length": "7"}, "length: '7' is no positive integer"),
        ({"rows": -9}, "rows: -9 is no positive integer"),
        ({"columns": 2.5}, "columns: 2.5 is no positive integer"),
        ({"check": "sum"}, "check: 'sum' is none of luhn, mod10"),
        ({"rule": "kakuro"}, "rule: 'kakuro' is none of sudoku, column-sums"),
        ({"rows": True}, "rows: True is no positive integer"),
        ({"values": frozenset({6915034})}, 'values: must be texts, such as {"41", "07"}'),
        ({"values": "41"}, 'values: must be texts, such as {"41", "07"}'),
        ({"values": 5}, 'values: must be texts, such as {"41", "07"}'),
        ({"pattern": b"7"}, "pattern: b'7' is no text"),
    ],
)
def test_what_can_never_fit_is_refused_in_one_line(wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(TenfoldError, match=re.escape(line)) as caught:
        Constraints(**wrong)
    assert "\n" not in str(caught.value)


def test_what_a_layout_does_not_use_is_without_effect() -> None:
    of_number, of_cells = Constraints(length=4, digits_only=True), Constraints(rows=9, columns=9)
    assert of_number.without_effect("numbers") == of_number.without_effect("table") == []
    assert of_number.without_effect("single") == ["length", "digits_only"]
    assert of_number.without_effect("grid") == ["length", "digits_only"]
    assert of_cells.without_effect("grid") == of_cells.without_effect("table") == []
    assert of_cells.without_effect("numbers") == ["rows", "columns"]


def test_counts_of_numpy_are_counts() -> None:
    assert Constraints(length=cast("Any", np.int64(2))).allow("41")
