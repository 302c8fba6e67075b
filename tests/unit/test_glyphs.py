"""Characters drawn at their final size: as high, as thick and as slanted as asked for."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.digits import Digits
from tenfold.rendering.glyph_raster import skeleton
from tenfold.rendering.glyphs import (
    DIGITS,
    LETTERS,
    TEMPLATES,
    Form,
    Glyph,
    GlyphSource,
    Hand,
)
from tenfold.rendering.typefaces import TYPEFACES

HAND = Hand(
    form="skeleton",
    height_px=40.0,
    stroke_px=4.0,
    darkness=1.0,
    linear=np.eye(2),
    unevenness=0.0,
    threshold=0.4,
    sharpness=2.0,
    typeface=TYPEFACES[0],
)


@pytest.fixture(scope="module")
def bar() -> GlyphSource:
    """A source whose only digit is an upright bar, 20 pixels high and 4 wide: a 1."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:16] = 255
    digits = Digits(torch.from_numpy(image)[None], torch.tensor([1]), "bar", "here")
    return GlyphSource(digits)


def extent(coverage: np.ndarray, level: float = 0.5) -> tuple[int, int]:
    rows, columns = np.nonzero(coverage >= level)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize("height_px", [14.0, 28.0, 46.0])
def test_a_scanned_digit_has_its_height(bar: GlyphSource, height_px: float) -> None:
    hand = dataclasses.replace(HAND, form="scanned", height_px=height_px, threshold=0.5)
    drawn = bar.draw("1", hand, np.random.default_rng(0)).coverage
    height, width = extent(drawn)
    assert height == pytest.approx(height_px, abs=2)
    assert width == pytest.approx(height_px / 5, abs=2)


@pytest.mark.parametrize("stroke_px", [1.5, 3.0, 6.0])
def test_a_skeleton_is_drawn_with_the_pen(bar: GlyphSource, stroke_px: float) -> None:
    hand = dataclasses.replace(HAND, stroke_px=stroke_px)
    drawn = bar.draw("1", hand, np.random.default_rng(0)).coverage
    middle = drawn[drawn.shape[0] // 2]
    assert middle.sum() == pytest.approx(stroke_px, abs=1)


def test_a_lower_threshold_is_bolder(bar: GlyphSource) -> None:
    widths = []
    for threshold in (0.6, 0.4, 0.2):
        hand = dataclasses.replace(HAND, form="scanned", threshold=threshold)
        drawn = bar.draw("1", hand, np.random.default_rng(0)).coverage
        widths.append(drawn[drawn.shape[0] // 2].sum())
    assert widths == sorted(widths)
    assert widths[2] > widths[0] + 1


def test_slant_moves_the_top_to_the_right(bar: GlyphSource) -> None:
    hand = dataclasses.replace(HAND, linear=np.array([[1.0, -0.5], [0.0, 1.0]]))
    drawn = bar.draw("1", hand, np.random.default_rng(0)).coverage
    columns = np.arange(drawn.shape[1])
    top, bottom = drawn[4] @ columns / drawn[4].sum(), drawn[-5] @ columns / drawn[-5].sum()
    assert top - bottom == pytest.approx(0.5 * (drawn.shape[0] - 9), abs=2)


@pytest.mark.parametrize("form", ["scanned", "skeleton"])
def test_dirt_in_an_image_is_no_part_of_its_digit(form: Form, bar: GlyphSource) -> None:
    dirty = bar.images[0].copy()
    dirty[22, 22] = 255
    image = torch.from_numpy(dirty)[None]
    source = GlyphSource(Digits(image, torch.tensor([1]), "dirty", "here"))
    hand = dataclasses.replace(HAND, form=form)
    drawn, clean = (one.draw("1", hand, np.random.default_rng(0)).coverage for one in (source, bar))
    assert extent(drawn) == extent(clean)


def test_a_skeleton_is_thin_and_in_one_piece(bar: GlyphSource) -> None:
    thin = skeleton(bar.images[0])
    assert thin.shape == (56, 56)
    assert thin.sum(axis=1).max() <= 2
    assert cv2.connectedComponents(thin.astype(np.uint8), connectivity=8)[0] == 2


@pytest.mark.parametrize("form", ["scanned", "skeleton", "template", "print"])
def test_every_character_can_be_drawn_in_every_form(form: Form, tiny_digits: Digits) -> None:
    source, random = GlyphSource(tiny_digits), np.random.default_rng(0)
    hand = dataclasses.replace(HAND, form=form)
    for character in (*DETECTED_CLASSES, ",", *LETTERS):
        glyph = source.draw(character, hand, random)
        assert glyph.character == character
        assert glyph.coverage.dtype == np.float32
        assert glyph.coverage.max() > 0.5
        assert glyph.coverage.max() <= 1
        if character in DIGITS:
            assert 25 < extent(glyph.coverage)[0] < 60


@pytest.mark.parametrize("form", ["template", "print"])
def test_of_images_only_every_digit_is_one_of_them(form: Form, bar: GlyphSource) -> None:
    digits = Digits(torch.from_numpy(bar.images), torch.from_numpy(bar.labels), "bar", "here")
    hand, skeleton_hand = (dataclasses.replace(HAND, form=f) for f in (form, "skeleton"))

    def drawn(source: GlyphSource, hand: Hand) -> Glyph:
        return source.draw("1", hand, np.random.default_rng(0))

    only, expected = drawn(GlyphSource(digits, only_images=True), hand), drawn(bar, skeleton_hand)
    np.testing.assert_array_equal(only.coverage, expected.coverage)
    assert not only.printed
    assert not np.array_equal(drawn(bar, hand).coverage, expected.coverage)


def test_a_faint_digit_is_as_dark_as_a_bold_one(tiny_digits: Digits) -> None:
    """A quarter of the brightness changes nothing: strokes are measured against themselves."""
    faint = dataclasses.replace(tiny_digits, images=tiny_digits.images // 4)
    hand = dataclasses.replace(HAND, form="scanned")
    for digit in DIGITS:
        bold = GlyphSource(tiny_digits).draw(digit, hand, np.random.default_rng(7)).coverage
        same = GlyphSource(faint).draw(digit, hand, np.random.default_rng(7)).coverage
        assert same.sum() == pytest.approx(bold.sum(), rel=0.1)


def test_hands_that_mnist_lacks_have_templates() -> None:
    assert all(len(TEMPLATES[digit]) >= 3 for digit in DIGITS)
    crossed = [template for template in TEMPLATES["7"] if len(template) > 1]
    assert len(crossed) >= 4
