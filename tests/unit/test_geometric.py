"""Augmentation against SciPy's affine_transform and B-splines in float64."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import interpolate, ndimage

from tenfold.augmentation.geometric import Augmentation, augment, spline_basis
from tenfold.data.affine import draw_inverses, warp

EVERYTHING = Augmentation(rotation=15, scale=0.2, shear=10, translation=3)
IDENTITY = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
INSIDE = slice(7, 21)  # pixels that no draw of these tests moves out of the image


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


def splines() -> np.ndarray:
    """Compute what control points add, by SciPy: float64[49, 784] of mean variance 1."""
    positions = np.arange(28)
    axis = []
    for centre in range(-7, 36, 7):
        element = interpolate.BSpline.basis_element(
            centre + np.arange(-14, 15, 7), extrapolate=False
        )
        axis.append(np.nan_to_num(element(positions)))
    basis: np.ndarray = np.kron(np.stack(axis), np.stack(axis))  # rows of controls, of pixels
    return basis / float(np.sqrt((basis**2).sum(axis=0).mean()))


def displacements(n: int, elastic: float, seed: int) -> np.ndarray:
    """Read the displacements of n draws off ramps that are warped: float64[n, 2, 14, 14]."""
    ramp = torch.arange(28, dtype=torch.uint8).expand(n, 28, 28) * 9
    config = Augmentation(elastic=elastic)
    read = [
        augment(image, config, torch.Generator().manual_seed(seed)).double().numpy() * 255 / 9
        for image in (ramp, ramp.transpose(1, 2))
    ]
    x, y = np.meshgrid(np.arange(28), np.arange(28))
    return np.stack([read[0] - x, read[1] - y], axis=1)[:, :, INSIDE, INSIDE]


def test_the_basis_is_scipy_s_cubic_b_spline() -> None:
    np.testing.assert_allclose(spline_basis(), splines(), atol=1e-6)


def test_equal_controls_shift_the_whole_image() -> None:
    # A partition of unity, up to the factor that makes the variance 1.
    height = float(splines().sum(axis=0).mean())
    np.testing.assert_allclose(splines().sum(axis=0), height, rtol=1e-12)
    images = some_images()
    right, down = 3, -2
    controls = torch.tensor([[-right / height], [-down / height]]).repeat(len(images), 49)
    shifted = warp(images, IDENTITY.repeat(len(images), 1, 1), (controls, spline_basis()))
    padded = torch.nn.functional.pad(images / 255, (8, 8, 8, 8))
    expected = padded[:, 8 - down : 36 - down, 8 - right : 36 - right]
    torch.testing.assert_close(shifted, expected, atol=2e-5, rtol=0)


def test_controls_of_one_axis_of_one_image_move_nothing_else() -> None:
    images = some_images(3)
    controls = torch.zeros(6, 49)
    controls[2] = torch.randn(49, generator=torch.Generator().manual_seed(4))  # x of the second
    moved = warp(images, IDENTITY.repeat(3, 1, 1), (controls, spline_basis()))
    torch.testing.assert_close(moved[[0, 2]], images[[0, 2]] / 255, atol=2e-5, rtol=0)
    field = (controls[2].double().numpy() @ splines()).reshape(28, 28)
    for row in range(28):
        padded = np.pad(images[1, row].double().numpy() / 255, 8)
        expected = np.interp(np.arange(28) + field[row] + 8, np.arange(44), padded)
        np.testing.assert_allclose(moved[1, row], expected, atol=2e-5)


def test_displacements_have_the_promised_deviation() -> None:
    drawn = displacements(4000, 0.5, seed=6)
    variance = (splines() ** 2).sum(axis=0).reshape(28, 28)
    assert variance.mean() == pytest.approx(1)
    expected = np.broadcast_to(0.5 * np.sqrt(variance[INSIDE, INSIDE]), (2, 14, 14))
    # The deviation of 4,000 draws is known to 1.1 %, and the largest of 392 is within four of that.
    np.testing.assert_allclose(drawn.std(axis=0), expected, rtol=0.05)
    assert abs(drawn.mean()) < 0.01
    across, down = drawn[:, 0].ravel(), drawn[:, 1].ravel()
    assert abs(np.corrcoef(across, down)[0, 1]) < 0.03


def test_displacements_are_smooth_and_fold_nothing() -> None:
    drawn = displacements(2000, 0.7, seed=7)
    for axis in (2, 3):
        steps = np.diff(drawn, axis=axis)
        assert 0.02 < steps.std() < 0.2 * drawn.std()  # neighbours move together
        assert np.diff(steps, axis=axis).std() < 0.35 * steps.std()
        assert np.abs(steps).max() < 0.9  # pixels a pixel apart stay in their order


def test_without_elastic_nothing_more_is_drawn_or_computed() -> None:
    images = some_images()
    generator, judge = torch.Generator().manual_seed(8), torch.Generator().manual_seed(8)
    moved = augment(images, EVERYTHING, generator)
    assert torch.equal(moved, warp(images, draw_inverses(len(images), EVERYTHING, judge)))
    assert torch.equal(generator.get_state(), judge.get_state())
    # With it, the affine maps are those of before: elastic draws come after.
    controls = torch.randn(2 * len(images), 49, generator=judge)
    inverses = draw_inverses(len(images), EVERYTHING, torch.Generator().manual_seed(8))
    elastic = EVERYTHING.model_copy(update={"elastic": 0.7})
    again = augment(images, elastic, torch.Generator().manual_seed(8))
    assert torch.equal(again, warp(images, inverses, (controls * 0.7, spline_basis())))


@pytest.mark.parametrize("config", [EVERYTHING, Augmentation(elastic=0.5)], ids=str)
def test_images_may_be_on_another_device(config: Augmentation) -> None:
    images = some_images().to("meta")  # a device without data, wherever tests run
    moved = augment(images, config, torch.Generator().manual_seed(1))
    assert moved.device == images.device
    assert moved.shape == images.shape


@pytest.mark.parametrize("field", ["rotation", "scale", "shear", "translation", "elastic"])
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


@pytest.mark.parametrize("elastic", [0, 2])
def test_result_is_float32_in_the_unit_interval(elastic: float) -> None:
    config = EVERYTHING.model_copy(update={"elastic": elastic})
    moved = augment(some_images(), config, torch.Generator().manual_seed(1))
    assert moved.shape == (16, 28, 28)
    assert moved.dtype == torch.float32
    assert 0 <= moved.min() < moved.max() <= 1 + 1e-6


def test_an_empty_batch_stays_empty() -> None:
    nothing = torch.zeros(0, 28, 28, dtype=torch.uint8)
    assert augment(nothing, EVERYTHING, torch.Generator()).shape == (0, 28, 28)
    elastic = Augmentation(elastic=1)
    assert augment(nothing, elastic, torch.Generator()).shape == (0, 28, 28)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotation": -1},
        {"scale": 1.0},
        {"shear": 90},
        {"translation": 29},
        {"elastic": 5.1},
        {"flip": True},
    ],
)
def test_impossible_values_and_unknown_keys_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Augmentation.model_validate(wrong)
