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
from tenfold.reading.line_crop import crop_digits
from tenfold.reading.pyramid import detect_digits
from tenfold.rendering.fields import Field, FieldRenderer
from tenfold.rendering.sampling import Random

CROPS_A_FIELD = 4  # rendering a field takes as long as learning from as many crops
MIN_HEIGHT_PX = 8  # of a digit; the detector knows no lower ones
LEAST_WIDTH = 0.4  # of a box that distances are compared with, in its heights: a 1 is narrow
NO_DIGIT = -1  # the label of a crop of a field without digits: nothing is learned from it


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """A crop uint8[32, 32], and the digit in its middle."""

    pixels: Grey
    label: int


@dataclass(frozen=True)
class CropSampling:
    """How boxes differ from exact ones, as those of detections do, in heights of a digit.

    Attributes:
        x, y: standard deviations of the middle.
        height: that of the logarithm of the height.
        near: how far from a digit's middle that of a detection of it is, at most: across, in widths
            of the wider one, and down.
        ratio: of the height of a detection and that of its digit.
    """

    x: float = 0.04
    y: float = 0.03
    height: float = 0.06
    near: tuple[float, float] = (0.35, 0.25)
    ratio: tuple[float, float] = (0.6, 1.6)


class CropRenderer:
    """Renders crops of digits.

    Every fourth one shows a digit where a detector finds it; for the others, errors are drawn. See
    `FieldRenderer`.

    Args:
        digits: images of handwritten digits to write with.
        seed: another seed gives other crops.
        detector: without one, all errors are drawn.
        sampling: errors.
    """

    def __init__(
        self,
        digits: Digits,
        seed: int,
        detector: OnnxDetector | None = None,
        sampling: CropSampling = CropSampling(),
    ) -> None:
        self.seed = seed
        self.detector = detector
        self.sampling = sampling
        self._field = lru_cache(maxsize=1)(FieldRenderer(digits, seed).render)

    def render(self, index: int) -> LabelledCrop:
        """Render one crop, the same for the same index and detector."""
        random = np.random.default_rng(derive_seed(self.seed, "crop", index))
        field = self._field(index // CROPS_A_FIELD)
        if self.detector is None or index % CROPS_A_FIELD:
            digits = list(self._with_errors(field, random))
        else:
            found = detect_digits(self.detector, field.pixels)
            digits = list(self.found_digits(field, found.boxes))
        if not digits:
            return LabelledCrop(np.full((CROP_PX, CROP_PX), 255, np.uint8), NO_DIGIT)
        box, label = digits[random.integers(len(digits))]
        return LabelledCrop(crop_digits(field.pixels, box[None])[0], label)

    def _with_errors(self, field: Field, random: Random) -> Iterator[tuple[Floats, int]]:
        """Yield the digits that are whole, with boxes as a detector may frame them."""
        width = field.pixels.shape[1]
        for label, x, y, w, h, _ in field.labels.tolist():
            if label >= CLASSES or h < MIN_HEIGHT_PX or not w / 2 - 1 <= x <= width + 1 - w / 2:
                continue
            errors = random.normal(0, (self.sampling.x, self.sampling.y, self.sampling.height))
            box = (x + errors[0] * h, y + errors[1] * h, w + 1, (h + 1) * np.exp(errors[2]))
            yield np.array(box, np.float32), int(label)

    def found_digits(self, field: Field, boxes: Floats) -> Iterator[tuple[Floats, int]]:
        """Yield those of the boxes float32[n, 4] that frame a digit of the field."""
        x, y, w, h = field.labels[:, 1:5].T
        for box in boxes:
            across = np.abs(x - box[0]) / np.maximum(np.maximum(w, box[2]), LEAST_WIDTH * box[3])
            down = np.abs(y - box[1]) / np.maximum(h, box[3])
            ratio = (h + 1) / box[3]
            (far_across, far_down), (least, largest) = self.sampling.near, self.sampling.ratio
            fits = (across < far_across) & (down < far_down) & (ratio > least) & (ratio < largest)
            if box[3] < MIN_HEIGHT_PX or not fits.any():
                continue
            label = int(field.labels[np.where(fits, across + down, np.inf).argmin(), 0])
            if label < CLASSES:
                yield box, label
