"""Clutter keeps clear of characters and has no labels; crossing out covers them."""

from collections.abc import Callable

import numpy as np
import pytest

from tenfold.data.digits import Digits
from tenfold.rendering import clutter
from tenfold.rendering.glyphs import Glyph, GlyphSource
from tenfold.rendering.scene import Scene
from tenfold.rendering.writing import sample_hand

BOX = (80.0, 20.0, 112.0, 44.0)


def with_a_digit(seed: int) -> Scene:
    scene = Scene((64, 192), (1.0, 0.0), np.random.default_rng(seed), max_labels=16)
    scene.place(Glyph("8", np.full((24, 32), 0.5, np.float32)), (0.0, 0.0), 1.0)
    assert scene.occupied == [BOX]
    return scene


def print_words(scene: Scene, _: GlyphSource) -> None:
    clutter.print_words(scene, scene.random)


def stamp(scene: Scene, _: GlyphSource) -> None:
    clutter.stamp(scene, scene.random)


def doodle(scene: Scene, _: GlyphSource) -> None:
    clutter.doodle(scene, scene.random)


def specks(scene: Scene, _: GlyphSource) -> None:
    clutter.specks(scene, scene.random)


def letters(scene: Scene, source: GlyphSource) -> None:
    hand = sample_hand(30, (1.0, 0.0), scene.random)
    clutter.write_letters(scene, source, hand, scene.random)


def neighbouring_line(scene: Scene, source: GlyphSource) -> None:
    hand = sample_hand(30, (1.0, 0.0), scene.random)
    clutter.neighbouring_line(scene, source, hand, scene.random)


@pytest.mark.parametrize("add", [print_words, stamp, doodle, specks, letters, neighbouring_line])
def test_clutter_keeps_clear_of_characters(
    add: Callable[[Scene, GlyphSource], None], tiny_digits: Digits
) -> None:
    source, drawn = GlyphSource(tiny_digits), 0
    for seed in range(20):
        scene = with_a_digit(seed)
        before = scene.absorption()
        add(scene, source)
        after = scene.absorption()
        changed = before != after
        assert not changed[20:44, 80:112].any()
        assert len(scene.labels) == 1
        drawn += changed.any()
    assert drawn >= 10


def test_a_neighbouring_line_shows_less_than_half_of_its_digits(tiny_digits: Digits) -> None:
    source = GlyphSource(tiny_digits)
    for seed in range(10):
        scene = Scene((64, 192), (1.0, 0.0), np.random.default_rng(seed), max_labels=16)
        hand = sample_hand(30, (1.0, 0.0), scene.random)
        clutter.neighbouring_line(scene, source, hand, scene.random)
        assert not scene.ink[20:44].any()


def test_crossing_out_covers_the_box() -> None:
    for seed in range(20):
        scene = with_a_digit(seed)
        clutter.cross_out(scene, (-16.0, -12.0, 16.0, 12.0), 24, 1.0)
        struck = scene.printed[22:42, 82:110] > 127
        assert struck.mean() > 0.1
        # In every quarter of the box there is a stroke.
        for rows in (slice(0, 10), slice(10, 20)):
            for columns in (slice(0, 14), slice(14, 28)):
                assert struck[rows, columns].any()


def test_print_of_the_other_side_is_fainter_than_the_faintest_pen_and_has_no_label() -> None:
    for seed in range(20):
        scene = Scene((64, 192), (1.0, 0.0), np.random.default_rng(seed), max_labels=16)
        scene.faintest = 0.6
        clutter.show_through(scene, scene.random)
        assert not scene.labels
        assert scene.ink.max() <= 0.3 * 0.6
    assert scene.ink.any()
