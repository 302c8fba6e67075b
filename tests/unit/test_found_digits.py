"""What a classifier learns from rendered fields."""

from typing import Any

import numpy as np
from stub_network import StubDetector

from tenfold.bundle.detector_runtime import Detections
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES, NON_DIGIT_LABEL
from tenfold.rendering.fields import Field
from tenfold.training.found_digits import found_digits, found_in


def test_what_is_found_is_the_digit_whose_middle_it_has() -> None:
    """Found: a 3, a phantom, a box about a 4 and a 5, a minus that is taken for a digit, paper."""
    pixels = np.full((64, 256), 255, np.uint8)
    labels = [(3, 20, 32, 9, 20, 0), (4, 100, 32, 9, 20, 0), (5, 112, 32, 9, 20, 0)]
    labels += [(CLASSES + 1, 160, 32, 9, 3, 0)]
    for x in (20, 60, 100, 112, 160):
        pixels[24:40, x - 2 : x + 2] = 0
    field = Field(pixels, np.array(labels, np.float32))
    middles = ((21, 10), (60, 10), (106, 24), (160, 10), (220, 10))
    boxes = np.array([(x, 32, width, 21) for x, width in middles], np.float32)
    classes = np.tile(np.eye(14, dtype=np.float32)[7], (len(boxes), 1))
    ones = np.ones(len(boxes), np.float32)
    detector: Any = StubDetector(Detections(ones, classes, boxes, 0 * ones), pixels.shape)
    found = list(found_in(field, detector))
    assert [label for _, label in found] == [3, NON_DIGIT_LABEL]
    for crop, _ in found:
        assert crop.shape == (28, 28)
        assert crop.max() == 255


def test_the_same_seed_finds_the_same(tiny_digits: Digits) -> None:
    crops, labels = found_digits(tiny_digits, 12, 3)
    again, _ = found_digits(tiny_digits, 12, 3)
    assert crops.shape == (12, 28, 28)
    assert len(labels) == 12
    assert (crops == again).all()
    assert not (crops == found_digits(tiny_digits, 12, 4)[0]).all()
