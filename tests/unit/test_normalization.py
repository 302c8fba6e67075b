"""MNIST's form: matrices against block means and torch's bilinear, digits against their picture."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from tenfold.data import normalization as form
from tenfold.data.digits import synthetic_digits
from tenfold.data.normalization import (
    DIGIT_SIDE,
    Foreground,
    center_by_mass,
    foreground_box,
    normalize_digit,
    resize_matrix,
    widen_thin_strokes,
)

# Digits as polylines in a frame of 12 x 16.
DRAWN: dict[int, list[tuple[int, int]]] = {
    1: [(5, 2), (5, 14)],
    2: [(2, 4), (5, 2), (9, 4), (8, 8), (2, 14), (10, 14)],
    4: [(7, 14), (7, 2), (2, 10), (10, 10)],
    7: [(2, 2), (10, 2), (5, 14)],
    8: [(6, 8), (3, 5), (6, 2), (9, 5), (6, 8), (2, 11), (6, 14), (10, 11), (6, 8)],
}


def draw(digit: int, scale: float, pen: float = 1.5) -> Foreground:
    """Draw a digit at `scale` pixels a unit, with round ends and soft edges."""
    canvas = np.zeros((round(16 * scale), round(12 * scale)), np.uint8)
    points = np.rint((np.array(DRAWN[digit]) * scale - 0.5) * 16).astype(np.int32)
    width = round(pen * scale)
    cv2.polylines(canvas, [points], False, 255, width, cv2.LINE_AA, shift=4)  # noqa: FBT003
    return foreground_of(canvas)


def foreground_of(pixels: np.ndarray) -> Foreground:
    foreground: Foreground = np.divide(pixels, 255, dtype=np.float32)
    return foreground


def enlarged(foreground: Foreground, factor: int) -> Foreground:
    """Make each pixel a square of `factor` pixels a side."""
    large: Foreground = np.kron(foreground, np.ones((factor, factor), np.float32))
    return large


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Give the mean absolute difference of two pictures, in grey levels."""
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def some_digits(n: int = 60) -> list[Foreground]:
    """Synthetic digits on clean paper."""
    images = synthetic_digits(n, seed=2).images.numpy()
    return [foreground_of(np.where(image > 80, image, 0)) for image in images]


def test_digits_fill_the_box_around_their_centre_of_mass() -> None:
    for foreground in some_digits():
        image = normalize_digit(foreground)
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8
        assert image.max() == 255
        top, left, bottom, right = foreground_box(foreground_of(image))
        assert max(bottom - top, right - left) == DIGIT_SIDE
        for axis in (0, 1):
            mass = image.sum(axis=1 - axis, dtype=np.int64)
            assert 13.5 <= mass @ np.arange(28) / mass.sum() < 14.5


def test_proportions_stay() -> None:
    for h, w in ((60, 30), (31, 62), (100, 9), (20, 20), (7, 14)):
        image = normalize_digit(np.ones((h, w), np.float32))
        top, left, bottom, right = foreground_box(foreground_of(image))
        scale = 20 / max(h, w)
        assert (bottom - top, right - left) == (round(h * scale), round(w * scale))
        assert (image[top:bottom, left:right] == 255).all()


def test_symmetric_digits_stay_where_they_are() -> None:
    """Their centre of mass is right between two pixels, and a sum's last bit must not decide."""
    for h in range(1, 45):
        for w in range(1, 45, 3):
            frame = np.ones((h, w), np.float32)
            frame[h // 4 : h - h // 4, w // 4 : w - w // 4] = 0
            image = normalize_digit(frame)
            np.testing.assert_array_equal(normalize_digit(foreground_of(image)), image)
            np.testing.assert_array_equal(normalize_digit(frame[::-1]), image)
            np.testing.assert_array_equal(normalize_digit(frame[:, ::-1]), image)


@pytest.mark.parametrize("factor", [3, 7])
@pytest.mark.parametrize("digit", DRAWN)
def test_enlarging_pixels_changes_nothing(digit: int, factor: int) -> None:
    foreground = draw(digit, scale=4)
    np.testing.assert_array_equal(
        normalize_digit(enlarged(foreground, factor)), normalize_digit(foreground)
    )


@pytest.mark.parametrize("factor", [3, 7])
@pytest.mark.parametrize("digit", DRAWN)
def test_a_larger_drawing_gives_nearly_the_same(digit: int, factor: int) -> None:
    small, large = (
        normalize_digit(draw(digit, scale=8)),
        normalize_digit(draw(digit, scale=8 * factor)),
    )
    # The centre of mass may be just at the border between two places.
    moves = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    assert min(difference(np.roll(large, move, (0, 1)), small) for move in moves) < 8
    others = (normalize_digit(draw(other, scale=8)) for other in DRAWN if other != digit)
    assert all(difference(small, other) > 20 for other in others)


@pytest.mark.parametrize("darkness", [0.9, 0.4, 0.1])
@pytest.mark.parametrize("pen", [0.3, 1.5])
def test_faint_foreground_is_as_good_as_dark(darkness: float, pen: float) -> None:
    for digit in DRAWN:
        foreground = draw(digit, scale=10, pen=pen)
        faint = normalize_digit(foreground * np.float32(darkness))
        np.testing.assert_allclose(faint, normalize_digit(foreground), atol=1)


@pytest.mark.parametrize("thickness", [1, 2, 5])
@pytest.mark.parametrize("end", [(380, 350), (20, 350), (380, 200)])
def test_thin_strokes_survive(
    thickness: int, end: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = np.zeros((400, 400), np.uint8)
    cv2.line(canvas, (50, 20), end[::-1], 255, thickness)
    cv2.line(canvas, (50, 20), (50, 380), 255, thickness)

    def width(image: np.ndarray) -> float:
        """Divide the mass by the length, in MNIST's form: a box of 20 is 360 pixels high."""
        length = (360 + float(np.hypot(end[0] - 20, end[1] - 50))) / 360 * 20
        return float(image.sum(dtype=np.int64)) / 255 / length

    image = normalize_digit(foreground_of(canvas))
    assert image.max() == 255
    pieces = cv2.connectedComponents((image > 127).astype(np.uint8), connectivity=8)[0] - 1
    assert pieces == 1
    assert 1.3 < width(image) < 2
    monkeypatch.setattr(form, "widen_thin_strokes", lambda foreground: foreground)
    assert width(normalize_digit(foreground_of(canvas))) < 1.2


def test_strokes_are_widened_to_the_thinnest_that_lasts() -> None:
    for width in (4, 6, 10, 16):
        line = np.ones((400, width), np.float32)
        grown = widen_thin_strokes(line)
        by = max(0, round((1.7 * 400 / 20 - width) / 2))  # on either side
        assert grown.shape == (400 + 2 * by, width + 2 * by)
        assert (grown[200] == 1).all()
    wide = np.ones((400, 40), np.float32)
    assert widen_thin_strokes(wide) is wide
    small = np.eye(20, dtype=np.float32)
    assert widen_thin_strokes(small) is small  # nothing is scaled down


def test_the_thinnest_strokes_of_the_largest_digits_are_widened_too() -> None:
    """A kernel as wide as they need would take seconds."""
    small, large, thin = (np.zeros((side, side), np.float32) for side in (200, 1600, 1600))
    ends = np.array([(0.1, 0.1), (0.8, 0.1), (0.3, 0.9)])
    for picture, thickness in ((small, 1), (large, 8), (thin, 1)):
        points = np.rint(ends * len(picture)).astype(np.int32)
        cv2.polylines(picture, [points], isClosed=False, color=1.0, thickness=thickness)
    expected = normalize_digit(small)
    for picture in (large, thin):
        assert difference(normalize_digit(picture), expected) < 8
    assert max(widen_thin_strokes(thin).shape) < 400


def test_a_half_is_rounded_up_however_it_was_summed() -> None:
    for noise in (-1e-4, 0, 1e-4):
        image = center_by_mass(np.array([[255, 126.5 + noise], [127.5 - noise, 0.3]], np.float32))
        rows, columns = np.nonzero(image)
        assert image[rows, columns].tolist() == [255, 127, 128]
        assert (rows.min(), columns.min()) == (14, 14)


def test_blank_paper_stays_blank() -> None:
    for shape in ((28, 28), (1, 1), (300, 5), (0, 0), (0, 4)):
        image = normalize_digit(np.zeros(shape, np.float32))
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8
        assert not image.any()


@pytest.mark.parametrize("value", [1, 1 / 255, 1e-30])
def test_a_single_pixel_is_a_square(value: float) -> None:
    foreground = np.zeros((40, 30), np.float32)
    foreground[31, 7] = value
    image = normalize_digit(foreground)
    if value > 1e-6:
        assert foreground_box(foreground_of(image)) == (4, 4, 24, 24)
        assert (image[4:24, 4:24] == 255).all()
    else:
        assert not image.any()


def test_foreground_boxes_are_exclusive() -> None:
    foreground = np.zeros((12, 15), np.float32)
    assert foreground_box(foreground) == (0, 0, 0, 0)
    foreground[3, 4] = foreground[8, 2] = 0.01
    assert foreground_box(foreground) == (3, 2, 9, 5)


@pytest.mark.parametrize(("outputs", "factor"), [(20, 1), (20, 3), (7, 5), (1, 28)])
def test_whole_ratios_give_block_means(outputs: int, factor: int) -> None:
    line = np.random.default_rng(0).random(outputs * factor, np.float32)
    expected = line.reshape(outputs, factor).astype(np.float64).mean(axis=1)
    np.testing.assert_allclose(resize_matrix(outputs, outputs * factor) @ line, expected, atol=1e-6)


@pytest.mark.parametrize(("outputs", "inputs"), [(20, 28), (13, 20), (20, 333), (3, 4)])
def test_other_ratios_give_means_of_areas(outputs: int, inputs: int) -> None:
    line = np.random.default_rng(1).random(inputs)
    # On a line so fine that both grids fit into it, an area is a block.
    fine = np.repeat(line, outputs).reshape(outputs, inputs)
    np.testing.assert_allclose(resize_matrix(outputs, inputs) @ line, fine.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(("outputs", "inputs"), [(20, 7), (20, 19), (20, 1), (5, 2)])
def test_enlarging_is_torch_s_bilinear(outputs: int, inputs: int) -> None:
    line = torch.rand(1, 1, inputs, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(line, outputs, mode="linear", align_corners=False)
    np.testing.assert_allclose(
        resize_matrix(outputs, inputs) @ line[0, 0].numpy(), expected[0, 0], atol=1e-6
    )
