"""Lines of rendered fields with labels: what a line recogniser learns from."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES
from tenfold.data.seeds import derive_seed
from tenfold.model.line_config import LINE_HEIGHT_PX
from tenfold.reading.line_crop import Line, crop_line, line_of
from tenfold.reading.lines import group_numbers
from tenfold.reading.pyramid import detect_digits
from tenfold.rendering.fields import Field, FieldRenderer
from tenfold.rendering.sampling import Random, bernoulli

LINES_A_FIELD = 2  # rendering a field takes as long as learning from a line

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LabelledLine:
    """A crop uint8[32, w], and the index in `DETECTED_CLASSES` of each character on it."""

    pixels: Grey
    labels: list[int]


@dataclass(frozen=True)
class LineSampling:
    """How crops differ from exact ones, as those of detections do.

    Standard deviations and ranges, in heights of a digit.

    Attributes:
        height: of the logarithm of the height.
        rise: of the middle.
        slope: of the slope.
        ends: by which a line is longer or shorter at each end.
        phantom: probability of a box beside the number, of its gap to it and its width.
        rise_of_label: how far the middle of a character on a line may be from the line.
        edge: how far beyond a row's end the middle of a character of the row may lie, and how far
            from the end other characters must keep, else the row is left out.
    """

    height: float = 0.08
    rise: float = 0.04
    slope: float = 0.02
    ends: tuple[float, float] = (-0.2, 0.15)
    phantom: float = 0.12
    phantom_gap: tuple[float, float] = (0.0, 0.9)
    phantom_width: tuple[float, float] = (0.1, 0.6)
    rise_of_label: float = 0.75
    edge: tuple[float, float] = (0.05, 0.4)


class LineRenderer:
    """Renders crops of lines.

    Every other one is of the characters as they stand on a field, with errors that are drawn; the
    others are of what a detector finds there. See `FieldRenderer`.

    Args:
        digits: images of handwritten digits to write with.
        seed: another seed gives other crops.
        detector: without one, no line is of what is found.
        sampling: errors.
    """

    def __init__(
        self,
        digits: Digits,
        seed: int,
        detector: OnnxDetector | None = None,
        sampling: LineSampling = LineSampling(),
    ) -> None:
        self.seed = seed
        self.detector = detector
        self.sampling = sampling
        self._field = lru_cache(maxsize=1)(FieldRenderer(digits, seed).render)

    def render(self, index: int) -> LabelledLine:
        """Render one line, the same for the same index and detector."""
        random = np.random.default_rng(derive_seed(self.seed, "line", index))
        field = self._field(index // LINES_A_FIELD)
        if self.detector is None or index % LINES_A_FIELD:
            lines = list(self.lines(field, random))
        else:
            lines = list(self.detected_lines(field, self.detector))
        return lines[random.integers(len(lines))] if lines else LabelledLine(_EMPTY_LINE, [])

    def lines(self, field: Field, random: Random) -> Iterator[LabelledLine]:
        """Yield the numbers of a field, or one crop without any; too long ones are left out."""
        labels = field.labels
        if not len(labels):
            boxes, is_digit = _nowhere(field.pixels.shape, random)
            crop = crop_line(field.pixels, self._moved(line_of(boxes, is_digit), random))
            if crop is not None:
                yield LabelledLine(crop, [])
            return
        boxes, is_mark = labels[:, 1:5].copy(), labels[:, 0] >= CLASSES
        boxes[:, 2:] += 1  # as a detector frames them
        width = field.pixels.shape[1]
        for group in group_numbers(boxes, is_mark):
            of_line, is_digit = boxes[group], ~is_mark[group]
            first, last = of_line[:, 0] - of_line[:, 2] / 2, of_line[:, 0] + of_line[:, 2] / 2
            if first.min() < -1 or last.max() > width + 1:
                continue
            if bernoulli(random, self.sampling.phantom):
                others = np.delete(boxes, group, axis=0)
                of_line, is_digit = self._with_phantom(of_line, is_digit, others, random)
            crop = crop_line(field.pixels, self._moved(line_of(of_line, is_digit), random))
            if crop is not None:
                yield LabelledLine(crop, labels[group, 0].astype(int).tolist())

    def detected_lines(self, field: Field, detector: OnnxDetector) -> Iterator[LabelledLine]:
        """Yield what a detector takes for numbers, but none on whose end a character lies.

        What is found where nothing is written is a line without characters.
        """
        found = detect_digits(detector, field.pixels)
        for group in group_numbers(found.boxes, ~found.is_digit):
            boxes = found.boxes[group]
            line = line_of(boxes, found.is_digit[group])
            first = (boxes[:, 0] - boxes[:, 2] / 2).min()
            last = (boxes[:, 0] + boxes[:, 2] / 2).max()
            x, y, width = field.labels[:, 1:4].T
            rise = np.abs(y - line.y - line.slope * (x - line.x))
            near = rise < self.sampling.rise_of_label * line.height
            inner, outer = (side * line.height for side in self.sampling.edge)
            inside = near & (x > first - inner) & (x < last + inner)
            touching = (x + width / 2 > first - outer) & (x - width / 2 < last + outer)
            crop = crop_line(field.pixels, line)
            if crop is not None and not (near & touching & ~inside).any():
                on_line = field.labels[inside]
                order = np.argsort(on_line[:, 1], kind="stable")
                yield LabelledLine(crop, on_line[order, 0].astype(int).tolist())

    def _moved(self, line: Line, random: Random) -> Line:
        sampling = self.sampling
        height = line.height * np.exp(random.normal(0, sampling.height))
        return Line(
            line.x,
            line.y + random.normal(0, sampling.rise) * height,
            height,
            line.left + random.uniform(*sampling.ends) * height,
            line.right + random.uniform(*sampling.ends) * height,
            line.slope + random.normal(0, sampling.slope),
        )

    def _with_phantom(
        self,
        boxes: Floats,
        is_digit: Bools,
        others: Floats,
        random: Random,
    ) -> tuple[Floats, Bools]:
        """Add a box beside a number where no other characters are."""
        height = float(np.median(boxes[:, 3]))
        gap, width = (
            random.uniform(*side) * height
            for side in (self.sampling.phantom_gap, self.sampling.phantom_width)
        )
        if bernoulli(random, 0.5):
            x = float((boxes[:, 0] - boxes[:, 2] / 2).min()) - gap - width / 2
        else:
            x = float((boxes[:, 0] + boxes[:, 2] / 2).max()) + gap + width / 2
        if (np.abs(others[:, 0] - x) < (others[:, 2] + width + height) / 2).any():
            return boxes, is_digit
        phantom = np.array([[x, boxes[:, 1].mean(), width, height]], np.float32)
        return np.concatenate([boxes, phantom]), np.append(is_digit, True)


_EMPTY_LINE = np.full((LINE_HEIGHT_PX, LINE_HEIGHT_PX), 255, np.uint8)


def _nowhere(shape: tuple[int, ...], random: Random) -> tuple[Floats, Bools]:
    """Return boxes of one to three digits that are not there."""
    h, w = shape
    height = random.uniform(0.2, 0.6) * h
    x, y = random.uniform(0.05, 0.95) * w, random.uniform(0.2, 0.8) * h
    count = int(random.integers(1, 4))
    boxes = [
        (x + 0.7 * k * height, y, random.uniform(0.2, 0.8) * height, height) for k in range(count)
    ]
    return np.array(boxes, np.float32), np.ones(count, bool)
