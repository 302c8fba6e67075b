"""Foreground: against pictures whose foreground is known, because it is drawn here."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from clear_digits import (
    Colour,
    Pixels,
    clear_digit,
    on_paper,
    overlap,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from tenfold.data.digits import synthetic_digits
from tenfold.data.normalization import normalize_digit
from tenfold.reading.foreground import (
    CONFIG,
    downscale,
    find_foreground,
    is_foreground_light,
    noise_deviation,
    stretch_levels,
    subtract_background,
)
from tenfold.rendering.strokes import draw_digit

PENS: list[tuple[Colour, Colour]] = [  # pen, paper
    (0, 255),
    (255, 0),
    (40, 200),
    (200, 60),
    (150, 220),
    ((180, 20, 30), (250, 240, 210)),  # red on cream
    ((30, 40, 160), (190, 190, 185)),  # blue on grey
    ((235, 235, 225), (30, 70, 50)),  # chalk
    ((255, 220, 0), (255, 255, 255)),  # yellow on white
    ((200, 60, 60), (60, 60, 200)),  # no darker and no lighter than the paper
    ((220, 40, 40), (60, 160, 200)),  # darker, but not in red
]


def shaded(shape: tuple[int, ...], angle: float, depth: float) -> npt.NDArray[Any]:
    """Return light that falls from 1 to 1 - depth across a picture."""
    h, w = shape
    y, x = np.mgrid[:h, :w]
    across = (x / w - 0.5) * np.cos(angle) + (y / h - 0.5) * np.sin(angle)
    light: npt.NDArray[Any] = 1 - depth * (0.5 + across / np.ptp(across))
    return light


def noisy(picture: npt.NDArray[Any], deviation: float, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, deviation, picture.shape)
    pixels: Pixels = np.rint((picture + noise).clip(0, 255)).astype(np.uint8)
    return pixels


# Contrast


@pytest.mark.parametrize(("pen", "paper"), PENS)
@pytest.mark.parametrize("height", [24, 100])
def test_foreground_of_any_colour_on_flat_paper(pen: Colour, paper: Colour, height: int) -> None:
    for digit in range(10):
        drawn = clear_digit(digit, height)
        found = find_foreground(on_paper(drawn, pen, paper))
        assert overlap(found, drawn) > 0.98
        assert abs(found - drawn).mean() < 0.001
        assert not found[drawn == 0].any()


def test_contrast_is_the_part_of_the_paper_s_light_that_is_missing() -> None:
    picture = np.full((40, 40), 200, np.uint8)
    picture[10:30, 18:22] = 50
    found = subtract_background(picture)
    np.testing.assert_allclose(found[10:30, 18:22], 1 - 50 / 200, atol=1e-6)
    assert np.count_nonzero(found) == 20 * 4
    # Of light strokes the negative is taken: 255 - 55 = 200 is paper there, 255 - 205 a stroke.
    np.testing.assert_allclose(subtract_background(255 - picture), found, atol=1e-6)


@pytest.mark.parametrize("paper", [*range(0, 256, 15), 65, 67, 69, 131])
@pytest.mark.parametrize("away", [-60, 60])
def test_flat_paper_is_exactly_0(paper: int, away: int) -> None:
    picture = np.full((40, 40), paper, np.uint8)
    picture[10:30, 18:22] = paper + away if 0 <= paper + away <= 255 else paper - away
    assert np.count_nonzero(find_foreground(picture)) == 20 * 4


def test_colours_count_by_the_square() -> None:
    picture = np.full((40, 40, 3), (200, 240, 100), np.uint8)
    picture[10:30, 18:22] = (100, 240, 25)
    expected = np.sqrt((0.5**2 + 0 + 0.75**2) / 3)
    np.testing.assert_allclose(subtract_background(picture)[10:30, 18:22], expected, rtol=1e-5)


@pytest.mark.parametrize("light", [False, True])
def test_foreground_is_the_minority(light: bool) -> None:  # noqa: FBT001
    drawn = clear_digit(8, 60, pen=0.2, margin=0.05)
    grey = drawn if light else 1 - drawn
    assert is_foreground_light(grey, flat=True) is light
    photographed = (0.1 + 0.8 * grey) * shaded(grey.shape, 0.3, 0.2)
    assert is_foreground_light(photographed.astype(np.float32), flat=False) is light


@pytest.mark.parametrize("angle", np.arange(0, 2 * np.pi, np.pi / 3))
@pytest.mark.parametrize("depth", [0.3, 0.7])
@pytest.mark.parametrize("light", [False, True])
def test_light_that_falls_away_evenly(angle: float, depth: float, light: bool) -> None:  # noqa: FBT001
    for digit in (0, 1, 5, 8):
        drawn = clear_digit(digit, 80, margin=0.5)
        picture = on_paper(drawn, 30, 230) * shaded(drawn.shape, angle, depth)
        found = find_foreground(noisy(255 - picture if light else picture, 2))
        assert overlap(found, drawn) > 0.95


# Levels


def test_levels_stretch_to_the_body_of_the_foreground() -> None:
    found = np.zeros((50, 50), np.float32)
    found[5:45, 20:28] = 0.5  # the body
    found[5:45, 28] = 0.25  # its soft edge
    stretched = stretch_levels(found)
    np.testing.assert_allclose(stretched[5:45, 20:28], 1, atol=0.01)
    np.testing.assert_allclose(stretched[5:45, 28], 0.5, atol=0.01)
    assert np.count_nonzero(stretched) == 40 * 9


@pytest.mark.parametrize(("strength", "seen"), [(0.04, False), (0.08, True), (1.0, True)])
def test_the_faintest_foreground(strength: float, seen: bool) -> None:  # noqa: FBT001
    found = strength * clear_digit(3)
    assert stretch_levels(found).any() == seen


@pytest.mark.parametrize("deviation", [0.5, 3, 8])
@pytest.mark.parametrize("shape", [(60, 60), (120, 90), (300, 400)])
@pytest.mark.parametrize("depth", [0, 0.25])
def test_blank_paper_has_no_foreground(
    deviation: float, shape: tuple[int, int], depth: float
) -> None:
    for seed in range(4):
        for brightness in (240, 110):
            blank = brightness * shaded(shape, seed, depth)
            assert not find_foreground(noisy(blank, deviation, seed)).any()


def test_faint_strokes_are_seen_through_noise() -> None:
    drawn = clear_digit(5, 120)
    found = find_foreground(noisy(on_paper(drawn, 190, 230), 4))
    assert overlap(found, drawn) > 0.9


@pytest.mark.parametrize("shading", [0, 0.5])
@pytest.mark.parametrize("digit", [None, 8])
def test_grain_is_the_noise_s_deviation(shading: float, digit: int | None) -> None:
    shape = clear_digit(8, 150).shape
    picture = shading * shaded(shape, 1, 0.9) + (0 if digit is None else clear_digit(digit, 150))
    noise = np.random.default_rng(0).normal(0, 0.05, shape)
    # Every fifth pixel or so is near a stroke, and half of the others are below the median.
    assert noise_deviation((picture + noise).astype(np.float32)) == pytest.approx(0.05, rel=0.3)
    assert noise_deviation(picture.astype(np.float32)) < 0.002


# Any picture


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 3), (8, 8), (1, 9), (9, 1, 3), (5, 658, 3), (1200, 2)]
)
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_one_grey_all_over_is_blank(shape: tuple[int, ...], grey: int) -> None:
    found = find_foreground(np.full(shape, grey, np.uint8))
    assert found.shape == shape[:2]
    assert not found.any()


sides = st.integers(1, 14) | st.integers(1, 900)
shapes = st.tuples(st.integers(1, 14), sides, st.booleans(), st.booleans()).map(
    lambda s: (*(s[1::-1] if s[2] else s[:2]), *((3,) if s[3] else ()))
)


@settings(max_examples=60)
@given(shapes, st.integers(0, 2**32), st.integers(0, 255), st.integers(1, 256))
def test_every_step_of_any_picture_is_between_0_and_1(
    shape: tuple[int, ...], seed: int, low: int, levels_of_grey: int
) -> None:
    greys = np.random.default_rng(seed).integers(0, levels_of_grey, shape)
    picture = (low + greys).clip(0, 255).astype(np.uint8)
    for step in (subtract_background(picture), find_foreground(picture)):
        assert step.dtype == np.float32
        assert step.shape == shape[:2]
        assert np.isfinite(step).all()
        assert step.min() >= 0
        assert step.max() <= 1


@settings(max_examples=40)
@given(stn.arrays(np.uint8, stn.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)))
def test_turning_a_small_picture_turns_its_foreground(picture: npt.NDArray[np.uint8]) -> None:
    turned = find_foreground(np.ascontiguousarray(picture.T))
    np.testing.assert_allclose(turned, find_foreground(picture).T, atol=1e-4)


def test_what_is_in_mnist_s_form_is_nearly_its_own_foreground() -> None:
    generator = np.random.default_rng(0)
    for digit in range(10):
        image = normalize_digit(np.asarray(draw_digit(digit, generator) / 255, np.float32))
        assert abs(find_foreground(image) * 255 - image.astype(float)).mean() < 1
    for image in synthetic_digits(20, 0).images.numpy():  # with noise of 20 grey levels
        found = find_foreground(image)
        assert np.corrcoef(found.ravel(), image.ravel())[0, 1] > 0.9


def test_large_pictures_are_scaled_down_and_others_left() -> None:
    small, factor = downscale(np.zeros((30, 40), np.uint8))
    assert (small.shape, factor) == ((30, 40), 1.0)
    large = np.zeros((10, 4 * CONFIG.max_side_px, 3), np.uint8)
    large[:, : 2 * CONFIG.max_side_px] = 200
    small, factor = downscale(large)
    assert small.shape == (2, CONFIG.max_side_px, 3)
    assert factor == 0.25
    assert (small[:, : CONFIG.max_side_px // 2] == 200).all()
    assert not small[:, CONFIG.max_side_px // 2 :].any()
    assert downscale(np.zeros((1, 3 * CONFIG.max_side_px), np.uint8))[0].shape == (
        1,
        CONFIG.max_side_px,
    )
