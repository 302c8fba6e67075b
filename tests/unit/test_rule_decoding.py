"""Cells that are read together under a rule: their probabilities are spelled out."""

from dataclasses import replace

import numpy as np
import pytest

from tenfold.reading import rule_decoding
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.number_reader import NumberReaderConfig
from tenfold.reading.page import Digit, Number, Page
from tenfold.reading.rule_decoding import under_rule

CONFIG = NumberReaderConfig(min_probability=0.9)


def digit_in(row: int, column: int, likely: dict[int, float]) -> Number:
    """Return the number of a cell, read as the detector's probabilities say."""
    probabilities = np.full(10, 1e-5, np.float32)
    probabilities[list(likely)] = list(likely.values())
    best = int(probabilities.argmax())
    box = (column, row, column + 1, row + 1)
    digit = Digit(
        digit=best,
        probability=float(probabilities[best]),
        probabilities=probabilities,
        box=box,
        pixels=np.zeros((1, 1), np.uint8),
        accepted=True,
    )
    return Number(
        value=str(best),
        text=str(best),
        box=box,
        probability=digit.probability,
        alternatives=(),
        digits=(digit,),
        reason=None if digit.probability >= CONFIG.min_probability else "unsure",
        row=row,
        column=column,
    )


def under_sudoku(*numbers: Number) -> list[Number]:
    page = under_rule(Page(numbers, grid=(4, 4)), Constraints(rule="sudoku"), CONFIG)
    assert page.grid == (4, 4)
    return list(page.numbers)


def doubtful_in(row: int, column: int, likely: dict[int, float], none: float) -> Number:
    """Return the number of a cell that may be empty."""
    return replace(digit_in(row, column, likely), alternatives=(("", none),))


def test_without_a_rule_only_what_is_less_probable_than_nothing_goes() -> None:
    one, other = digit_in(0, 0, {3: 0.9}), doubtful_in(0, 1, {3: 0.5}, none=0.4)
    less = doubtful_in(0, 2, {3: 0.4}, none=0.5)
    page = under_rule(Page((one, other, less), grid=(4, 4)), ANYTHING, CONFIG)
    assert page.numbers == (one, other)


def test_a_digit_goes_that_may_be_none_and_that_the_rule_excludes() -> None:
    sure, doubtful = digit_in(0, 0, {4: 0.999}), doubtful_in(0, 3, {4: 0.6, 1: 0.01}, none=0.3)
    (left,) = under_sudoku(sure, doubtful)
    assert (left.value, left.column) == ("4", 0)


COMPLETE = ("1234", "3412", "2143", "4321")


def complete_sudoku(cell: Number) -> list[Number]:
    """Return the cells of a complete Sudoku, of which one is `cell`."""
    digits = ((i, j, int(c)) for i, row in enumerate(COMPLETE) for j, c in enumerate(row))
    cells = {(i, j): digit_in(i, j, {digit: 0.999}) for i, j, digit in digits}
    return list((cells | {(cell.row or 0, cell.column or 0): cell}).values())


def test_a_complete_sudoku_has_no_gap() -> None:
    read = under_sudoku(*complete_sudoku(doubtful_in(1, 2, {1: 0.2}, none=0.7)))
    assert "".join(number.value for number in read) == "".join(COMPLETE)
    assert "does not fit" not in {number.reason for number in read}


def test_a_sure_misread_digit_of_a_complete_sudoku_is_read_otherwise_but_not_accepted() -> None:
    read = under_sudoku(*complete_sudoku(digit_in(1, 2, {3: 0.9999, 1: 1e-9})))
    assert "".join(number.value for number in read) == "".join(COMPLETE)
    assert [number.reason for number in read if number.reason] == ["does not fit"]


def test_a_sudoku_with_gaps_keeps_them() -> None:
    cells = complete_sudoku(doubtful_in(1, 2, {1: 0.2}, none=0.7))
    assert len(under_sudoku(*cells[1:])) == len(cells) - 2


def test_a_digit_that_is_there_already_is_read_otherwise() -> None:
    sure, unsure = digit_in(0, 0, {4: 0.999}), digit_in(0, 3, {4: 0.7, 1: 0.3})
    first, second = under_sudoku(sure, unsure)
    assert (first.value, first.accepted) == ("4", True)
    assert (second.value, second.text, second.accepted) == ("1", "1", True)
    assert [digit.digit for digit in second.digits] == [1]
    assert second.probability > 0.98
    assert (second.row, second.column, second.box) == (unsure.row, unsure.column, unsure.box)


def test_which_of_two_cells_is_misread_may_stay_unsure() -> None:
    one, other = under_sudoku(digit_in(0, 0, {4: 0.8, 1: 0.2}), digit_in(0, 3, {4: 0.8, 1: 0.2}))
    assert {one.value, other.value} == {"1", "4"}
    for number in (one, other):
        assert number.probability == pytest.approx(0.5, abs=0.01)
        assert number.reason == "unsure"
        assert number.alternatives[0][0] in {"1", "4"}


def test_what_was_improbable_before_the_rule_is_not_believed() -> None:
    first, second = under_sudoku(digit_in(0, 0, {4: 0.9999}), digit_in(0, 3, {4: 0.99, 1: 0.004}))
    assert first.value == "4"
    assert (second.value, second.reason) == ("1", "does not fit")


def test_a_rule_puts_nothing_into_an_empty_cell() -> None:
    three = [digit_in(0, column, {column + 1: 0.99}) for column in range(3)]
    assert [number.value for number in under_sudoku(*three)] == ["1", "2", "3"]


def test_a_digit_that_no_filling_explains_stays_but_is_not_accepted() -> None:
    """A 7 is no digit of a Sudoku of four."""
    sure = {7: 0.99, 1: 1e-8, 2: 1e-8, 3: 1e-8, 4: 1e-8}
    (number,) = under_sudoku(digit_in(1, 1, sure))
    assert (number.value, number.text, number.reason) == ("7", "7", "does not fit")


def test_a_cell_that_cannot_be_in_a_sum_is_not_accepted() -> None:
    one = digit_in(0, 0, {1: 0.99})
    no_amount = replace(one, value="12/5", text="12/5", digits=one.digits * 3)
    cells = (no_amount, digit_in(1, 0, {3: 0.99}), digit_in(2, 0, {9: 0.99}))
    numbers = under_rule(Page(cells, grid=(3, 1)), Constraints(rule="column-sums"), CONFIG).numbers
    assert [number.value for number in numbers] == ["12/5", "3", "9"]
    assert "does not fit" in {number.reason for number in numbers}


def test_no_text_that_the_constraints_exclude_is_a_candidate() -> None:
    sum_of_eight = (
        digit_in(0, 0, {3: 0.97, 8: 0.02}),
        digit_in(1, 0, {1: 0.99}),
        digit_in(2, 0, {9: 0.99}),
    )
    for pattern, first in ((None, "8"), ("[0-79]", "3")):
        constraints = Constraints(rule="column-sums", pattern=pattern)
        page = under_rule(Page(sum_of_eight, grid=(3, 1)), constraints, CONFIG)
        assert [number.value for number in page.numbers] == [first, "1", "9"]


def test_a_digit_of_which_the_rule_makes_sure_is_shown() -> None:
    doubtful = digit_in(0, 3, {4: 0.4, 1: 0.3})
    hidden = replace(doubtful, text="?", digits=(replace(doubtful.digits[0], accepted=False),))
    three = [digit_in(0, column, {column + 1: 0.99}) for column in range(3)]
    number = under_sudoku(*three, hidden)[-1]
    assert (number.value, number.text) == ("4", "4")
    assert number.digits[0].accepted
    assert number.digits[0].probability > 0.99


def test_cells_that_break_a_rule_are_not_accepted_if_the_search_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rule_decoding, "fillings", lambda *_: iter(()))
    cells = [digit_in(0, column, {digit: 0.99}) for column, digit in enumerate((4, 2, 4))]
    numbers = under_sudoku(*cells)
    assert [number.value for number in numbers] == ["4", "2", "4"]
    assert [number.reason for number in numbers] == ["does not fit", None, "does not fit"]
