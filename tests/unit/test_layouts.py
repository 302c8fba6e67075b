"""Each layout writes what its name says."""

import numpy as np
import pytest

from tenfold.data.digits import Digits
from tenfold.rendering import layouts
from tenfold.rendering.glyphs import GlyphSource
from tenfold.rendering.layout import Layout
from tenfold.rendering.layouts import LAYOUTS
from tenfold.rendering.scene import Scene


@pytest.fixture(scope="module")
def source(tiny_digits: Digits) -> GlyphSource:
    return GlyphSource(tiny_digits)


def draw(name: str, source: GlyphSource, seed: int, height_px: float = 24.0) -> Scene:
    scene = Scene((64, 192), (1.0, 0.0), np.random.default_rng(seed), max_labels=16)
    getattr(layouts, name)(Layout(scene, source, height_px))
    return scene


def test_shares_add_up() -> None:
    assert sum(share for _, share in LAYOUTS) == pytest.approx(1)


@pytest.mark.parametrize("layout", [layout.__name__ for layout, _ in LAYOUTS])
def test_the_same_random_numbers_draw_the_same(layout: str, source: GlyphSource) -> None:
    one, other = draw(layout, source, 7), draw(layout, source, 7)
    np.testing.assert_array_equal(one.absorption(), other.absorption())
    assert one.labels == other.labels


@pytest.mark.parametrize("layout", ["nothing", "strokes_of_large_digits"])
def test_what_is_no_digit_has_no_labels(layout: str, source: GlyphSource) -> None:
    scenes = [draw(layout, source, seed) for seed in range(40)]
    assert not any(scene.labels for scene in scenes)
    assert sum(scene.absorption().any() for scene in scenes) >= 20


def test_a_single_digit_is_one(source: GlyphSource) -> None:
    for seed in range(30):
        scene = draw("single_digit", source, seed)
        assert len(scene.labels) == 1
        assert scene.labels[0][0] < 10


def test_a_number_stands_on_one_line(source: GlyphSource) -> None:
    counts = []
    for seed in range(40):
        scene = draw("free_number", source, seed)
        digits = [label for label in scene.labels if label[0] < 10]
        counts.append(len(digits))
        if digits:
            middles = [y for _, _, y, *_ in digits]
            assert np.ptp(middles) < 24
    assert max(counts) >= 8
    assert np.mean(np.equal(counts, 0)) < 0.2


def test_boxes_hold_a_digit_each_or_none(source: GlyphSource) -> None:
    filled = []
    for seed in range(40):
        scene = draw("comb_boxes", source, seed)
        middles = sorted(x for _, x, *_ in scene.labels)
        filled.append(len(middles))
        assert not middles or min(np.diff(middles), default=99) > 24 * 0.75 * 0.3
    assert max(filled) >= 5
    assert min(filled) == 0


def test_several_lines_have_labels_at_several_heights(source: GlyphSource) -> None:
    spread = [
        np.ptp([y for _, _, y, *_ in scene.labels])
        for seed in range(20)
        if (scene := draw("several_lines", source, seed, 18.0)).labels
    ]
    assert np.median(spread) > 18
