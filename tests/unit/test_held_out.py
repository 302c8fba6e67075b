"""Held-out sets: the text is what was written, and pictures depend on name and index alone."""

import numpy as np
import pytest
import torch

from tenfold.data.digits import Digits
from tenfold.rendering.held_out import HELD_OUT, SIDE_BY_SIDE_GAPS, held_out_fields


@pytest.mark.parametrize("name", HELD_OUT)
def test_pictures_depend_on_name_and_index_alone(name: str, tiny_digits: Digits) -> None:
    few, more = (list(held_out_fields(name, tiny_digits, n)) for n in (2, 3))
    for (picture, text), (same, same_text) in zip(few, more, strict=False):
        np.testing.assert_array_equal(picture, same)
        assert text == same_text
        assert picture.dtype == np.uint8
        assert picture.ndim == 2


def test_numbers_have_four_digits(tiny_digits: Digits) -> None:
    for name in HELD_OUT:
        if name not in {"decimals", "empty-and-crossed"}:
            assert all(
                len(text) == 4 and text.isdecimal()
                for _, text in held_out_fields(name, tiny_digits, 5)
            )


def test_decimals_have_a_mark_and_a_point_for_a_comma(tiny_digits: Digits) -> None:
    texts = [text for _, text in held_out_fields("decimals", tiny_digits, 30)]
    assert all("." in text or text.startswith("-") for text in texts)
    assert not any("," in text for text in texts)
    assert any(text.startswith("-") and "." in text for text in texts)


def test_empty_boxes_have_no_text(tiny_digits: Digits) -> None:
    assert {text for _, text in held_out_fields("empty-and-crossed", tiny_digits, 5)} == {""}


@pytest.fixture(scope="module")
def bars() -> Digits:
    """Upright bars, of which the one of digit d is d + 6 pixels wide."""
    images = np.zeros((10, 28, 28), np.uint8)
    for digit in range(10):
        images[digit, 4:24, 6 : 12 + digit] = 255
    return Digits(torch.from_numpy(images), torch.arange(10), "bars", "here")


@pytest.mark.parametrize("gap", SIDE_BY_SIDE_GAPS)
def test_gaps_are_in_pixels_of_mnist(gap: int, bars: Digits) -> None:
    for picture, text in held_out_fields(f"side-by-side{gap:+d}", bars, 5):
        columns = np.flatnonzero((picture < 128).any(axis=0))
        written = sum(int(digit) + 6 for digit in text) + 3 * gap
        assert np.ptp(columns) + 1 == pytest.approx(2 * written, abs=1)


def test_images_side_by_side_are_those_of_the_text(bars: Digits) -> None:
    for picture, text in held_out_fields("side-by-side+6", bars, 10):
        dark = np.concatenate([[0], (picture < 128).any(axis=0).astype(int), [0]])
        edges = np.flatnonzero(np.diff(dark))
        widths = (edges[1::2] - edges[::2]) / 2
        assert "".join(str(round(width - 6)) for width in widths) == text


def test_a_border_is_one_level(tiny_digits: Digits) -> None:
    for picture, _ in held_out_fields("borders", tiny_digits, 8):
        frame = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert set(np.unique(frame)) in ({0}, {255})


def test_the_desk_is_darker_than_the_sheet(tiny_digits: Digits) -> None:
    for picture, _ in held_out_fields("dark-desk", tiny_digits, 8):
        corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]].astype(float)
        assert corners.max() < np.quantile(picture, 0.98) - 40
