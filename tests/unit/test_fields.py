"""Training crops: labels are exact, and a crop depends on its seed and index alone."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.digits import Digits
from tenfold.rendering.fields import FieldConfig, FieldRenderer
from tenfold.rendering.glyphs import Glyph
from tenfold.rendering.scene import Point, Scene

FIRST_CROPS = """
import hashlib
from tenfold.data.digits import synthetic_digits
from tenfold.rendering.fields import FieldRenderer
renderer = FieldRenderer(synthetic_digits(400, seed=0), seed=3)
for index in (5, 2, 9):
    field = renderer.render(index)
    print(hashlib.sha256(field.pixels.tobytes() + field.labels.tobytes()).hexdigest())
"""


def digest(renderer: FieldRenderer, index: int) -> str:
    field = renderer.render(index)
    return hashlib.sha256(field.pixels.tobytes() + field.labels.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def renderer(tiny_digits: Digits) -> FieldRenderer:
    return FieldRenderer(tiny_digits, seed=3)


def test_crops_have_the_promised_form(renderer: FieldRenderer) -> None:
    seen = set()
    for index in range(200):
        field = renderer.render(index)
        assert field.pixels.dtype == np.uint8
        assert field.pixels.shape == (64, 192)
        assert field.labels.dtype == np.float32
        assert field.labels.shape[1] == 6
        assert len(field.labels) <= 16
        kind, x, y, w, h, printed = field.labels.T
        assert set(kind) <= set(range(len(DETECTED_CLASSES)))
        seen |= set(kind.astype(int).tolist())
        assert set(printed) <= {0, 1}
        assert (w > 0).all()
        assert (h > 0).all()
        assert (x - w / 2 >= 0).all()
        assert (y - h / 2 >= 0).all()
        assert (x + w / 2 <= 192).all()
        assert (y + h / 2 <= 64).all()
    assert seen == set(range(len(DETECTED_CLASSES)))


def test_crops_depend_on_seed_and_index_alone(renderer: FieldRenderer, tiny_digits: Digits) -> None:
    other = FieldRenderer(tiny_digits, seed=3)
    forwards = [digest(renderer, index) for index in range(12)]
    backwards = [digest(other, index) for index in reversed(range(12))]
    assert forwards == backwards[::-1]
    assert digest(FieldRenderer(tiny_digits, seed=4), 0) != forwards[0]
    assert len(set(forwards)) == 12


@pytest.mark.processes
def test_another_process_renders_the_same(renderer: FieldRenderer) -> None:
    found = subprocess.run(
        [sys.executable, "-c", FIRST_CROPS], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == [digest(renderer, index) for index in (5, 2, 9)]


def test_each_label_is_the_extent_of_its_character_drawn_alone(
    renderer: FieldRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[Scene, Glyph, Point]] = []
    place = Scene.place

    def record(
        self: Scene, glyph: Glyph, centre: Point, darkness: float, *, labelled: bool = True
    ) -> bool:
        before = len(self.labels)
        done = place(self, glyph, centre, darkness, labelled=labelled)
        if len(self.labels) > before:
            drawn.append((self, glyph, centre))
        return done

    monkeypatch.setattr(Scene, "place", record)
    for index in range(60):
        drawn.clear()
        field = renderer.render(index)
        assert len(field.labels) == len(drawn)
        for label, (scene, glyph, centre) in zip(field.labels, drawn, strict=True):
            alone = Scene(scene.shape, scene.tilt, scene.random, 1)
            alone.bend, alone.keystone = scene.bend, scene.keystone
            place(alone, glyph, centre, 1.0)
            rows, columns = np.nonzero(alone.ink >= 0.3)
            extent = (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1)
            _, x, y, w, h, printed = label
            assert printed == glyph.printed
            assert (x - w / 2, x + w / 2, y - h / 2, y + h / 2) == extent


def test_labelled_digits_can_be_seen(tiny_digits: Digits) -> None:
    """The darkest pixels of a box differ from its lightest by more than the noise."""
    renderer = FieldRenderer(tiny_digits, seed=5)
    contrasts = []
    for index in range(100):
        field = renderer.render(index)
        for _, x, y, w, h, _ in field.labels:
            box = field.pixels[
                max(0, int(y - h / 2) - 1) : int(y + h / 2) + 1,
                max(0, int(x - w / 2) - 1) : int(x + w / 2) + 1,
            ]
            contrasts.append(float(np.ptp(box)))
    assert min(contrasts) >= 10
    assert np.quantile(contrasts, 0.02) >= 20


def test_some_crops_have_no_digit_and_some_one(renderer: FieldRenderer) -> None:
    counts = [len(renderer.render(index).labels) for index in range(120)]
    assert 0.03 < np.mean(np.equal(counts, 0)) < 0.27
    assert 0.1 < np.mean(np.equal(counts, 1)) < 0.35
    assert max(counts) >= 10


def test_other_sizes(tiny_digits: Digits) -> None:
    config = FieldConfig(height=96, width=512, digit_height_px=(20, 30), max_labels=40)
    field = FieldRenderer(tiny_digits, 0, config).render(1)
    assert field.pixels.shape == (96, 512)
