"""Crops of lines: of one height and level, wherever and however large the line was."""

import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.reading.line_crop import LineCropConfig, crop_boxes, crop_line, line_of

Boxes = npt.NDArray[np.float32]


def drawn(height: float, count: int, slope: float = 0.0) -> tuple[npt.NDArray[np.uint8], Boxes]:
    """Draw black bars in a row that rises, and return the picture and their boxes."""
    side = round(height * (count + 4))
    picture = np.full((side, side), 255, np.uint8)
    angle = math.atan(slope)
    boxes = []
    for k in range(count):
        along = (k - (count - 1) / 2) * height
        x, y = side / 2 + along * math.cos(angle), side / 2 + along * math.sin(angle)
        bar = cv2.boxPoints(((x, y), (0.3 * height, height), math.degrees(angle)))
        cv2.fillPoly(picture, [np.rint(bar).astype(np.int32)], 0)
        boxes.append((x, y, 0.3 * height, height))
    return picture, np.array(boxes, np.float32)


@given(height=st.floats(12, 200), count=st.integers(1, 6), slope=st.sampled_from([0, 0.15, -0.3]))
def test_digits_have_one_height_and_stand_in_the_middle(
    height: float, count: int, slope: float
) -> None:
    slope = slope if count > 3 else 0.0  # a shorter line is taken to be level
    picture, boxes = drawn(height, count, slope)
    crop = crop_line(picture, line_of(boxes, np.ones(count, bool)))
    assert crop is not None
    assert crop.shape[0] == 32
    assert crop.shape[1] % 8 == 0
    rows = np.flatnonzero((crop < 128).sum(axis=1) >= 2)
    # A bar's ends are drawn at whole pixels: it is up to two pixels of the picture higher.
    assert abs(len(rows) - 20) <= 1.5 + 20 * 2 / height
    assert abs((rows[0] + rows[-1]) / 2 - 15.5) <= 1.5
    dark = (crop[16] < 128).astype(int)
    assert (np.diff(dark) == 1).sum() == count  # each bar is there
    assert min(dark[0], dark[-1]) == 0


@given(height=st.floats(12, 200))
def test_the_crop_of_a_digit_is_a_square_with_the_digit_in_its_middle(height: float) -> None:
    picture, boxes = drawn(height, 3)
    crops = crop_boxes(picture, boxes)
    assert crops.shape == (3, 32, 32)
    for crop in crops:
        bar = crop[:, 13:19]
        rows, columns = np.flatnonzero((bar < 128).sum(axis=1) >= 2), np.flatnonzero(crop[16] < 128)
        assert abs(len(rows) - 20) <= 1.5 + 20 * 2 / height
        assert abs((rows[0] + rows[-1]) / 2 - 15.5) <= 1.5
        middle = columns[(columns > 9) & (columns < 22)]  # its neighbours are 20 pixels away
        assert abs(middle.mean() - 15.5) <= 1.5


@pytest.mark.parametrize(
    "box", [(0, 0, 1, 0), (-50, 100, 20, 30), (3, 3, 5000, 3), (5, 5, 400, 4000), (1e6, 0, 1, 1)]
)
def test_a_box_of_any_place_and_size_has_a_crop(box: tuple[float, ...]) -> None:
    for shape in ((1, 1), (60, 20)):
        crops = crop_boxes(np.full(shape, 90, np.uint8), np.array([box], np.float32))
        assert (crops == 90).all()
    assert crop_boxes(np.zeros((5, 5), np.uint8), np.zeros((0, 4), np.float32)).shape == (0, 32, 32)


def test_a_line_goes_on_where_the_picture_ends() -> None:
    picture = np.full((20, 60), 200, np.uint8)
    boxes = np.array([[8, 10, 14, 20], [50, 10, 18, 20]], np.float32)
    crop = crop_line(picture, line_of(boxes, np.ones(2, bool)))
    assert crop is not None
    assert (crop == 200).all()


def test_a_line_that_is_too_long_is_no_crop() -> None:
    boxes = np.array([[10, 10, 8, 10], [300, 10, 8, 10]], np.float32)
    assert crop_line(np.zeros((20, 400), np.uint8), line_of(boxes, np.ones(2, bool))) is None


def test_marks_say_nothing_about_the_height() -> None:
    boxes = np.array([[10, 20, 12, 20], [24, 28, 3, 3], [38, 20, 12, 20]], np.float32)
    line = line_of(boxes, np.array([True, False, True]))
    assert (line.height, line.y, line.slope) == (20, 20, 0)
    reach = (38 + 6 - (10 - 6)) / 2 + LineCropConfig().margin * 20
    assert (line.x, line.left, line.right) == pytest.approx((24, reach, reach))
