"""Measuring a reader: what each kind of picture counts, with a reader of known outcomes."""

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import pytest

from tenfold.artifacts.evaluation import MisreadPicture, PictureSet, ReaderEvaluation
from tenfold.data.decoding import Picture
from tenfold.data.pictures import Kind, Pictures
from tenfold.errors import DataError
from tenfold.evaluation.metrics import wilson
from tenfold.evaluation.reader import evaluate_reader
from tenfold.reading.page import Number, Page
from tenfold.reading.reader import Layout, Reader

# The texts of numbers, "!" before what is not accepted, "@" and the probability after it.
Outcome = str | DataError


class Stub:
    """In place of a reader."""

    def __init__(self, outcome: list[Outcome]) -> None:
        self.outcome = outcome
        self.layouts: list[Layout] = []

    def outcomes(self, pictures: Iterable[Picture], layout: Layout) -> Iterator[Page | DataError]:
        self.layouts.append(layout)
        for outcome, _ in zip(self.outcome, pictures, strict=True):
            if isinstance(outcome, DataError):
                yield outcome
            elif layout == "table":
                rows = [row.split(",") for row in outcome.split("/")]
                filled = [
                    number(text, r, c)
                    for r, row in enumerate(rows)
                    for c, text in enumerate(row)
                    if text
                ]
                yield Page(tuple(filled), grid=(len(rows), len(rows[0])))
            elif layout == "grid":
                side = int(len(outcome.replace("!", "")) ** 0.5)
                yield Page(tuple(cells(outcome, side)), grid=(side, side))
            else:
                yield Page(tuple(number(text) for text in outcome.split()))


def number(text: str, row: int | None = None, column: int | None = None) -> Number:
    marked, _, probability = text.partition("@")
    value = marked.removeprefix("!")
    return Number(
        value=value,
        text="?" * len(value) if marked != value else value,
        box=(0, 0, 1, 1),
        probability=float(probability or 0.9),
        alternatives=(),
        digits=(),
        reason="unsure" if marked != value else None,
        row=row,
        column=column,
    )


def cells(outcome: str, side: int) -> Iterator[Number]:
    place, mark = 0, ""
    for character in outcome:
        if character == "!":
            mark = character
            continue
        if character != ".":
            yield number(mark + character, place // side, place % side)
        place, mark = place + 1, ""


def measured(kind: Kind, *pairs: tuple[str, Outcome]) -> tuple[ReaderEvaluation, Stub]:
    """Evaluate pictures with these labels, with these outcomes."""
    pictures = Pictures(
        pictures=tuple(np.full((3, 4 + k), 255, np.uint8) for k in range(len(pairs))),
        labels=tuple(label for label, _ in pairs),
        name="labelled",
        source="here",
        kind=kind,
    )
    stub = Stub([outcome for _, outcome in pairs])
    done: list[int] = []
    result = evaluate_reader(cast("Reader", stub), pictures, done.append)
    assert done == list(range(1, len(pairs) + 1))
    assert result.data == PictureSet(
        name="labelled", kind=kind, pictures=len(pairs), sha256=pictures.sha256
    )
    return result, stub


def test_of_single_digits_a_rejected_one_may_be_right() -> None:
    result, stub = measured("single", ("7", "7"), ("3", "!3"), ("1", "7"), ("4", "!9"), ("5", ""))
    assert stub.layouts == ["single"]
    assert (result.right, result.of, result.accuracy) == (2, 5, 0.4)
    assert (result.accepted, result.right_of_accepted) == (2, 1)
    assert [m.model_dump() for m in result.mistakes] == [
        {"index": 2, "label": "1", "read": "7"},
        {"index": 3, "label": "4", "read": "9"},
        {"index": 4, "label": "5", "read": ""},
    ]


def test_the_interval_is_wilson_s() -> None:
    result, _ = measured("single", *[("7", "7")] * 8, *[("7", "1")] * 2)
    # p = 0.8, n = 10, z = 1.96: centre (p + z²/2n) / (1 + z²/n), and its half width.
    z, n, p = 1.959964, 10, 0.8
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert result.accuracy_interval == pytest.approx((centre - half, centre + half), abs=1e-5)


def test_numbers_are_right_to_the_last_digit() -> None:
    result, stub = measured(
        "number", ("42", "42"), ("42", "!42"), ("42", "4"), ("42", "!421"), ("42", "24"), ("", "")
    )
    assert stub.layouts == ["numbers"]
    assert (result.right, result.of) == (3, 6)
    assert [m.model_dump() for m in result.mistakes] == [
        {"index": 2, "label": "42", "read": "4"},
        {"index": 3, "label": "42", "read": "421"},
        {"index": 4, "label": "42", "read": "24"},
    ]
    assert (result.accepted, result.right_of_accepted) == (3, 1)


def test_a_number_where_there_is_none_is_a_mistake() -> None:
    result, _ = measured("number", ("", "7"), ("12", ""), ("12", "1.2"), ("12", "12 7"))
    assert (result.right, result.of) == (0, 4)
    assert [m.read for m in result.mistakes] == ["7", "", "1.2", "12 7"]
    assert (result.accepted, result.right_of_accepted) == (3, 0)


def test_a_page_is_accepted_if_all_its_numbers_are() -> None:
    result, _ = measured("number", ("12", "12 !7"), ("12", "!12"), ("12", "12"))
    assert (result.accepted, result.right_of_accepted) == (1, 1)


def test_of_grids_every_cell_counts() -> None:
    label = "1" + "." * 79 + "9"
    result, stub = measured(
        "grid",
        (label, label),
        (label, "2" + "." * 79 + "9"),  # a digit wrong
        (label, "1" + "5" + "." * 78 + "9"),  # an empty cell read
        (label, "." * 81),  # two digits missed
        (label, "!1" + "." * 79 + "9"),
    )
    assert stub.layouts == ["grid"]
    assert (result.right, result.of) == (5 * 81 - 4, 5 * 81)
    assert [mistake.index for mistake in result.mistakes] == [1, 2, 3]
    # Accepted digits: 2, 2, 3, none and 1; of them the 2 and the 5 are wrong.
    assert (result.accepted, result.right_of_accepted) == (8, 6)


def test_a_grid_that_is_not_found_is_all_wrong() -> None:
    label = "1" * 81
    result, _ = measured("grid", (label, DataError("no grid")), (label, "1" * 36), (label, label))
    assert (result.right, result.of) == (81, 3 * 81)
    assert (result.accepted, result.right_of_accepted) == (81, 81)


def test_of_tables_every_cell_counts() -> None:
    label = "12,,7.5/3,40,"
    result, stub = measured(
        "table",
        (label, label),
        (label, "12,,7.5/3,41,"),  # a number wrong
        (label, "12,,7.5/3,!40,8"),  # an empty cell read, a number not accepted
        (label, "12,/,7.5/3,40"),  # as many cells, but of another table
        (label, DataError("no table")),
    )
    assert stub.layouts == ["table"]
    assert (result.right, result.of) == (6 + 5 + 5, 5 * 6)
    assert [m.model_dump() for m in result.mistakes] == [
        {"index": 1, "label": label, "read": "12,.,7.5,3,41,."},
        {"index": 2, "label": label, "read": "12,.,7.5,3,40,8"},
        {"index": 3, "label": label, "read": ",,,,,"},
        {"index": 4, "label": label, "read": ",,,,,"},
    ]
    assert (result.accepted, result.right_of_accepted) == (4 + 4 + 4, 4 + 3 + 3)


def test_of_non_digits_all_must_be_rejected() -> None:
    result, stub = measured("non-digit", ("", "!3"), ("", ""), ("", "3"))
    assert stub.layouts == ["single"]
    assert (result.right, result.of) == (2, 3)
    assert result.mistakes == (MisreadPicture(index=2, label="", read="accepted"),)
    assert (result.accepted, result.right_of_accepted) == (1, 0)


def test_of_no_pictures_nothing_is_said() -> None:
    result, _ = measured("single")
    assert (result.right, result.of) == (0, 0)
    assert result.accuracy is None
    assert result.accuracy_interval is None


def points(result: ReaderEvaluation) -> list[tuple[float | None, int, int]]:
    assert result.risk_coverage is not None
    return [(p.confidence, p.accepted, p.wrong) for p in result.risk_coverage.points]


def test_the_least_certain_number_is_a_picture_s_confidence() -> None:
    result, _ = measured(
        "number", ("12", "12@0.9 7@0.5"), ("8", "8@0.7"), ("6", ""), ("", "!3@0.3"), ("", "")
    )
    # Nothing read where something stands is wrong, with confidence 0; a blank page is no reading.
    assert points(result) == [(0.7, 1, 0), (0.5, 2, 1), (0.3, 3, 2), (0, 4, 3)]
    assert result.risk_coverage is not None
    chosen = result.risk_coverage.chosen
    assert (result.risk_coverage.of, result.of) == (4, 5)
    assert (chosen.accepted, chosen.wrong) == (2, 1)
    assert result.accepted_wrong_interval == pytest.approx(wilson(1, 5))


def test_empty_cells_are_not_on_the_curve() -> None:
    label = "12,,7/3,,"
    read = "12@0.9,,8@0.8/,4@0.6,"
    result, _ = measured("table", (label, read), (label, DataError("no table")))
    assert points(result) == [(0.9, 1, 0), (0.8, 2, 1), (0.6, 3, 2), (0, 7, 6)]


def test_non_digits_have_no_curve() -> None:
    result, _ = measured("non-digit", ("", "!3@0.5"), ("", "4@0.9"))
    assert result.risk_coverage is None
    assert result.accepted_wrong_interval == pytest.approx(wilson(1, 2))
