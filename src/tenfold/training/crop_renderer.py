"""Crops of the digits of rendered fields: what a crop classifier learns from."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tenfold.arrays import Floats, Grey
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES
from tenfold.data.seeds import derive_seed
from tenfold.model.crop_config import CROP_PX
from tenfold.reading.line_crop import crop_boxes
from tenfold.reading.pyramid import detect_digits
from tenfold.rendering.fields import Field, FieldRenderer
from tenfold.rendering.sampling import Random

CROPS_A_FIELD = 4  # rendering a field takes as long as learning from as many crops
# Standard deviations of the errors that are drawn, in heights of a digit: of the middle across and
# down, and of the logarithm of the height.
ERRORS = (0.04, 0.03, 0.06)
# A box frames a digit if their middles are nearer than these shares of the wider width and of the
# greater height, and the ratio of their heights is in that range.
NEAR_ACROSS, NEAR_DOWN, HEIGHT_RATIO = 0.35, 0.25, (0.6, 1.6)
MIN_HEIGHT_PX = 8  # of a digit; the detector knows no lower ones
LEAST_WIDTH = 0.4  # of a box that distances are compared with, in its heights: a 1 is narrow
NO_DIGIT = -1  # the label of a crop of a field without digits: nothing is learned from it


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """A crop uint8[32, 32], and the digit in its middle."""

    pixels: Grey
    label: int


class CropRenderer:
    """Renders crops of digits.

    Every fourth one shows a digit where a detector finds it; for the others, errors are drawn. See
    `FieldRenderer`.

    Args:
        digits: images of handwritten digits to write with.
        seed: another seed gives other crops.
        detector: without one, all errors are drawn.
    """

    def __init__(self, digits: Digits, seed: int, detector: OnnxDetector | None = None) -> None:
        self.seed = seed
        self.detector = detector
        self._field = lru_cache(maxsize=1)(FieldRenderer(digits, seed).render)

    def render(self, index: int) -> LabelledCrop:
        """Render one crop, the same for the same index and detector."""
        random = np.random.default_rng(derive_seed(self.seed, "crop", index))
        field = self._field(index // CROPS_A_FIELD)
        if self.detector is None or index % CROPS_A_FIELD:
            digits = list(digits_with_errors(field, random))
        else:
            found = detect_digits(self.detector, field.pixels)
            digits = list(framed_digits(field, found.boxes))
        if not digits:
            return LabelledCrop(np.full((CROP_PX, CROP_PX), 255, np.uint8), NO_DIGIT)
        box, label = digits[random.integers(len(digits))]
        return LabelledCrop(crop_boxes(field.pixels, box[None])[0], label)


def digits_with_errors(field: Field, random: Random) -> Iterator[tuple[Floats, int]]:
    """Yield the digits of a field, with boxes float32[4] as a detector may frame them."""
    for label, x, y, w, h, _ in field.labels.tolist():
        if label < CLASSES and h >= MIN_HEIGHT_PX:
            across, down, growth = random.normal(0, ERRORS)
            box = (x + across * h, y + down * h, w + 1, (h + 1) * np.exp(growth))
            yield np.array(box, np.float32), int(label)


def framed_digits(field: Field, boxes: Floats) -> Iterator[tuple[Floats, int]]:
    """Yield those of the boxes float32[n, 4] that frame a digit of the field, and the digit."""
    x, y, w, h = field.labels[:, 1:5].T
    for box in boxes[boxes[:, 3] >= MIN_HEIGHT_PX]:
        across = np.abs(x - box[0]) / np.maximum(np.maximum(w, box[2]), LEAST_WIDTH * box[3])
        down = np.abs(y - box[1]) / np.maximum(h, box[3])
        ratio = (h + 1) / box[3]
        frames = (across < NEAR_ACROSS) & (down < NEAR_DOWN)
        frames &= (ratio > HEIGHT_RATIO[0]) & (ratio < HEIGHT_RATIO[1])
        if frames.any():
            label = int(field.labels[np.where(frames, across + down, np.inf).argmin(), 0])
            if label < CLASSES:
                yield box, label
