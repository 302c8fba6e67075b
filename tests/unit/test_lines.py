"""Grouping of boxes that are laid out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from tenfold.reading.lines import group_numbers


def grouped(boxes: Sequence[tuple[float, ...]], marks: list[int] | None = None) -> list[list[int]]:
    is_mark = np.isin(np.arange(len(boxes)), marks or [])
    return [g.tolist() for g in group_numbers(np.array(boxes, np.float32).reshape(-1, 4), is_mark)]


def test_two_lines_are_read_from_the_top_and_each_from_the_left() -> None:
    boxes = [(100, 80, 15, 30), (30, 20, 15, 30), (50, 22, 15, 30), (80, 81, 15, 30)]
    assert grouped(boxes) == [[1, 2], [3, 0]]


@pytest.mark.parametrize("rise", [-1, 1])
def test_two_numbers_of_a_tilted_line_are_read_from_the_left(rise: int) -> None:
    """The second one's middle is 19 pixels higher or lower, more than half of a digit's height."""
    boxes = [(x, 100 + rise * x * 0.12, 15.0, 30.0) for x in (0, 20, 40, 160, 180, 200)]
    assert grouped(boxes) == [[0, 1, 2], [3, 4, 5]]


def test_a_wide_gap_parts_two_numbers() -> None:
    boxes = [(0, 0, 15, 30), (20, 0, 15, 30), (100, 0, 15, 30), (120, 0, 15, 30)]
    assert grouped(boxes) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("degrees", [-30, -10, 15, 30])
def test_a_tilted_number_is_one(degrees: float) -> None:
    t = np.tan(np.radians(degrees))
    boxes = [(20 * k, 200 + 20 * k * t, 15.0, 30.0) for k in range(8)]
    assert grouped(boxes) == [list(range(8))]


@pytest.mark.parametrize("y", [14, 24])
def test_a_point_belongs_to_its_number_though_it_is_small_and_low(y: float) -> None:
    boxes = [(0, 0, 15, 30), (12, y, 3, 3), (25, 0, 15, 30)]
    assert grouped(boxes, marks=[1]) == [[0, 1, 2]]


def test_a_number_may_begin_with_a_point() -> None:
    boxes = [(12, 20, 3, 3), (25, 0, 15, 30)]
    assert grouped(boxes, marks=[0]) == [[0, 1]]


def test_a_point_of_the_line_below_is_left_out() -> None:
    boxes = [(0, 0, 15, 30), (12, 40, 3, 3), (25, 0, 15, 30)]
    assert grouped(boxes, marks=[1]) == [[0, 2]]


def test_marks_alone_are_no_number() -> None:
    assert grouped([(0, 0, 20, 3), (30, 0, 3, 3)], marks=[0, 1]) == []


def test_a_tail_below_the_line_does_not_make_a_line() -> None:
    boxes = [(0, 0, 15, 30), (20, 8, 15, 46), (40, 0, 15, 30)]
    assert grouped(boxes) == [[0, 1, 2]]


def test_a_heading_of_large_digits_is_another_number() -> None:
    boxes = [(0, 0, 40, 90), (45, 0, 15, 30), (65, 0, 15, 30)]
    assert grouped(boxes) == [[0], [1, 2]]


def test_nothing_is_grouped_of_nothing() -> None:
    assert grouped([]) == []
