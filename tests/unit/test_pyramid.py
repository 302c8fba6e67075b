"""In which sizes a picture is looked at, and what a detector finds in several of them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.bundle.detector_runtime import Detections
from tenfold.reading.components import Box
from tenfold.reading.foreground import resize
from tenfold.reading.pyramid import PyramidConfig, detect_digits, is_cut, scales

CONFIG = PyramidConfig()


@given(st.integers(1, 60_000), st.integers(1, 60_000))
def test_no_size_is_above_the_limit_and_every_digit_height_is_covered(h: int, w: int) -> None:
    found = list(scales((h, w), CONFIG))
    assert 1 <= len(found) < 20
    margins = 2 * CONFIG.margin_px
    sizes = [(max(1, h * s) + margins) * (max(1, w * s) + margins) for s in found]
    assert max(sizes) <= CONFIG.max_pixels
    assert found[0] <= 1
    np.testing.assert_allclose(np.diff(np.log2(found)), -1)
    # A digit as high as the picture is not too large in the smallest size, and in no other.
    assert [h * s <= CONFIG.large_height_px for s in found] == [False] * (len(found) - 1) + [True]


@pytest.mark.parametrize(("scale", "shape"), [(1, (9, 7)), (2, (18, 14)), (0.01, (1, 1))])
def test_a_picture_keeps_at_least_one_pixel(scale: float, shape: tuple[int, int]) -> None:
    assert resize(np.full((9, 7), 200, np.uint8), scale).shape == shape


class OneSquare:
    """Finds a black square on white, if its side is known; surest of one of 28 pixels."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, grey: np.ndarray, _min_objectness: float) -> Detections:
        self.shapes.append(grey.shape)
        rows, columns = np.nonzero(grey < 100)
        if not len(rows):
            return Detections(*(np.zeros((0, *s), np.float32) for s in ((), (14,), (4,), ())))
        sides = (np.ptp(columns) + 1, np.ptp(rows) + 1)
        centre = (columns.mean() + 0.5, rows.mean() + 0.5)
        classes = np.zeros((1, 14), np.float32)
        classes[0, 3] = 1
        boxes = np.array([[*centre, *sides]], np.float32)
        return Detections(np.array([0.9], np.float32), classes, boxes, np.zeros(1, np.float32))


@pytest.mark.parametrize("side", [12, 40, 150, 600])
def test_a_digit_of_any_size_is_found_once_in_its_place(side: int) -> None:
    page = np.full((1000, 1400), 255, np.uint8)
    page[200 : 200 + side, 300 : 300 + side] = 0
    found = detect_digits(OneSquare(), page)  # type: ignore[arg-type]
    assert len(found.boxes) == 1
    wanted = [300 + side / 2, 200 + side / 2, side, side]
    np.testing.assert_allclose(found.boxes[0], wanted, atol=0.1 * side + 2)
    assert found.classes[0].argmax() == 3


def test_a_large_digit_beside_a_small_one_is_found() -> None:
    """In the full size only the small one is seen, and it is sure."""

    class SmallSquares(OneSquare):
        def detect(self, grey: np.ndarray, min_objectness: float) -> Detections:
            count, _, boxes, _ = cv2.connectedComponentsWithStats((grey < 100).astype(np.uint8))
            found = [Detections(*(np.zeros((0, *s), np.float32) for s in ((), (14,), (4,), ())))]
            for x, y, w, h in boxes[1:count, :4].tolist():
                if max(w, h) < CONFIG.digit_heights_px[1]:
                    alone = np.full_like(grey, 255)
                    alone[y : y + h, x : x + w] = grey[y : y + h, x : x + w]
                    found.append(super().detect(alone, min_objectness))
            return Detections(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    page = np.full((92, 300), 255, np.uint8)
    page[30:58, 200:228] = page[5:80, 20:95] = 0
    found = detect_digits(SmallSquares(), page)  # type: ignore[arg-type]
    assert sorted(found.boxes[:, 3].round().tolist()) == pytest.approx([28, 75], abs=3)


def test_only_the_regions_of_small_digits_are_looked_at_again() -> None:
    page = np.full((1000, 1400), 255, np.uint8)
    page[200:212, 300:312] = 0
    detector = OneSquare()
    found = detect_digits(detector, page)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.boxes[0], [306, 206, 12, 12], atol=1)
    enlarged = detector.shapes[len(list(scales(page.shape, CONFIG))) :]
    assert len(enlarged) == 1
    assert np.prod(enlarged[0]) < 0.02 * page.size


@pytest.mark.parametrize(
    ("region", "cut"),
    [
        ((280, 0, 320, 100), False),
        ((290, 0, 400, 100), True),
        ((200, 0, 310, 100), True),
        ((0, 40, 400, 100), True),
        ((0, 0, 400, 100), False),
    ],
)
def test_what_reaches_over_the_edge_of_a_region_is_cut(region: Box, cut: bool) -> None:  # noqa: FBT001
    boxes = np.array([[300, 50, 30, 30]], np.float32)  # 285 … 315, 35 … 65
    assert is_cut(boxes, region, (100, 400)).tolist() == [cut]


def test_a_digit_at_the_edge_of_the_picture_is_not_cut() -> None:
    boxes = np.array([[10, 50, 30, 30]], np.float32)
    assert is_cut(boxes, (0, 0, 200, 100), (100, 400)).tolist() == [False]


def test_nothing_is_found_on_a_blank_page() -> None:
    page = np.full((300, 400), 255, np.uint8)
    assert len(detect_digits(OneSquare(), page).boxes) == 0  # type: ignore[arg-type]
