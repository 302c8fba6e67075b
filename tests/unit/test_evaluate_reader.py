"""Measuring a reader: what each kind of picture counts, with a reader of known outcomes."""

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import pytest

from tenfold.artifacts.evaluation import MisreadPicture, PictureSet, ReaderEvaluation
from tenfold.data.decoding import Picture
from tenfold.data.pictures import Kind, Pictures
from tenfold.errors import DataError
from tenfold.evaluation.reader import evaluate_reader
from tenfold.reading.crops import Layout
from tenfold.reading.reader import Reader, Reading, Reason

Outcome = str | DataError  # a character a reading: its digit, and how it is marked


class Stub:
    """In place of a reader: a digit is accepted, one after ! rejected, a dot blank."""

    def __init__(self, outcome: list[Outcome]) -> None:
        self.outcome = outcome
        self.layouts: list[Layout] = []

    def outcomes(
        self, pictures: Iterable[Picture], layout: Layout
    ) -> Iterator[list[Reading] | DataError]:
        self.layouts.append(layout)
        for outcome, _ in zip(self.outcome, pictures, strict=True):
            yield outcome if isinstance(outcome, DataError) else list(readings_of(outcome))


def readings_of(outcome: str) -> Iterator[Reading]:
    reason: Reason | None = None
    for character in outcome:
        if character == "!":
            reason = "not a digit"
            continue
        yield Reading(
            digit=0 if character == "." else int(character),
            probability=0.9,
            runner_up=1,
            box=None,
            image=np.zeros((28, 28), np.uint8),
            probabilities=np.full(10, 0.1, np.float32),
            members=np.full((1, 10), 0.1, np.float32),
            reason="blank" if character == "." else reason,
        )
        reason = None


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
    result, stub = measured("single", ("7", "7"), ("3", "!3"), ("1", "7"), ("4", "!9"), ("5", "."))
    assert stub.layouts == ["single"]
    assert (result.right, result.of, result.accuracy) == (2, 5, 0.4)
    assert (result.accepted, result.right_of_accepted) == (2, 1)
    assert [m.model_dump() for m in result.mistakes] == [
        {"index": 2, "label": "1", "read": "7"},
        {"index": 3, "label": "4", "read": "9"},
        {"index": 4, "label": "5", "read": "."},
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
        "number", ("42", "42"), ("42", "4!2"), ("42", "4"), ("42", "421"), ("42", "24"), ("", "")
    )
    assert stub.layouts == ["line"]
    assert (result.right, result.of) == (3, 6)
    assert [m.model_dump() for m in result.mistakes] == [
        {"index": 2, "label": "42", "read": "4"},
        {"index": 3, "label": "42", "read": "421"},
        {"index": 4, "label": "42", "read": "24"},
    ]
    assert result.accepted is None


def test_a_number_where_there_is_none_is_a_mistake() -> None:
    result, _ = measured("number", ("", "7"), ("12", ""), ("12", "1.2"))
    assert (result.right, result.of) == (1, 3)


def test_of_grids_every_cell_counts() -> None:
    label = "1" + "." * 79 + "9"
    result, stub = measured(
        "grid",
        (label, label),
        (label, "2" + "." * 79 + "9"),  # a digit wrong
        (label, "1" + "5" + "." * 78 + "9"),  # a blank cell read
        (label, "." * 81),  # two digits missed
        (label, "!1" + "." * 79 + "9"),
    )
    assert stub.layouts == ["grid"]
    assert (result.right, result.of) == (5 * 81 - 4, 5 * 81)
    assert [mistake.index for mistake in result.mistakes] == [1, 2, 3]


def test_a_grid_that_is_not_found_is_all_wrong() -> None:
    label = "1" * 81
    result, _ = measured("grid", (label, DataError("no grid")), (label, "1" * 36), (label, label))
    assert (result.right, result.of) == (81, 3 * 81)


def test_of_non_digits_all_must_be_rejected() -> None:
    result, stub = measured("non-digit", ("", "!3"), ("", "."), ("", "3"), ("", ""))
    assert stub.layouts == ["single"]
    assert (result.right, result.of) == (3, 4)
    assert result.mistakes == (MisreadPicture(index=2, label="", read="accepted"),)
    assert result.accepted is None


def test_of_no_pictures_nothing_is_said() -> None:
    result, _ = measured("single")
    assert (result.right, result.of) == (0, 0)
    assert result.accuracy is None
    assert result.accuracy_interval is None
