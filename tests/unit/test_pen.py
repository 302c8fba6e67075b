"""Digits drawn again: of the size and width that were asked for, and apart on a line."""

import itertools

import numpy as np
import pytest
from ring import ring
from scipy import ndimage

from tenfold.data.normalization import stroke_width
from tenfold.rendering.pen import arrange_line, redraw_digit


@pytest.mark.parametrize("tall", [20, 60, 250])
def test_a_digit_is_drawn_as_tall_as_asked(tall: int) -> None:
    for stroke in (0.06, 0.12, 0.18):
        strokes = redraw_digit(ring(), tall, stroke * tall, 0.0)
        assert strokes.dtype == np.float32
        assert strokes.min() >= 0
        assert strokes.max() > 0.75  # less than a pixel across is not black
        assert abs(len(strokes) - tall) <= 0.1 * tall + 2


def test_strokes_follow_the_pen_and_leave_the_hole_open() -> None:
    widths = []
    for stroke in (0.05, 0.1, 0.2):
        strokes = redraw_digit(ring(), 120, 120 * stroke, 0.0) > 0.5
        widths.append(stroke_width(strokes))
        _, backgrounds = ndimage.label(~np.pad(strokes, 1))
        assert backgrounds == 2  # around the ring and within
    assert widths == sorted(widths)
    assert widths[2] > 1.5 * widths[0]


def test_a_gap_stays_open_however_thick_the_pen() -> None:
    open_ring = ring()
    open_ring[11:16, 18:] = 0  # as between the bar and the bowl of a 5
    for stroke in (4, 8, 16):
        _, backgrounds = ndimage.label(~np.pad(redraw_digit(open_ring, 80, stroke, 0.0) > 0.5, 1))
        assert backgrounds == 1


def test_stroke_width_of_a_bar() -> None:
    bar = np.zeros((40, 220), bool)
    bar[10:16, 10:210] = True
    # 1200 pixels of area; an outline of 2 · 200 + 2 · 4 pixels.
    assert stroke_width(bar) == pytest.approx(2 * 1200 / 408)
    assert stroke_width(np.zeros((3, 3), bool)) == 0


def test_slant_leans_to_the_right_at_the_top() -> None:
    stroke = np.zeros((28, 28), np.uint8)
    stroke[4:24, 13:15] = 255
    strokes = redraw_digit(stroke, 100, 8, 0.25)
    top, bottom = (
        float(row @ np.arange(len(row)) / row.sum()) for row in (strokes[10], strokes[-10])
    )
    assert top - bottom == pytest.approx(0.25 * (len(strokes) - 20), rel=0.1)


def test_specks_are_removed() -> None:
    speck = ring()
    speck[2:4, 25:27] = 255
    strokes = redraw_digit(speck, 80, 8, 0.0)
    assert ndimage.label(strokes > 0.1)[1] == 1


@pytest.mark.parametrize("kerned", [False, True])
def test_digits_on_a_line_never_touch(kerned: bool) -> None:  # noqa: FBT001
    random = np.random.default_rng(0)
    glyphs = [redraw_digit(ring(), 50, 6, slant) for slant in (0.3, -0.3, 0.0, 0.3, 0.3)]
    line = arrange_line(glyphs, 5.0, 2.0, random, kerned=kerned)
    assert line.max() <= 1
    assert line.sum() == pytest.approx(sum(float(glyph.sum()) for glyph in glyphs))
    places, count = ndimage.label(line > 0)
    assert count == len(glyphs)
    lefts = [int(columns.start) for _, columns in ndimage.find_objects(places)]
    order = np.argsort(lefts) + 1
    for one, other in itertools.pairwise(order.tolist()):
        away = ndimage.distance_transform_edt(places != one)[places == other].min()
        assert away >= 4
        assert away <= (10 if kerned else 30)
