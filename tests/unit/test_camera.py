"""The camera: everything is in the picture, with the geometry and colours asked for."""

import dataclasses
import math

import numpy as np
import pytest
from ring import luma

from tenfold.rendering.camera import Page, photograph, stroke_contrast
from tenfold.rendering.paper import MAX_TILT_DEG, Appearance

PLAIN = Appearance(paper_colour=(240, 240, 240), pen_colour=(20, 20, 20))


def test_all_strokes_are_in_the_picture() -> None:
    page = Page(np.ones((60, 40), np.float32), pixels_per_mm=6.0)
    for seed in range(40):
        random = np.random.default_rng(seed)
        look = dataclasses.replace(
            PLAIN, tilt_deg=(*random.uniform(-MAX_TILT_DEG, MAX_TILT_DEG, 2), 10.0)
        )
        picture, strokes = photograph(page, look, (90, 80), random)
        assert picture.shape == (90, 80, 3)
        assert not np.concatenate([strokes[0], strokes[-1], strokes[:, 0], strokes[:, -1]]).any()
        assert strokes.sum() == pytest.approx(60 * 40, rel=0.06)


def test_a_page_that_is_too_large_is_scaled_down() -> None:
    page = Page(np.ones((300, 100), np.float32), pixels_per_mm=6.0, margin_px=5.0)
    _, strokes = photograph(page, PLAIN, (110, 200), np.random.default_rng(0))
    rows = np.flatnonzero(strokes.any(axis=1))
    assert np.ptp(rows) + 1 == pytest.approx(100, abs=2)


def test_rotation_goes_clockwise_by_the_angle() -> None:
    bar = np.zeros((200, 200), np.float32)
    bar[98:102, 10:190] = 1
    look = dataclasses.replace(PLAIN, tilt_deg=(0.0, 0.0, 10.0))
    _, strokes = photograph(Page(bar, 10.0), look, (300, 300), np.random.default_rng(0))
    y, x = np.nonzero(strokes > 0.5)
    assert math.degrees(math.atan(np.polyfit(x, y, 1)[0])) == pytest.approx(10, abs=0.3)


def test_plain_light_gives_the_colours_of_paper_and_pen() -> None:
    strokes = np.zeros((40, 40), np.float32)
    strokes[10:30, 10:30] = 1
    look = dataclasses.replace(
        PLAIN, paper_colour=(240, 200, 160), pen_colour=(10, 20, 30), pen_opacity=0.5
    )
    picture, _ = photograph(
        Page(strokes, 6.0, margin_px=0), look, (80, 80), np.random.default_rng(1)
    )
    colours = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    assert {(240, 200, 160), (125, 110, 95)} <= colours


def test_squares_are_five_millimetres() -> None:
    look = dataclasses.replace(PLAIN, ruling="squared", ruling_opacity=1.0)
    page = Page(np.zeros((200, 200), np.float32), pixels_per_mm=8.0, margin_px=0.0)
    picture, _ = photograph(page, look, (200, 200), np.random.default_rng(0))
    for profile in (luma(picture).mean(axis=0), luma(picture).mean(axis=1)):
        dark = profile < profile.mean()
        starts = np.flatnonzero(np.diff(dark.astype(int)) == 1)
        assert len(starts) >= 4
        np.testing.assert_allclose(np.diff(starts), 40, atol=1)


def test_contrast_is_the_difference_of_strokes_and_paper() -> None:
    strokes = np.zeros((40, 40), np.float32)
    strokes[15:25, 15:25] = 1
    picture = np.full((40, 40), 200, np.uint8)
    picture[15:25, 15:25] = 120
    assert stroke_contrast(picture, strokes) == pytest.approx(80)
    assert stroke_contrast(255 - picture, strokes) == pytest.approx(80)
    assert stroke_contrast(picture, np.zeros_like(strokes)) == 0
