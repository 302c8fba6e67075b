"""Augmentation against SciPy's affine_transform in float64."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import ndimage

from tenfold.data.augment import Augmentation, augment, draw_inverses, warp

EVERYTHING = Augmentation(rotation=15, scale=0.2, shear=10, translation=3)


def some_images(n: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=generator)


def test_identity_is_a_division_and_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    images = some_images()
    assert not Augmentation().active
    assert torch.equal(augment(images, Augmentation(), generator), images / 255)
    assert torch.equal(generator.get_state(), state)


def test_agrees_with_scipy() -> None:
    images = some_images()
    inverses = draw_inverses(len(images), EVERYTHING, torch.Generator().manual_seed(2))
    warped = warp(images, inverses).numpy()
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])  # SciPy counts rows first, tenfold x first
    for image, inverse, actual in zip(
        images.numpy(), inverses.double().numpy(), warped, strict=True
    ):
        matrix = swap @ inverse[:, :2] @ swap
        centre = np.array([13.5, 13.5])
        offset = centre - matrix @ centre + swap @ inverse[:, 2]
        # A black frame, since SciPy's constant mode blends nothing outside the outermost pixels.
        padded = np.pad(image / 255.0, 2)
        shift = np.array([2.0, 2.0])
        expected = ndimage.affine_transform(
            padded, matrix, offset=offset - matrix @ shift + shift, order=1, mode="constant"
        )[2:-2, 2:-2]
        np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_drawn_maps_invert_scale_rotation_shear_and_shift() -> None:
    inverses = draw_inverses(64, EVERYTHING, torch.Generator().manual_seed(3)).double().numpy()
    draws = torch.rand(64, 5, generator=torch.Generator().manual_seed(3)).double().numpy() * 2 - 1
    for inverse, (u_angle, u_scale, u_shear, u_x, u_y) in zip(inverses, draws, strict=True):
        theta, phi = np.radians(15 * u_angle), np.radians(10 * u_shear)
        rotation = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        forward = (1 + 0.2 * u_scale) * rotation @ np.array([[1, np.tan(phi)], [0, 1]])
        translation = 3 * np.array([u_x, u_y])
        expected = np.linalg.inv(forward)
        np.testing.assert_allclose(inverse[:, :2], expected, atol=1e-5)
        np.testing.assert_allclose(inverse[:, 2], -expected @ translation, atol=1e-4)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -2), (-4, 5)])
def test_translation_by_whole_pixels_is_a_shift(right: int, down: int) -> None:
    images = some_images()
    inverse = torch.tensor([[1.0, 0.0, -right], [0.0, 1.0, -down]]).repeat(len(images), 1, 1)
    padded = torch.nn.functional.pad(images / 255, (8, 8, 8, 8))
    expected = padded[:, 8 - down : 36 - down, 8 - right : 36 - right]
    torch.testing.assert_close(warp(images, inverse), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("field", ["rotation", "scale", "shear", "translation"])
def test_each_field_moves_images_alone_and_by_seed(field: str) -> None:
    images = some_images()
    config = Augmentation.model_validate({field: 0.5})
    assert config.active
    first, again, other = (
        augment(images, config, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)
    assert not torch.allclose(first, images / 255, atol=1e-3)


def test_result_is_float32_in_the_unit_interval() -> None:
    moved = augment(some_images(), EVERYTHING, torch.Generator().manual_seed(1))
    assert moved.shape == (16, 28, 28)
    assert moved.dtype == torch.float32
    assert 0 <= moved.min() < moved.max() <= 1 + 1e-6


def test_an_empty_batch_stays_empty() -> None:
    nothing = torch.zeros(0, 28, 28, dtype=torch.uint8)
    assert augment(nothing, EVERYTHING, torch.Generator()).shape == (0, 28, 28)


@pytest.mark.parametrize(
    "wrong", [{"rotation": -1}, {"scale": 1.0}, {"shear": 90}, {"translation": 29}, {"flip": True}]
)
def test_impossible_values_and_unknown_keys_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Augmentation.model_validate(wrong)
