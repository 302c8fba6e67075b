"""Printed text: digits of one height, cropped to the ink, in every typeface."""

import numpy as np
import pytest

from tenfold.rendering.typefaces import TYPEFACES, WORDS, Typeface, printed_text, sample_typeface


@pytest.mark.parametrize("typeface", TYPEFACES, ids=str)
def test_digits_are_48_pixels_high_and_all_different(typeface: Typeface) -> None:
    drawn = [printed_text(digit, typeface) for digit in "0123456789"]
    assert all(40 <= len(digit) <= 68 for digit in drawn)
    assert len({digit.tobytes() for digit in drawn}) == 10
    for digit in drawn:
        assert digit.dtype == np.float32
        assert digit.max() <= 1
        edges = (digit[0], digit[-1], digit[:, 0], digit[:, -1])
        assert all(edge.any() for edge in edges)


def test_words_have_ink_and_no_digit() -> None:
    for word in WORDS:
        assert not any(character.isdigit() for character in word)
        assert printed_text(word, TYPEFACES[0]).max() > 0.9


def test_every_typeface_is_drawn() -> None:
    random = np.random.default_rng(0)
    assert {sample_typeface(random) for _ in range(600)} == set(TYPEFACES)


def test_a_one_of_helvetica_has_no_base() -> None:
    """Its lowest row is as wide as its stem; that of Times has serifs."""
    base = {
        font: np.ptp(np.flatnonzero(printed_text("1", font)[-1]))
        for font in ("Helvetica", "Times-Roman")
    }
    assert base["Helvetica"] < 0.2 * 48 < base["Times-Roman"]
