"""Numbers of chosen detections: their texts, probabilities and boxes, worked out by hand."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from stub_network import CONFIG, NOTHING, PAGE, Detected, detections, stub_number_reader, surely

from tenfold.bundle.detector_runtime import Detections
from tenfold.errors import DataError
from tenfold.reading import number_reader
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.number_reader import calibrated
from tenfold.reading.page import Number

# A 3 that may be an 8, and a 1 that may be a 7; each may be nothing.
THREE: Detected = (50, 0.9, {"3": 0.8, "8": 0.2})
ONE: Detected = (70, 0.7, {"1": 0.6, "7": 0.4})


def read(found: Detections, constraints: Constraints = ANYTHING) -> list[Number]:
    return list(stub_number_reader(found).read(PAGE, constraints).numbers)


def joined(*parts: Detections) -> Detections:
    return Detections(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


# Probabilities


def test_the_probability_of_a_number_is_the_product_over_its_digits() -> None:
    (number,) = read(detections(THREE, ONE))
    assert number.value == "31"
    assert number.probability == pytest.approx((0.9 * 0.8) * (0.7 * 0.6), rel=1e-5)
    assert dict(number.alternatives) == pytest.approx(
        {
            "3": 0.72 * (1 - 0.7),
            "37": 0.72 * 0.28,
            "81": 0.18 * 0.42,
            "8": 0.18 * (1 - 0.7),
            "87": 0.18 * 0.28,
        },
        rel=1e-5,
    )
    shown = [probability for _, probability in number.alternatives]
    assert shown == sorted(shown, reverse=True)


def test_what_is_unsure_is_a_question_mark_but_has_a_value() -> None:
    (number,) = read(detections(THREE, ONE))
    assert (number.text, number.value) == ("3?", "31")
    assert (number.reason, number.accepted) == ("unsure", False)
    first, second = number.digits
    assert [first.accepted, second.accepted] == [True, False]
    assert (first.digit, first.runner_up, second.digit, second.runner_up) == (3, 8, 1, 7)
    assert first.probability == pytest.approx(0.72)
    np.testing.assert_allclose(second.probabilities[[1, 7]], [0.42, 0.28], rtol=1e-5)
    assert second.probabilities.sum() == pytest.approx(0.7)


def test_the_probability_of_print_is_the_mean_over_the_digits() -> None:
    found = joined(
        *(
            one._replace(printed=np.array([p], np.float32))
            for one, p in zip(
                (detections(THREE), detections((60, 0.9, {".": 1.0})), detections(ONE)),
                (0.25, 1.0, 0.75),
                strict=True,
            )
        )
    )
    (number,) = read(found)
    assert number.value == "3.1"
    assert [digit.printed for digit in number.digits] == [0.25, 0.75]
    assert number.printed == 0.5


def test_a_sure_number_is_accepted() -> None:
    (number,) = read(surely("4071", objectness=0.99))
    assert (number.text, number.reason, number.accepted) == ("4071", None, True)
    assert number.probability == pytest.approx(0.99**4, rel=1e-5)


@pytest.mark.parametrize(("least", "accepted"), [(0.89, True), (0.91, False)])
def test_the_least_probability_decides(least: float, accepted: bool) -> None:  # noqa: FBT001
    config = replace(CONFIG, min_probability=least)
    (number,) = stub_number_reader(surely("5", objectness=0.9), config).read(PAGE).numbers
    assert number.accepted is accepted


def test_many_sure_digits_may_make_an_unsure_number() -> None:
    (number,) = read(surely("1234567890", objectness=0.97))
    assert number.text == "1234567890"  # each is sure enough to be shown
    assert number.probability == pytest.approx(0.97**10, rel=1e-4)
    assert number.reason == "unsure"


def test_probabilities_are_calibrated_by_a_line_through_their_logits() -> None:
    assert calibrated(0.9, (2.0, -1.0)) == pytest.approx(1 / (1 + math.exp(1) / 81))
    config = replace(CONFIG, calibration=(2.0, -1.0))
    (number,) = stub_number_reader(surely("5", objectness=0.9), config).read(PAGE).numbers
    assert number.probability == pytest.approx(81 / (81 + math.e), rel=1e-4)
    ((text, probability),) = number.alternatives
    assert text == ""
    assert probability == pytest.approx(1 / (1 + 81 * math.e), rel=1e-4)
    for certain in (0.0, 1.0):
        assert 0 <= calibrated(certain, (3.0, 1.0)) <= 1


def test_two_boxes_over_one_stroke_add_up_where_they_agree() -> None:
    """One of them is there, or none: 0.8 and 0.6 against 0.2 · 0.4."""
    row = detections((50, 0.8, {"7": 1.0}), (52, 0.6, {"7": 1.0}))
    number = stub_number_reader(NOTHING).read_rows([row], PAGE, ANYTHING)[0]
    assert number is not None
    assert number.value == "7"
    assert len(number.digits) == 1
    assert number.probability == pytest.approx(1.4 / 1.48, rel=1e-4)


# Constraints


@pytest.mark.parametrize(
    ("constraints", "value", "probability"),
    [
        # Of 3, 8, 1 and 7: 0.72 · 0.3, 0.18 · 0.3, 0.1 · 0.42, 0.1 · 0.28.
        (Constraints(length=1), "3", 0.216 / 0.34),
        # Of 37 and 81: 0.72 · 0.28 and 0.18 · 0.42.
        (Constraints(values=frozenset({"37", "81"})), "37", 0.2016 / 0.2772),
        # Of 81 and 87: 0.18 · 0.42 and 0.18 · 0.28.
        (Constraints(pattern="8."), "81", 0.0756 / (0.0756 + 0.0504)),
        # Of 37 and 87: 0.72 · 0.28 and 0.18 · 0.28.
        (Constraints(length=2, pattern="[38]7"), "37", 0.2016 / (0.2016 + 0.0504)),
    ],
)
def test_constraints_take_part_in_decoding(
    constraints: Constraints, value: str, probability: float
) -> None:
    (number,) = read(detections(THREE, ONE), constraints)
    assert number.value == value
    assert number.probability == pytest.approx(probability, rel=1e-4)


def test_a_check_digit_settles_a_doubt() -> None:
    found = detections((50, 1.0, {"1": 1.0}), (70, 1.0, {"3": 0.6, "8": 0.4}))
    assert [number.value for number in read(found)] == ["13"]
    (number,) = read(found, Constraints(check="luhn"))  # 2 · 1 + 8 = 10, but 2 · 1 + 3 = 5
    assert (number.value, number.accepted) == ("18", True)


def test_what_does_not_fit_is_given_but_not_accepted() -> None:
    (number,) = read(surely("4071"), Constraints(length=9))
    assert (number.value, number.text) == ("4071", "4071")
    assert (number.reason, number.accepted) == ("does not fit", False)


def test_what_fits_must_not_be_too_improbable() -> None:
    """Of a sure 31, the only value that may be is a text that the detector all but excludes."""
    found = detections((50, 0.99, {"3": 0.995, "8": 0.005}), (70, 0.99, {"1": 0.995, "7": 0.005}))
    (number,) = read(found, Constraints(values=frozenset({"87"})))
    assert (number.value, number.reason) == ("31", "does not fit")
    (number,) = read(found, Constraints(values=frozenset({"87", "31"})))
    assert (number.value, number.accepted) == ("31", True)


def test_alternatives_share_the_probability_of_what_fits() -> None:
    (number,) = read(detections(THREE, ONE), Constraints(values=frozenset({"37", "81"})))
    ((text, probability),) = number.alternatives
    assert text == "81"
    assert probability == pytest.approx(0.0756 / 0.2772, rel=1e-4)


def test_marks_are_part_of_a_number_unless_only_digits_are_wanted() -> None:
    (number,) = read(surely("-40.5"))
    assert number.value == "-40.5"
    assert [digit.digit for digit in number.digits] == [4, 0, 5]
    (number,) = read(surely("-40.5"), Constraints(digits_only=True))
    assert (number.value, number.accepted) == ("405", True)


def test_a_question_mark_stands_where_the_digit_is() -> None:
    (number,) = read(detections(THREE, (70, 1.0, {".": 1.0}), (90, 0.7, {"1": 0.6, "7": 0.4})))
    assert number.text == "3.?"


# Places


def test_boxes_are_in_the_pixels_of_the_picture() -> None:
    (number,) = read(surely("40", left=50))  # centres 50 and 70, 16 wide, 28 high, at y = 100
    assert [digit.box for digit in number.digits] == [(42, 86, 58, 114), (62, 86, 78, 114)]
    assert number.box == (42, 86, 78, 114)
    assert (number.row, number.column) == (None, None)


def test_boxes_end_at_the_edge_of_the_picture() -> None:
    (left,) = read(surely("4", left=2))
    (right,) = read(surely("4", left=397))
    assert left.box == (0, 86, 10, 114)
    assert right.box == (389, 86, 400, 114)


@pytest.mark.parametrize(("x", "y"), [(-20, 100), (420, 100), (200, -20), (200, 220)])
def test_a_digit_beside_the_picture_has_pixels_of_its_edge(x: float, y: float) -> None:
    row = detections((x, 1.0, {"5": 1.0}), y=y, size=(10, 10))
    number = stub_number_reader(row).read_rows([row], PAGE, ANYTHING)[0]
    assert number is not None
    left, top, right, bottom = number.box
    assert 0 <= left < right <= PAGE.shape[1]
    assert 0 <= top < bottom <= PAGE.shape[0]
    assert number.digits[0].pixels.size


def test_the_pixels_of_a_digit_are_grey_levels_of_its_box() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (*PAGE.shape, 3), np.uint8)
    grey = np.rint(colours @ np.array([0.299, 0.587, 0.114]))
    (number,) = stub_number_reader(surely("4")).read(colours).numbers
    pixels = number.digits[0].pixels
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.astype(int), grey[86:114, 42:58], atol=1)


def test_numbers_come_in_reading_order() -> None:
    below = detections((50, 1.0, {"8": 1.0}), y=160)
    found = joined(below, surely("56", left=200), surely("12", left=50))
    assert [number.value for number in read(found)] == ["12", "56", "8"]
    assert stub_number_reader(found).read(PAGE).text == "12 56 8"


# Nothing, and too much


def test_marks_alone_are_no_number() -> None:
    assert read(surely("-.")) == []
    assert read(NOTHING) == []


def test_what_is_most_probably_nothing_is_no_number() -> None:
    assert read(surely("5", objectness=0.3)) == []


def test_more_digits_than_a_page_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_reader, "MAX_DETECTIONS", 3)
    assert [number.value for number in read(surely("123"))] == ["123"]
    with pytest.raises(DataError, match="more than 3 digits: crop the picture to its numbers"):
        read(surely("1234"))


def test_constraints_that_nothing_fits_cost_a_bounded_time() -> None:
    doubtful = {str(digit): 0.25 for digit in range(4)}
    found = detections(*((20 + 20 * k, 0.5, doubtful) for k in range(16)))
    numbers = read(found, Constraints(pattern="9{16}"))
    assert [number.reason for number in numbers] in ([], ["does not fit"])


@pytest.mark.parametrize(
    ("count", "constraints"), [(1000, ANYTHING), (300, Constraints(check="luhn"))]
)
def test_a_long_row_of_doubtful_digits_is_read_in_bounded_time(
    count: int, constraints: Constraints
) -> None:
    """The probability of a text of a thousand may be below the least number that there is."""
    doubtful = {"3": 0.35, "5": 0.33, "8": 0.32}
    row = detections(*((20 + 20 * k, 0.9, doubtful) for k in range(count)))
    picture = np.full((200, 20_040), 255, np.uint8)
    beginning = time.process_time()
    number = stub_number_reader(row).read_rows([row], picture, constraints)[0]
    assert time.process_time() - beginning < 5
    assert number is not None
    assert number.value.startswith("333")
    assert number.reason == "unsure"
