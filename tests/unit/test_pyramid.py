"""In which sizes a picture is looked at, and what a detector finds in several of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.bundle.detector_runtime import Detections
from tenfold.reading.pyramid import PyramidConfig, detect_digits, resize, scales

CONFIG = PyramidConfig()


@given(st.integers(1, 60_000), st.integers(1, 60_000))
def test_no_size_is_above_the_limit_and_every_digit_height_is_covered(h: int, w: int) -> None:
    found = list(scales((h, w), CONFIG))
    assert 1 <= len(found) < 20
    sizes = [(max(1, h * s) + 16) * (max(1, w * s) + 16) for s in found]
    assert max(sizes) <= CONFIG.max_pixels
    assert found[0] <= CONFIG.max_enlargement
    np.testing.assert_allclose(np.diff(np.log2(found)), -1)
    # A digit as high as the picture is known to the detector in the smallest size.
    assert h * found[-1] <= CONFIG.digit_heights_px[1]


@pytest.mark.parametrize(("scale", "shape"), [(1, (9, 7)), (2, (18, 14)), (0.01, (1, 1))])
def test_a_picture_keeps_at_least_one_pixel(scale: float, shape: tuple[int, int]) -> None:
    assert resize(np.full((9, 7), 200, np.uint8), scale).shape == shape


class OneSquare:
    """Finds a black square on white, if its side is known; surest of one of 28 pixels."""

    def detect(self, grey: np.ndarray, _min_objectness: float) -> Detections:
        rows, columns = np.nonzero(grey < 100)
        if not len(rows):
            return Detections(*(np.zeros((0, *s), np.float32) for s in ((), (14,), (4,))))
        sides = (np.ptp(columns) + 1, np.ptp(rows) + 1)
        centre = (columns.mean() + 0.5, rows.mean() + 0.5)
        classes = np.zeros((1, 14), np.float32)
        classes[0, 3] = 1
        boxes = np.array([[*centre, *sides]], np.float32)
        return Detections(np.array([0.9], np.float32), classes, boxes)


@pytest.mark.parametrize("side", [12, 40, 150, 600])
def test_a_digit_of_any_size_is_found_once_in_its_place(side: int) -> None:
    page = np.full((1000, 1400), 255, np.uint8)
    page[200 : 200 + side, 300 : 300 + side] = 0
    found = detect_digits(OneSquare(), page)  # type: ignore[arg-type]
    assert len(found.boxes) == 1
    wanted = [300 + side / 2, 200 + side / 2, side, side]
    np.testing.assert_allclose(found.boxes[0], wanted, atol=0.1 * side + 2)
    assert found.classes[0].argmax() == 3


def test_nothing_is_found_on_a_blank_page() -> None:
    page = np.full((300, 400), 255, np.uint8)
    assert len(detect_digits(OneSquare(), page).boxes) == 0  # type: ignore[arg-type]


def test_the_logit_of_objectness_is_moved() -> None:
    page = np.full((200, 200), 255, np.uint8)
    page[90:118, 90:118] = 0
    odds = []
    for logit in ((1.0, 0.0), (1.0, float(np.log(3))), (2.0, 0.0)):
        config = PyramidConfig(objectness_logit=logit)
        p = detect_digits(OneSquare(), page, config).objectness[0]  # type: ignore[arg-type]
        odds.append(p / (1 - p))
    np.testing.assert_allclose(odds, [9, 27, 81], rtol=1e-3)


@pytest.mark.parametrize(("side", "looks"), [(14, 3), (34, 2)])
def test_a_picture_is_enlarged_only_if_its_digits_are_small(side: int, looks: int) -> None:
    page = np.full((100, 400), 255, np.uint8)
    page[30 : 30 + side, 40 : 40 + side] = 0
    shapes = []

    class Counting(OneSquare):
        def detect(self, grey: np.ndarray, min_objectness: float) -> Detections:
            shapes.append(grey.shape)
            return super().detect(grey, min_objectness)

    found = detect_digits(Counting(), page)  # type: ignore[arg-type]
    assert len(shapes) == looks
    assert found.boxes[0, 3] == pytest.approx(side, abs=2)
