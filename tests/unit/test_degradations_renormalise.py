"""Box, centre and proportions of degraded digits, against NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from shapes import boxes_by_hand, rectangles, seeded, some_digits
from torch import Tensor

from tenfold.augmentation.degradations import Degradations, renormalise

# Nothing is enlarged more than one and a half times: bilinear edges are wider then.
BOXES = (
    *((4, 4, 24, 24), (8, 10, 22, 14), (2, 3, 22, 7), (20, 1, 27, 27), (0, 0, 14, 14)),
    *((12, 2, 15, 26), (1, 18, 27, 28), (0, 0, 28, 28), (5, 9, 12, 25)),
)


def centres(x: Tensor) -> np.ndarray:
    """Find the centres of mass: float64[n, 2], rows and columns."""
    return np.array([ndimage.center_of_mass(image) for image in x.double().numpy()])


def test_without_errors_box_and_centre_of_mass_are_mnist_s() -> None:
    x = torch.cat([rectangles(*BOXES), some_digits(200)])
    y = renormalise(x, Degradations(), seeded())
    # Thin strokes are sampled here and there a bit off their middle.
    np.testing.assert_allclose(centres(y), 14.0, atol=0.25)
    assert np.abs(centres(y) - 14.0).mean() < 0.05
    top, left, bottom, right = boxes_by_hand(y).T
    longer = np.maximum(bottom - top, right - left) + 1
    np.testing.assert_allclose(longer[: len(BOXES)], 20, atol=1.5)
    np.testing.assert_allclose(longer, 20, atol=2)  # faint ends of thin strokes come and go
    assert (np.abs(longer - 20) <= 1.5).mean() > 0.97


def test_proportions_stay() -> None:
    y = renormalise(rectangles(*BOXES), Degradations(), seeded())
    for before, after in zip(BOXES, boxes_by_hand(y), strict=True):
        height, width = before[2] - before[0], before[3] - before[1]
        sides = np.array([after[2] - after[0], after[3] - after[1]]) + 1
        expected = np.array([height, width]) * 20 / max(height, width)
        np.testing.assert_allclose(sides, expected, atol=1.5)


def test_digits_of_the_right_size_are_only_moved_to_the_centre() -> None:
    x = rectangles((4, 9, 24, 19))  # its centre of mass is at 13.5 both ways, half a pixel off
    moved = sum(x.roll((down, right), (1, 2)) for down in (0, 1) for right in (0, 1))
    y = renormalise(x, Degradations(), seeded())
    torch.testing.assert_close(y, torch.as_tensor(moved) / 4, atol=1e-5, rtol=0)


@pytest.mark.parametrize("box", [(4, 12, 24, 16), (12, 4, 16, 24)])
def test_aspect_ratios_go_up_to_a_square(box: tuple[int, int, int, int]) -> None:
    x = rectangles(*[box] * 300)
    y = renormalise(x, Degradations(aspect_ratio=1), seeded())
    top, left, bottom, right = boxes_by_hand(y).T
    height, width = bottom - top + 1, right - left + 1
    longer, shorter = (height, width) if box == (4, 12, 24, 16) else (width, height)
    np.testing.assert_allclose(longer, 20, atol=1.5)
    assert 4 <= shorter.min() <= 5
    assert 19 <= shorter.max() <= 24  # an edge enlarged five times is soft
    np.testing.assert_allclose(centres(y), 14.0, atol=0.1)


def test_a_fraction_changes_its_aspect_ratio() -> None:
    x = rectangles(*[(4, 12, 24, 16)] * 1000)
    y = renormalise(x, Degradations(aspect_ratio=0.3), seeded())
    kept = renormalise(x, Degradations(), seeded())
    changed = (y - kept).abs().flatten(1).amax(1) > 1e-3
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.05)


def test_errors_of_position_and_size_are_uniform_and_bounded() -> None:
    x = rectangles(*[(8, 9, 20, 19)] * 1000)
    y = renormalise(x, Degradations(translation=3), seeded())
    away = centres(y) - 14.0
    assert np.abs(away).max() == pytest.approx(3, abs=0.1)
    assert away.std() == pytest.approx(3 / 3**0.5, rel=0.05)
    assert abs(np.mean(away[:, 0] * away[:, 1])) < 0.1 * away.var()
    y = renormalise(x, Degradations(scale=0.3), seeded())
    np.testing.assert_allclose(centres(y), 14.0, atol=0.1)
    ratio = np.sqrt(y.sum((1, 2)).double().numpy() / (20 * 20 * 10 / 12))
    assert ratio.max() == pytest.approx(1.3, abs=0.03)
    assert ratio.min() == pytest.approx(0.7, abs=0.03)
