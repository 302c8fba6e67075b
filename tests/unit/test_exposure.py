"""Exposures: what is drawn dark becomes dark, or light on a negative."""

import dataclasses

import numpy as np
import pytest

from tenfold.rendering.exposure import Exposure, add_border, expose, sample_exposure
from tenfold.rendering.glyphs import Glyph
from tenfold.rendering.scene import Scene


def with_a_block(darkness: float = 1.0) -> Scene:
    scene = Scene((64, 192), (1.0, 0.0), np.random.default_rng(0), max_labels=16)
    scene.place(Glyph("8", np.ones((24, 32), np.float32)), (0.0, 0.0), darkness)
    return scene


def exposed(scene: Scene, exposure: Exposure) -> np.ndarray:
    return expose(scene, exposure, np.random.default_rng(1)).astype(float)


INK, PAPER = (slice(22, 42), slice(82, 110)), (slice(0, 64), slice(0, 60))


def test_levels_without_a_camera() -> None:
    pixels = exposed(with_a_block(0.5), Exposure(paper=240, black=40))
    assert set(np.unique(pixels)) == {140, 240}
    assert (pixels[INK] == 140).all()


def test_a_negative_is_light_on_dark() -> None:
    pixels = exposed(with_a_block(), Exposure(paper=240, black=40, negative=True))
    assert (pixels[INK] == 215).all()
    assert (pixels[PAPER] == 15).all()


@pytest.mark.parametrize("noise_px", [0.0, 0.8, 1.2])
def test_noise_has_the_deviation_asked_for(noise_px: float) -> None:
    pixels = exposed(with_a_block(), Exposure(paper=128, black=40, noise=8, noise_px=noise_px))
    assert pixels[PAPER].std() == pytest.approx(8, rel=0.2)


def test_coarse_pixels_are_flat_or_smooth() -> None:
    fine = exposed(with_a_block(), Exposure(paper=240, black=40, noise=20))
    coarse = exposed(with_a_block(), Exposure(paper=240, black=40, coarse=4.0, blur_px=1))
    assert np.abs(np.diff(coarse[PAPER])).mean() < np.abs(np.diff(fine[PAPER])).mean() / 4


def test_the_desk_is_not_paper() -> None:
    scene = with_a_block()
    scene.desk = np.full((64, 192), np.float32(-1))
    scene.desk[:, :60] = 30
    pixels = exposed(scene, Exposure(paper=240, black=40))
    assert (pixels[PAPER] == 30).all()
    assert (pixels[:, 120:] == 240).all()


def test_the_faintest_pen_keeps_its_contrast() -> None:
    """In the darkest shadow 20 levels are left, before blur, noise and coarse pixels."""
    for seed in range(200):
        random = np.random.default_rng(seed)
        scene = with_a_block(random.uniform(0.3, 1))
        exposure = dataclasses.replace(
            sample_exposure(scene, 24, random),
            texture=0.0, grain=0.0, glare=0.0, noise=0.0, coarse=1.0, jpeg_quality=None,
            shadow=False, blur_px=0.0,
        )  # fmt: skip
        assert scene.faintest * (exposure.paper - exposure.black) * exposure.darkest >= 19.9
        assert exposure.black >= 0


def test_a_border_spares_the_characters() -> None:
    changed, levels = [], set()
    for seed in range(60):
        pixels = np.full((64, 192), 150, np.uint8)
        pixels[20:44, 80:112] = 60
        before = pixels.copy()
        add_border(pixels, [(8, 96.0, 32.0, 32.0, 24.0, False)], np.random.default_rng(seed))
        np.testing.assert_array_equal(pixels[20:44, 80:112], before[20:44, 80:112])
        changed.append((pixels != before).mean())
        levels |= set(np.unique(pixels).tolist())
    assert levels == {0, 60, 150, 255}
    assert max(changed) > 0.5


def test_a_border_around_nothing() -> None:
    pixels = np.full((64, 192), 150, np.uint8)
    add_border(pixels, [], np.random.default_rng(0))
    assert set(np.unique(pixels)) <= {0, 150, 255}
