"""Deskewing against SciPy's moments and sampling in float64."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from tenfold.data.deskew import deskewed
from tenfold.data.digits import Digits

Image = npt.NDArray[np.float64]


def slope(image: Image) -> float:
    """Return Σ p·(x - x̄)(y - ȳ) / Σ p·(y - ȳ)²."""
    rows, columns = np.indices(image.shape)
    y, x = ndimage.center_of_mass(image)
    return float((image * (rows - y) * (columns - x)).sum() / (image * (rows - y) ** 2).sum())


def test_agrees_with_scipy(tiny_digits: Digits) -> None:
    images = tiny_digits.images.numpy() / 255
    found = deskewed(images.astype(np.float32))
    for image, moved in zip(images, found, strict=True):
        k, (y, _) = slope(image), ndimage.center_of_mass(image)
        matrix = np.array([[1, 0], [k, 1]])  # of rows, then columns
        # A black frame: SciPy's constant mode blends nothing outside the outermost pixels.
        expected = ndimage.affine_transform(np.pad(image, 2), matrix, (0, -k * (y + 2)), order=1)
        np.testing.assert_allclose(moved, expected[2:-2, 2:-2], atol=1e-5)


def test_no_slant_is_left_and_the_centre_of_mass_stays(tiny_digits: Digits) -> None:
    images = tiny_digits.images.numpy() / 255
    images[:, :, :8] = images[:, :, 20:] = 0  # nothing is moved out of the frame
    for image, moved in zip(images, deskewed(images.astype(np.float32)), strict=True):
        assert abs(slope(moved.astype(np.float64))) < 1e-4
        np.testing.assert_allclose(
            ndimage.center_of_mass(moved), ndimage.center_of_mass(image), atol=1e-4
        )


@pytest.mark.parametrize("value", [0, 1])
def test_where_there_is_nothing_to_go_by_nothing_moves(value: float) -> None:
    images = np.zeros((3, 28, 28), np.float32)
    images[1, 20] = images[2, :, 3] = value  # a row, a column
    np.testing.assert_allclose(deskewed(images), images, atol=1e-5)


def test_a_slant_is_taken_off_up_to_45_degrees() -> None:
    images = np.zeros((1, 28, 28), np.float32)
    for row in range(12, 16):
        images[0, row, 14 + 3 * (row - 14)] = 1  # three columns a row: more than is taken off
    assert slope(deskewed(images)[0].astype(np.float64)) == pytest.approx(2, abs=1e-4)


@given(arrays(np.uint8, (2, 28, 28)), st.sampled_from([1 / 255, 1, 7]))
def test_whatever_the_image_levels_stay_in_range(
    levels: npt.NDArray[np.uint8], unit: float
) -> None:
    found = deskewed(levels.astype(np.float32) * np.float32(unit))
    assert found.shape == levels.shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 255 * unit * (1 + 1e-6)
