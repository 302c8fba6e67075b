"""Numbers as text and as lines of characters."""

import collections
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.data.digits import Digits
from tenfold.rendering.glyphs import Glyph, GlyphSource
from tenfold.rendering.writing import (
    Spacing,
    centres,
    draw_text,
    line_width,
    sample_digits,
    sample_hand,
    sample_number,
    sample_spacing,
)

NUMBER = re.compile(r"-?\d+([.,]\d+)?|\d+([-./:]\d+){1,2}")


@given(seed=st.integers(0, 99_999), longest=st.integers(1, 16))
def test_numbers_are_written_as_people_write_them(seed: int, longest: int) -> None:
    text = sample_number(longest, np.random.default_rng(seed))
    assert NUMBER.fullmatch(text)


def test_every_digit_and_mark_is_common() -> None:
    random = np.random.default_rng(0)
    counts = collections.Counter("".join(sample_number(8, random) for _ in range(2_000)))
    assert set(counts) == set("0123456789.,-/:")
    assert min(counts.values()) >= 20
    digits = collections.Counter("".join(sample_digits(10, random) for _ in range(500)))
    assert max(digits.values()) < 2 * min(digits.values())


def blocks(text: str, width: int) -> list[Glyph]:
    return [Glyph(character, np.ones((22, width + 2), np.float32)) for character in text]


@pytest.mark.parametrize("gap", [8.0, 0.0, -6.0])
def test_gaps_are_those_asked_for(gap: float) -> None:
    random = np.random.default_rng(0)
    hand = sample_hand(20, (1.0, 0.0), random)
    arranged = centres(blocks("4711", 12), hand, Spacing(gap, 0.0), random)
    steps = np.diff([x for x, _ in arranged])
    np.testing.assert_allclose(steps, 12 + gap)
    assert line_width(blocks("4711", 12), arranged) == pytest.approx(48 + 3 * gap, abs=2)


def test_neighbours_never_hide_each_other() -> None:
    random = np.random.default_rng(0)
    hand = sample_hand(20, (1.0, 0.0), random)
    arranged = centres(blocks("1111", 4), hand, Spacing(-50.0, 0.0), random)
    assert min(np.diff([x for x, _ in arranged])) >= 0.2 * 4 - 1e-9


def test_marks_keep_clear_of_digits() -> None:
    random = np.random.default_rng(0)
    hand = sample_hand(20, (1.0, 0.0), random)
    arranged = centres(blocks("8-8", 12), hand, Spacing(-6.0, 0.0), random)
    assert min(np.diff([x for x, _ in arranged])) > 12


def test_points_stand_at_the_foot_of_the_line(tiny_digits: Digits) -> None:
    random = np.random.default_rng(0)
    source = GlyphSource(tiny_digits)
    for _ in range(20):
        hand = sample_hand(30, (1.0, 0.0), random)
        glyphs = draw_text("8.8-8", hand, source, random)
        arranged = centres(glyphs, hand, Spacing(4.0, 0.0), random)
        point, minus = arranged[1][1], arranged[3][1]
        assert 3 < point < 22
        assert -10 < minus < 10


def test_a_third_of_handwritten_numbers_touch_or_overlap() -> None:
    random = np.random.default_rng(0)
    gaps = []
    for _ in range(1_000):
        hand = sample_hand(28, (1.0, 0.0), random)
        if hand.form != "print":
            gaps.append(sample_spacing(hand, random).mean_px * 20 / 28)
    assert np.mean(np.array(gaps) <= 0) > 0.33
    assert min(gaps) < -5
    assert max(gaps) > 12
