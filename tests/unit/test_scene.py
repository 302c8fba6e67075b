"""A scene labels exactly what is visible on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.digits import synthetic_digits
from tenfold.rendering.glyphs import Glyph, GlyphSource
from tenfold.rendering.scene import Ruler, Scene
from tenfold.rendering.writing import sample_hand

SOURCE = GlyphSource(synthetic_digits(50, seed=0))


def blank(shape: tuple[int, int] = (64, 192), tilt: tuple[float, float] = (1.0, 0.0)) -> Scene:
    return Scene(shape, tilt, np.random.default_rng(0), max_labels=16)


@given(
    character=st.sampled_from((*DETECTED_CLASSES, ",")),
    seed=st.integers(0, 999),
    height=st.floats(14, 46),
    x=st.floats(-110, 110),
    y=st.floats(-45, 45),
)
def test_a_label_is_the_extent_of_the_ink(
    character: str, seed: int, height: float, x: float, y: float
) -> None:
    random = np.random.default_rng(seed)
    scene = blank()
    hand = sample_hand(height, scene.tilt, random)
    glyph = SOURCE.draw(character, hand, random)
    scene.place(glyph, (x, y), darkness=1.0)
    rows, columns = np.nonzero(scene.ink >= 0.3)
    whole = np.zeros((400, 400), np.float32)
    whole[100 : 100 + glyph.coverage.shape[0], 100 : 100 + glyph.coverage.shape[1]] = glyph.coverage
    visible = scene.ink.sum() / whole.sum()
    assert len(scene.labels) == (visible >= 0.6 and len(rows) > 0)
    for kind, middle_x, middle_y, w, h, _ in scene.labels:
        assert DETECTED_CLASSES[kind] == character.replace(",", ".")
        left, right = columns.min(), columns.max() + 1
        top, bottom = rows.min(), rows.max() + 1
        assert (middle_x - w / 2, middle_x + w / 2) == (left, right)
        assert (middle_y - h / 2, middle_y + h / 2) == (top, bottom)


def test_no_more_labels_than_allowed_and_none_is_missing() -> None:
    scene = Scene((64, 192), (1.0, 0.0), np.random.default_rng(0), max_labels=2)
    square = Glyph("7", np.ones((10, 10), np.float32))
    placed = [scene.place(square, (x, 0.0), 1.0) for x in (-60.0, 0.0, 60.0)]
    assert placed == [True, True, False]
    assert len(scene.labels) == 2
    assert scene.ink.sum() == 200


def test_an_unlabelled_character_is_drawn_and_occupies_its_place() -> None:
    scene = blank()
    scene.place(Glyph("7", np.ones((10, 10), np.float32)), (0.0, 0.0), 1.0, labelled=False)
    assert scene.ink.sum() == 100
    assert scene.labels == []
    assert not scene.is_free((90.0, 30.0, 95.0, 35.0), 0)
    assert scene.is_free((120.0, 30.0, 125.0, 35.0), 3)


def test_positions_turn_with_the_page() -> None:
    scene = blank(tilt=(0.0, 1.0))
    assert scene.to_crop(0.0, 0.0) == (96, 32)
    assert scene.to_crop(10.0, 0.0) == (96, 42)
    assert scene.to_crop(0.0, 10.0) == (86, 32)


def test_a_rule_with_gaps_prints_the_rest() -> None:
    lengths = {}
    for missing in (0.0, 0.4):
        scene = Scene((64, 1000), (1.0, 0.0), np.random.default_rng(1), max_labels=16)
        ruler = Ruler(width_px=1, darkness=1.0, missing=missing)
        scene.rule((-500.0, 0.0), (500.0, 0.0), ruler)
        lengths[missing] = int((scene.printed > 127).any(axis=0).sum())
    assert lengths[0.0] >= 999
    assert 400 < lengths[0.4] < 800


@pytest.mark.parametrize("dash_px", [3.0, 8.0])
def test_a_dashed_rule_is_half_printed(dash_px: float) -> None:
    scene = Scene((64, 1000), (1.0, 0.0), np.random.default_rng(1), max_labels=16)
    scene.rule((-480.0, 0.5), (480.0, 0.5), Ruler(width_px=1, darkness=1.0, dash_px=dash_px))
    assert (scene.printed > 60).any(axis=0).mean() == pytest.approx(0.55, abs=0.15)


def test_a_bent_page_bends_its_rules() -> None:
    scene = blank()
    scene.bend = 8.0
    scene.rule((-90.0, 0.0), (90.0, 0.0), Ruler(width_px=1, darkness=1.0))
    rows = scene.printed.argmax(axis=0)
    assert rows[96] == pytest.approx(32, abs=1)
    assert rows[10] == rows[182] == pytest.approx(32 + 8 * 0.86**2, abs=1)


def test_with_a_keystone_parallels_converge() -> None:
    scene = blank()
    scene.keystone = (0.002, 0.0)
    (_, left_top), (_, left_bottom) = scene.to_crop(-90.0, -20.0), scene.to_crop(-90.0, 20.0)
    (_, right_top), (_, right_bottom) = scene.to_crop(90.0, -20.0), scene.to_crop(90.0, 20.0)
    assert right_bottom - right_top == pytest.approx(40 / 0.82)
    assert left_bottom - left_top == pytest.approx(40 / 1.18)


def test_a_tint_covers_its_rectangle() -> None:
    scene = blank()
    scene.shade((-20.0, -10.0, 20.0, 10.0), 0.2)
    assert (scene.printed[23:41, 77:115] == 51).all()
    assert not scene.printed[:20].any()
    assert not scene.printed[:, :74].any()
