"""Crops of rendered fields, with and without a digit: what a crop classifier learns from."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tenfold.arrays import Floats, Grey
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES
from tenfold.data.seeds import derive_seed
from tenfold.model.crop_config import CROP_PX, NO_DIGIT
from tenfold.reading.line_crop import crop_boxes
from tenfold.reading.pyramid import detect_digits
from tenfold.rendering.fields import Field, FieldConfig, FieldRenderer
from tenfold.rendering.sampling import Random

CROPS_A_FIELD = 4  # rendering a field takes as long as learning from as many crops
# Standard deviations of the errors that are drawn, in heights of a digit: of the middle across and
# down, and of the logarithm of the height.
ERRORS = (0.04, 0.03, 0.06)
# A box frames a character if their middles are nearer than these shares of the wider width and of
# the greater height, and the ratio of their heights is in that range. It touches one that is nearer
# than the second pair of shares.
FRAMES, TOUCHES, HEIGHT_RATIO = (0.35, 0.25), (0.6, 0.5), (0.6, 1.6)
MIN_HEIGHT_PX = 8  # of a digit; the detector knows no lower ones
LEAST_WIDTH = 0.4  # of a box that distances are compared with, in its heights: a 1 is narrow


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """A crop uint8[32, 32], and the digit in its middle or `NO_DIGIT`."""

    pixels: Grey
    label: int


class CropRenderer:
    """Renders crops.

    Every fourth one is where a detector finds something; for the others, errors are drawn. See
    `FieldRenderer`.

    Args:
        digits: images of handwritten digits to write with.
        seed: another seed gives other crops.
        detector: without one, all errors are drawn.
        symbols: images of what is no digit, with any labels.
        symbol_share: of the fields that are written with symbols in the place of digits.
    """

    def __init__(
        self,
        digits: Digits,
        seed: int,
        detector: OnnxDetector | None = None,
        symbols: Digits | None = None,
        symbol_share: float = 0.0,
    ) -> None:
        self.seed = seed
        self.detector = detector
        self._of_digits = FieldRenderer(digits, seed)
        self._of_symbols = None
        if symbols is not None:
            self._of_symbols = FieldRenderer(symbols, seed, FieldConfig(only_images=True))
        self._symbol_share = symbol_share
        self._field = lru_cache(maxsize=1)(self._render_field)

    def render(self, index: int) -> LabelledCrop:
        """Render one crop, the same for the same index and detector; blank where no box is."""
        random = np.random.default_rng(derive_seed(self.seed, "crop", index))
        field, of_symbols = self._field(index // CROPS_A_FIELD)
        if self.detector is None or index % CROPS_A_FIELD:
            boxes = list(boxes_with_errors(field, random))
        else:
            found = detect_digits(self.detector, field.pixels)
            boxes = list(labelled_boxes(field, found.boxes))
        if not boxes:
            return LabelledCrop(np.full((CROP_PX, CROP_PX), 255, np.uint8), NO_DIGIT)
        box, label = boxes[random.integers(len(boxes))]
        crop = crop_boxes(field.pixels, box[None])[0]
        return LabelledCrop(crop, NO_DIGIT if of_symbols else label)

    def _render_field(self, index: int) -> tuple[Field, bool]:
        """Render a field, and say whether it has symbols in the place of digits."""
        shares = index * self._symbol_share, (index + 1) * self._symbol_share
        if self._of_symbols is None or int(shares[0]) == int(shares[1]):
            return self._of_digits.render(index), False
        return self._of_symbols.render(index), True


def boxes_with_errors(field: Field, random: Random) -> Iterator[tuple[Floats, int]]:
    """Yield the digits of a field, with boxes float32[4] as a detector may frame them."""
    for label, x, y, w, h, _ in field.labels.tolist():
        if label < CLASSES and h >= MIN_HEIGHT_PX:
            across, down, growth = random.normal(0, ERRORS)
            box = (x + across * h, y + down * h, w + 1, (h + 1) * np.exp(growth))
            yield np.array(box, np.float32), int(label)


def labelled_boxes(field: Field, boxes: Floats) -> Iterator[tuple[Floats, int]]:
    """Yield those of the boxes float32[n, 4] that frame a digit of the field, or touch none.

    Each comes with the digit, or `NO_DIGIT`.
    """
    x, y, w, h = field.labels[:, 1:5].T
    is_digit = field.labels[:, 0] < CLASSES
    for box in boxes[boxes[:, 3] >= MIN_HEIGHT_PX]:
        across = np.abs(x - box[0]) / np.maximum(np.maximum(w, box[2]), LEAST_WIDTH * box[3])
        down = np.abs(y - box[1]) / np.maximum(h, box[3])
        ratio = (h + 1) / box[3]
        frames = is_digit & (across < FRAMES[0]) & (down < FRAMES[1])
        frames &= (ratio > HEIGHT_RATIO[0]) & (ratio < HEIGHT_RATIO[1])
        if frames.any():
            yield box, int(field.labels[np.where(frames, across + down, np.inf).argmin(), 0])
        elif not (is_digit & (across < TOUCHES[0]) & (down < TOUCHES[1])).any():
            yield box, NO_DIGIT
