"""Printed lines: drawn here, under digits and through them."""

import cv2
import numpy as np
import pytest
from clear_digits import (
    Floats,
    clear_digit,
    cropped,
    number,
    on_paper,
    overlap,
)

from tenfold.reading.foreground import (
    find_foreground,
)
from tenfold.reading.line_removal import find_lines, remove_lines
from tenfold.rendering.strokes import STROKE_TEMPLATES

SLOPES = [-12, -7, -3, 0, 1, 5, 12]


def ruled(shape: tuple[int, ...], degrees: float, *, squared: bool, pitch: int = 48) -> Floats:
    """Print lines of two pixels, at a slope, from edge to edge: float32[h, w]."""
    h, w = shape
    paper = np.zeros((h, w), np.uint8)
    for angle in np.deg2rad([degrees, degrees + 90][: 1 + squared]):
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        for k in range(-max(h, w) // pitch, max(h, w) // pitch + 1):
            middle = np.array([w / 2, h / 2]) + across * (k + 0.37) * pitch
            one, other = (
                tuple(np.rint((middle + side * along * (h + w)) * 16).astype(int).tolist())
                for side in (-1, 1)
            )
            cv2.line(paper, one, other, 255, 2, cv2.LINE_AA, 4)
    return np.asarray(paper / 255, np.float32)


@pytest.mark.parametrize("degrees", SLOPES)
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("darkness", [0.3, 0.5])
def test_printed_lines_go_and_strokes_stay(degrees: float, squared: bool, darkness: float) -> None:  # noqa: FBT001
    for digit in (0, 1, 5, 7):
        drawn = clear_digit(digit, 150, pen=0.1)
        printed = ruled(drawn.shape, degrees, squared=squared)
        picture = on_paper(np.maximum(drawn, darkness * printed), 35, 255)
        found = find_foreground(picture)
        # Where a stroke runs along a line for long, it cannot be told from the line.
        assert overlap(found.foreground, drawn) > (0.9 if squared else 0.95)
        away = cv2.dilate(drawn, np.ones((7, 7))) == 0
        assert np.mean(found.foreground[away] > 0.25) < 0.005
        assert np.mean(found.stretched[away] > 0.25) > 0.02


@pytest.mark.parametrize("degrees", SLOPES)
def test_many_lines_as_dark_as_the_pen_are_lines_all_the_same(degrees: float) -> None:
    drawn = clear_digit(0, 150, pen=0.1)
    printed = ruled(drawn.shape, degrees, squared=True)
    found = find_foreground(on_paper(np.maximum(drawn, 0.9 * printed), 35, 255)).foreground
    assert np.mean(found[cv2.dilate(drawn, np.ones((7, 7))) == 0] > 0.25) < 0.005


def test_two_pale_lines_that_cross_in_a_digit_are_lines() -> None:
    drawn = clear_digit(6, 100)
    printed = np.zeros_like(drawn)
    printed[70:72] = printed[:, 60:62] = 0.4
    found = find_foreground(on_paper(np.maximum(drawn, printed), 20, 235)).foreground
    assert overlap(found, drawn) > 0.97
    assert not (found[cv2.dilate(drawn, np.ones((5, 5))) == 0] > 0.25).any()


def test_a_line_in_the_mask_is_whole() -> None:
    printed = ruled((200, 300), 5, squared=False)
    assert (find_lines(printed)[printed > 0.5] == 1).all()


@pytest.mark.parametrize("gap", [0.05, 0.5])
@pytest.mark.parametrize("row", [40, 60, 75, 85])
def test_digits_that_stand_close_together_on_a_line(gap: float, row: int) -> None:
    drawn, _ = number("86906889", 60, gap=gap)
    printed = np.zeros_like(drawn)
    printed[row : row + 2] = 1
    printed = np.maximum(drawn, 0.5 * cv2.GaussianBlur(printed, (0, 0), 0.8))
    found = find_foreground(on_paper(printed, 20, 235)).foreground
    assert overlap(found, drawn) > 0.97
    assert np.mean(found[drawn == 0] > 0.25) < 0.01


def test_strokes_that_end_inside_are_no_lines() -> None:
    foreground = np.zeros((100, 200), np.float32)
    foreground[50:53, 10:190] = 1  # nearly across
    foreground[10:90, 100:103] = 1
    assert not find_lines(foreground).any()


def test_in_small_pictures_nothing_is_a_line() -> None:
    foreground = np.zeros((28, 28), np.float32)
    foreground[3:5] = 1
    assert not find_lines(foreground).any()
    assert find_lines(np.kron(foreground, np.ones((2, 2), np.float32))).any()


@pytest.mark.parametrize("thickness", [9, 20, 30])
def test_thick_bars_are_no_lines(thickness: int) -> None:
    foreground = np.zeros((100, 200), np.float32)
    foreground[40 : 40 + thickness] = 1
    assert not find_lines(foreground).any()
    assert not find_lines(np.ascontiguousarray(foreground.T)).any()


@pytest.mark.parametrize("height", [60, 100, 200])
@pytest.mark.parametrize("pen", [0.03, 0.06, 0.11, 0.16])
def test_a_digit_that_fills_its_picture_has_no_lines(height: int, pen: float) -> None:
    for digit, ways in STROKE_TEMPLATES.items():
        for way in range(len(ways)):
            drawn = cropped(clear_digit(digit, height, way=way, pen=pen))
            if (drawn > 0.5).mean() > 0.9:
                continue  # an upright 1 leaves no paper
            found = find_foreground(on_paper(drawn, 20, 235)).foreground
            assert overlap(found, drawn) > 0.95


@pytest.mark.parametrize("digit", [2, 4, 7])
@pytest.mark.parametrize("pen", [0.03, 0.05, 0.11])
def test_a_stroke_from_edge_to_edge_is_no_line(digit: int, pen: float) -> None:
    drawn = clear_digit(digit, 100, pen=pen)
    columns = np.flatnonzero(drawn.any(axis=0))
    drawn = np.ascontiguousarray(drawn[:, columns[0] : columns[-1] + 1])
    assert overlap(find_foreground(on_paper(drawn, 20, 235)).foreground, drawn) > 0.97


def test_without_keeps_what_is_darker_and_what_crosses() -> None:
    foreground = np.zeros((41, 41), np.float32)
    foreground[20] = 0.3  # the line
    mask = (foreground > 0).astype(np.uint8)
    foreground[10:31, 8:11] = 1.0  # clearly darker
    foreground[10:31, 28:31] = 0.4  # as pale as the line, but with foreground above and below
    foreground[20, 28:31] = 0.3
    kept = remove_lines(foreground, mask)
    expected = foreground.copy()
    expected[20, [*range(8), *range(11, 28), *range(31, 41)]] = 0
    np.testing.assert_array_equal(kept, expected)


def test_without_lines_nothing_changes() -> None:
    foreground = clear_digit(4)
    np.testing.assert_array_equal(remove_lines(foreground, find_lines(foreground)), foreground)
