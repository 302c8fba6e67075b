"""The desk: ink is where it should be, stands out and never meets; sets are the same each time."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage

from tenfold.data.digits import Digits
from tenfold.data.normalization import stroke_width
from tenfold.errors import DataError
from tenfold.rendering import documents
from tenfold.rendering.camera import Field, Pixels, Sheet, contrast, photograph
from tenfold.rendering.documents import (
    Composed,
    compose_digit,
    compose_grid,
    compose_number,
    digit_documents,
    grid_documents,
    legible,
    number_documents,
)
from tenfold.rendering.doodles import DOODLES, Doodle, blanks_and_scribbles, compose_doodle
from tenfold.rendering.paper import TILT, Look, Random, draw_look
from tenfold.rendering.pen import set_line, write

PLAIN = Look(paper=(240, 240, 240), ink=(20, 20, 20))


def ring() -> np.ndarray:
    """A ring with strokes of 3 pixels, uint8[28, 28]."""
    y, x = np.mgrid[:28, :28]
    away = np.hypot((y - 13.5) / 10, (x - 13.5) / 7)
    image: np.ndarray = np.where(abs(away - 0.85) < 0.17, 255, 0).astype(np.uint8)
    return image


def luma(picture: Pixels) -> np.ndarray:
    weights = (0.299, 0.587, 0.114) if picture.ndim == 3 else (1.0,)
    grey: np.ndarray = np.average(np.atleast_3d(picture).astype(float), axis=2, weights=weights)
    return grey


# Sets


def test_digits_in_pictures_of_60_to_400(tiny_digits: Digits) -> None:
    drawn = list(digit_documents(tiny_digits, 25))
    assert all(60 <= side <= 400 for picture, _ in drawn for side in picture.shape[:2])
    assert all(picture.dtype == np.uint8 for picture, _ in drawn)
    assert {picture.ndim for picture, _ in drawn} == {2, 3}
    labels = "".join(label for _, label in drawn)
    assert len(labels) == 25
    assert labels.isdecimal()


def test_numbers_have_one_to_eight_digits(tiny_digits: Digits) -> None:
    labels = [label for _, label in number_documents(tiny_digits, 40)]
    assert all(label.isdecimal() for label in labels)
    assert {len(label) for label in labels} == set(range(1, 9))


def test_grids_are_filled_as_sudokus_are(tiny_digits: Digits) -> None:
    for picture, label in grid_documents(tiny_digits, 3):
        assert min(picture.shape[:2]) > 9 * 30
        assert sum(character != "." for character in label) == round(0.4 * 81)
        cells = np.array(list(label)).reshape(9, 9)
        blocks = cells.reshape(3, 3, 3, 3).swapaxes(1, 2).reshape(9, 9)
        for line in (*cells, *cells.T, *blocks):
            digits = line[line != "."].tolist()
            assert len(set(digits)) == len(digits)
            assert "0" not in digits


@pytest.mark.parametrize("make", [digit_documents, number_documents, grid_documents])
def test_a_picture_depends_on_its_place_alone(make: object, tiny_digits: Digits) -> None:
    assert callable(make)
    for (one, label), (other, same) in zip(
        make(tiny_digits, 2), make(tiny_digits, 3), strict=False
    ):
        np.testing.assert_array_equal(one, other)
        assert label == same


def test_negatives_are_the_same_each_time_and_partly_blank() -> None:
    drawn = list(blanks_and_scribbles(30))
    assert {label for _, label in drawn} == {""}
    for (one, _), (other, _) in zip(drawn, blanks_and_scribbles(5), strict=False):
        np.testing.assert_array_equal(one, other)


def test_disputed_labels_are_left_out(tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    undisputed = int(torch.nonzero(tiny_digits.labels == 4)[0])
    others = tuple(index for index in range(len(tiny_digits)) if index != undisputed)
    monkeypatch.setattr(documents, "disputed_labels", lambda _: others)
    assert [label for _, label in digit_documents(tiny_digits, 3)] == ["4"] * 3


def test_a_digit_in_pieces_is_left_out() -> None:
    split = torch.from_numpy(ring())
    split[12:16] = 0
    whole = torch.from_numpy(ring())
    digits = Digits(torch.stack([split, whole]), torch.tensor([0, 8]), "rings", "here")
    assert [label for _, label in digit_documents(digits, 3)] == ["8"] * 3
    bars = dataclasses.replace(digits, labels=torch.tensor([5, 8]))
    assert {label for _, label in digit_documents(bars, 2)} == {"5", "8"}


@pytest.mark.parametrize("make", [digit_documents, number_documents, grid_documents])
def test_without_ink_there_are_no_digits(make: object) -> None:
    assert callable(make)
    blank = Digits(torch.zeros(2, 28, 28, dtype=torch.uint8), torch.tensor([1, 2]), "blank", "here")
    with pytest.raises(DataError, match="blank: has no digits to write"):
        list(make(blank, 1))


def test_a_grid_needs_all_nine_digits() -> None:
    rings = Digits(torch.from_numpy(ring())[None], torch.tensor([0]), "rings", "here")
    with pytest.raises(DataError, match=r"rings: has no [1-9]; a grid needs 1 … 9"):
        list(grid_documents(rings, 1))


# Foreground


@pytest.mark.parametrize("tall", [20, 60, 250])
def test_a_digit_is_drawn_as_tall_as_asked(tall: int) -> None:
    for stroke in (0.06, 0.12, 0.18):
        ink = write(ring(), tall, stroke * tall, 0.0)
        assert ink.dtype == np.float32
        assert ink.min() >= 0
        assert ink.max() > 0.75  # less than a pixel across is not black
        assert abs(len(ink) - tall) <= 0.1 * tall + 2


def test_strokes_follow_the_pen_and_leave_the_hole_open() -> None:
    widths = []
    for stroke in (0.05, 0.1, 0.2):
        ink = write(ring(), 120, 120 * stroke, 0.0) > 0.5
        widths.append(stroke_width(ink))
        _, papers = ndimage.label(~np.pad(ink, 1))
        assert papers == 2  # around the ring and within
    assert widths == sorted(widths)
    assert widths[2] > 1.5 * widths[0]


def test_a_gap_stays_open_however_thick_the_pen() -> None:
    open_ring = ring()
    open_ring[11:16, 18:] = 0  # as between the bar and the bowl of a 5
    for stroke in (4, 8, 16):
        _, papers = ndimage.label(~np.pad(write(open_ring, 80, stroke, 0.0) > 0.5, 1))
        assert papers == 1


def test_stroke_width_of_a_bar() -> None:
    bar = np.zeros((40, 220), bool)
    bar[10:16, 10:210] = True
    # 1200 pixels of area; an outline of 2 · 200 + 2 · 4 pixels.
    assert stroke_width(bar) == pytest.approx(2 * 1200 / 408)
    assert stroke_width(np.zeros((3, 3), bool)) == 0


def test_slant_leans_to_the_right_at_the_top() -> None:
    stroke = np.zeros((28, 28), np.uint8)
    stroke[4:24, 13:15] = 255
    ink = write(stroke, 100, 8, 0.25)
    top, bottom = (float(row @ np.arange(len(row)) / row.sum()) for row in (ink[10], ink[-10]))
    assert top - bottom == pytest.approx(0.25 * (len(ink) - 20), rel=0.1)


def test_specks_are_wiped_away() -> None:
    speck = ring()
    speck[2:4, 25:27] = 255
    ink = write(speck, 80, 8, 0.0)
    assert ndimage.label(ink > 0.1)[1] == 1


@pytest.mark.parametrize("close", [False, True])
def test_ink_on_a_line_never_meets(close: bool) -> None:  # noqa: FBT001
    random = np.random.default_rng(0)
    glyphs = [write(ring(), 50, 6, slant) for slant in (0.3, -0.3, 0.0, 0.3, 0.3)]
    line = set_line(glyphs, 5.0, 2.0, random, close=close)
    assert line.max() <= 1
    assert line.sum() == pytest.approx(sum(float(glyph.sum()) for glyph in glyphs))
    places, count = ndimage.label(line > 0)
    assert count == len(glyphs)
    lefts = [int(columns.start) for _, columns in ndimage.find_objects(places)]
    order = np.argsort(lefts) + 1
    for one, other in itertools.pairwise(order.tolist()):
        away = ndimage.distance_transform_edt(places != one)[places == other].min()
        assert away >= 4
        assert away <= (10 if close else 30)


# Camera


def test_all_ink_is_in_the_picture() -> None:
    sheet = Sheet(np.ones((60, 40), np.float32), pitch=6.0)
    for seed in range(40):
        random = np.random.default_rng(seed)
        look = dataclasses.replace(PLAIN, tilt=(*random.uniform(-TILT, TILT, 2), 10.0))
        picture, ink = photograph(sheet, look, (90, 80), random)
        assert picture.shape == (90, 80, 3)
        assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()
        assert ink.sum() == pytest.approx(60 * 40, rel=0.06)


def test_a_page_that_is_too_large_is_shrunk() -> None:
    sheet = Sheet(np.ones((300, 100), np.float32), pitch=6.0, edge=5.0)
    _, ink = photograph(sheet, PLAIN, (110, 200), np.random.default_rng(0))
    rows = np.flatnonzero(ink.any(axis=1))
    assert np.ptp(rows) + 1 == pytest.approx(100, abs=2)


def test_turning_goes_clockwise_by_the_angle() -> None:
    bar = np.zeros((200, 200), np.float32)
    bar[98:102, 10:190] = 1
    look = dataclasses.replace(PLAIN, tilt=(0.0, 0.0, 10.0))
    _, ink = photograph(Sheet(bar, 10.0), look, (300, 300), np.random.default_rng(0))
    y, x = np.nonzero(ink > 0.5)
    assert math.degrees(math.atan(np.polyfit(x, y, 1)[0])) == pytest.approx(10, abs=0.3)


def test_plain_light_gives_the_colours_of_paper_and_ink() -> None:
    ink = np.zeros((40, 40), np.float32)
    ink[10:30, 10:30] = 1
    look = dataclasses.replace(PLAIN, paper=(240, 200, 160), ink=(10, 20, 30), strength=0.5)
    picture, _ = photograph(Sheet(ink, 6.0, edge=0), look, (80, 80), np.random.default_rng(1))
    colours = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    assert {(240, 200, 160), (125, 110, 95)} <= colours


def test_squares_are_five_millimetres() -> None:
    look = dataclasses.replace(PLAIN, lines="squared", line=(0.0, 0.0, 0.0), line_strength=1.0)
    sheet = Sheet(np.zeros((200, 200), np.float32), pitch=8.0, edge=0.0)
    picture, _ = photograph(sheet, look, (200, 200), np.random.default_rng(0))
    for profile in (luma(picture).mean(axis=0), luma(picture).mean(axis=1)):
        dark = profile < profile.mean()
        starts = np.flatnonzero(np.diff(dark.astype(int)) == 1)
        assert len(starts) >= 4
        np.testing.assert_allclose(np.diff(starts), 40, atol=1)


def test_contrast_is_the_difference_of_ink_and_paper() -> None:
    ink = np.zeros((40, 40), np.float32)
    ink[15:25, 15:25] = 1
    picture = np.full((40, 40), 200, np.uint8)
    picture[15:25, 15:25] = 120
    assert contrast(picture, ink) == pytest.approx(80)
    assert contrast(255 - picture, ink) == pytest.approx(80)
    assert contrast(picture, np.zeros_like(ink)) == 0


def test_looks_stay_within_their_bounds() -> None:
    random = np.random.default_rng(0)
    looks = [draw_look(random) for _ in range(400)]
    for look in looks:
        assert max(map(abs, look.tilt[:2])) <= TILT
        assert abs(look.tilt[2]) <= 10
        assert look.quality is None or 40 <= look.quality <= 95
        assert all(0 <= channel <= 255 for channel in (*look.paper, *look.ink, *look.line))
    on_dark = sum(sum(look.ink) > sum(look.paper) for look in looks) / len(looks)
    assert 0.06 < on_dark < 0.2
    assert {look.lines for look in looks} == {"none", "ruled", "squared", "margin"}


# Legibility


def seen(picture: Pixels, ink: Field) -> float:
    """Spell out how many grey levels the heart of the strokes is away from the paper near it."""
    grey = luma(picture)
    heart = ink > 0.9 * ink.max()
    near = ndimage.distance_transform_edt(~heart) < 8
    return abs(float(np.median(grey[heart]) - np.median(grey[near & (ink == 0)])))


def test_digits_stand_out(tiny_digits: Digits) -> None:
    images = tiny_digits.images.numpy()
    cells = [images[0], None, images[1], *[None] * 78]
    composers: list[Callable[[Random], Composed]] = [functools.partial(compose_grid, cells)]
    for index in range(12):
        composers.append(functools.partial(compose_digit, images[index]))
        composers.append(functools.partial(compose_number, list(images[index : index + 3])))
    for index, compose in enumerate(composers):
        tries: list[Composed] = []

        def record(
            random: Random,
            compose: Callable[[Random], Composed] = compose,
            tries: list[Composed] = tries,
        ) -> Composed:
            tries.append(compose(random))
            return tries[-1]

        picture = legible(record, "trial", index)
        assert picture is tries[-1][0]
        assert seen(*tries[-1]) > 20


@pytest.mark.parametrize("doodle", dict.fromkeys(DOODLES), ids=lambda doodle: doodle.__name__)
def test_doodles_are_within_the_picture(doodle: Doodle) -> None:
    for seed in range(4):
        picture, ink = compose_doodle(doodle, np.random.default_rng(seed))
        assert picture.shape[:2] == ink.shape
        assert ink.max() > 0.5
        assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()


def test_what_cannot_be_seen_is_not_tried_for_ever() -> None:
    paper = np.full((60, 60), 200, np.uint8)
    with pytest.raises(DataError, match="digit 3: no ink to be seen"):
        legible(lambda _: (paper, np.zeros((60, 60), np.float32)), "digit", 3)
