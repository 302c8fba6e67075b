"""From a picture to its numbers: detection, grouping, hypotheses, constraints."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tenfold.arrays import Pixels
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.bundle.format import DetectorFacts
from tenfold.bundle.line_runtime import OnnxLineRecogniser
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.mnist import CLASSES
from tenfold.errors import DataError
from tenfold.reading.classification import ClassificationConfig, classify_detections
from tenfold.reading.column_marks import ColumnMarksConfig, weigh_marks
from tenfold.reading.components import Box, box_in_picture
from tenfold.reading.constraints import ANYTHING, Constraints, only_digits
from tenfold.reading.foreground import to_grey
from tenfold.reading.hypotheses import Hypothesis, by_text, hypotheses, log_sum
from tenfold.reading.line_reader import LineReaderConfig, weigh_texts
from tenfold.reading.lines import GroupingConfig, group_numbers
from tenfold.reading.page import ALTERNATIVES, Digit, Number, Page, Reason
from tenfold.reading.pyramid import PyramidConfig, detect_digits
from tenfold.reading.suppression import SuppressionConfig

MAX_DETECTIONS = 4000  # of a picture; a detector finds a few more in one look
MAX_HYPOTHESES = 30  # of a number
MAX_CONSTRAINED_HYPOTHESES = 2000  # among them may be one that the constraints allow


@dataclass(frozen=True)
class NumberReaderConfig:
    """How numbers are found and when they are believed.

    Attributes:
        pyramid: in which sizes a picture is looked at.
        classification: how the classifiers take part in which digits were found.
        suppression: when two detections exclude each other.
        grouping: which detections make a number.
        lines: how the line recogniser takes part in what a number is.
        columns: how the other numbers of a table's column take part.
        calibration: slope and intercept of the calibrated logit over the raw one.
        part_height: a number that is lower than this share of an accepted one, in whose box it
            lies, is a part of its strokes.
        min_probability: of a number that is accepted.
        min_digit_probability: of a digit that is shown, not `?`.
        min_fitting_probability: of all texts together that the constraints allow; if it is less,
            the picture shows something else, and what is least improbable is not to be believed.
    """

    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    classification: ClassificationConfig = field(default_factory=ClassificationConfig)
    suppression: SuppressionConfig = field(default_factory=SuppressionConfig)
    grouping: GroupingConfig = field(default_factory=GroupingConfig)
    lines: LineReaderConfig = field(default_factory=LineReaderConfig)
    columns: ColumnMarksConfig = field(default_factory=ColumnMarksConfig)
    calibration: tuple[float, float] = (1.0, 0.0)
    part_height: float = 0.25
    min_probability: float = 0.8
    min_digit_probability: float = 0.5
    min_fitting_probability: float = 0.01

    @classmethod
    def of(cls, facts: DetectorFacts) -> "NumberReaderConfig":
        """Return the config that goes with a bundle's detector."""
        return cls(calibration=facts.calibration, min_probability=facts.min_probability)


class NumberReader:
    """Reads the numbers of pictures.

    Args:
        detector: finds digits and marks.
        classifier: takes part in which digits they are.
        config: thresholds and calibration, which was fitted with all networks.
        recogniser: takes part in what a row of digits says, if there is one.
        crop_classifier: takes part in which digits they are, if there is one.
    """

    def __init__(
        self,
        detector: OnnxDetector,
        classifier: OnnxClassifier,
        config: NumberReaderConfig = NumberReaderConfig(),
        recogniser: OnnxLineRecogniser | None = None,
        crop_classifier: OnnxCropClassifier | None = None,
    ) -> None:
        self.detector = detector
        self.classifier = classifier
        self.config = config
        self.recogniser = recogniser
        self.crop_classifier = crop_classifier

    def configured(self, config: NumberReaderConfig) -> "NumberReader":
        """Return the same reader with another config."""
        networks = self.recogniser, self.crop_classifier
        return NumberReader(self.detector, self.classifier, config, *networks)

    def read(self, pixels: Pixels, constraints: Constraints = ANYTHING) -> Page:
        """Read a picture uint8[h, w] or uint8[h, w, 3].

        Raises:
            DataError: it has more digits than a page can have; noise may look like that.
        """
        grey = to_grey(pixels)
        return self.page(self.detect(grey), grey, constraints)

    def detect(self, grey: Pixels) -> Detections:
        """Find the digits and marks in uint8[h, w]; see `read`."""
        return self.classified(detect_digits(self.detector, grey, self.config.pyramid), grey)

    def classified(self, found: Detections, grey: Pixels) -> Detections:
        """Let the classifiers take part in which digits were found in uint8[h, w]; see `read`."""
        if len(found.boxes) > MAX_DETECTIONS:
            raise DataError(f"more than {MAX_DETECTIONS} digits: crop the picture to its numbers")
        return classify_detections(
            self.classifier, self.crop_classifier, found, grey, self.config.classification
        )

    def page(self, found: Detections, grey: Pixels, constraints: Constraints) -> Page:
        """Return the numbers that detections in uint8[h, w] make."""
        groups = group_numbers(found.boxes, ~found.is_digit, self.config.grouping)
        read = self.read_rows([found.of(group) for group in groups], grey, constraints)
        numbers = [number for number in read if number is not None]
        parts = _are_parts(numbers, self.config.part_height)
        whole = tuple(n for n, is_part in zip(numbers, parts, strict=True) if not is_part)
        return Page(whole).probable

    def read_rows(
        self,
        rows: Sequence[Detections],
        grey: Pixels,
        constraints: Constraints,
        columns: Sequence[int] | None = None,
    ) -> list[Number | None]:
        """Return the most probable number of each row of detections; None if that is nothing.

        If the constraints say that there may be none, the most probable number that is one: how
        probable it is that there is none is among its alternatives.

        Args:
            rows: each from left to right.
            grey: the picture uint8[h, w] in which they were found.
            constraints: what the numbers may be.
            columns: of a table, in which they stand.
        """
        if constraints.digits_only:
            rows = [row.of(row.is_digit) for row in rows]
        limit = MAX_CONSTRAINED_HYPOTHESES if constraints.active else MAX_HYPOTHESES
        texts = self.texts([(row, grey) for row in rows], limit)
        if columns is not None and not constraints.digits_only:
            texts = weigh_marks(texts, columns, self.config.columns)
        return [
            self._number(row, tried, grey, constraints)
            for row, tried in zip(rows, texts, strict=True)
        ]

    def texts(
        self,
        rows: Sequence[tuple[Detections, Pixels]],
        limit: int,
        min_probability: float = 0.0,
    ) -> list[list[Hypothesis]]:
        """Return what each row of detections may say, the most probable text first.

        Args:
            rows: each from left to right, and its picture uint8[h, w].
            limit: ways to read a row, at most.
            min_probability: of a way; less probable ones are left out.
        """
        tried = []
        for row, _ in rows:
            ways = itertools.islice(hypotheses(row, self.config.suppression), limit)
            tried.append(by_text(_probable(ways, min_probability)))
        if self.recogniser is None:
            return tried
        return weigh_texts(self.recogniser, rows, tried, self.config.lines)

    def _number(
        self, row: Detections, tried: list[Hypothesis], grey: Pixels, constraints: Constraints
    ) -> Number | None:
        ranked, reason = self._fitting(tried, constraints)
        of_interest = [h for h in ranked if h.text] if constraints.optional else ranked
        if not of_interest or not only_digits(of_interest[0].text):
            return None
        best = of_interest[0]
        probability = self._calibrated(math.exp(best.log_probability))
        if probability < self.config.min_probability:
            reason = reason or "unsure"
        digits = _digits(best, row, grey, self.config.min_digit_probability)
        return Number(
            value=best.text,
            text=shown_text(best.text, digits),
            box=_union(digits),
            probability=probability,
            alternatives=tuple(
                (h.text, self._calibrated(math.exp(h.log_probability)))
                for h in [h for h in ranked if h is not best][:ALTERNATIVES]
            ),
            digits=digits,
            reason=reason,
        )

    def _fitting(
        self, tried: list[Hypothesis], constraints: Constraints
    ) -> tuple[list[Hypothesis], Reason | None]:
        """Return what the constraints allow, with its share of the probability of all that is."""
        if not constraints.active:
            return tried, None
        allowed = [h for h in tried if constraints.allow(h.text)]
        possible = log_sum([h.log_probability for h in allowed])
        total = log_sum([h.log_probability for h in tried])
        if possible - total < math.log(self.config.min_fitting_probability):
            return tried, "does not fit"
        return [h._replace(log_probability=h.log_probability - possible) for h in allowed], None

    def _calibrated(self, probability: float) -> float:
        return calibrated(probability, self.config.calibration)


def calibrated(probability: float, calibration: tuple[float, float]) -> float:
    """Return the calibrated probability of a number.

    Args:
        probability: as objectness and classes give it.
        calibration: slope and intercept of the logit.
    """
    slope, intercept = calibration
    p = min(max(probability, 1e-9), 1 - 1e-9)
    return 1 / (1 + math.exp(-(slope * math.log(p / (1 - p)) + intercept)))


def _probable(found: Iterator[Hypothesis], min_probability: float) -> Iterator[Hypothesis]:
    """Yield the first hypothesis, and those after it that are probable enough."""
    yield next(found)
    yield from itertools.takewhile(
        lambda hypothesis: math.exp(hypothesis.log_probability) >= min_probability, found
    )


def _digits(
    hypothesis: Hypothesis, row: Detections, grey: Pixels, min_probability: float
) -> tuple[Digit, ...]:
    digits = []
    for character, index in zip(hypothesis.text, hypothesis.detections, strict=True):
        if not character.isdigit():
            continue
        classes = row.classes[index]
        label = DETECTED_CLASSES.index(character)
        box = box_in_picture(row.boxes[index].tolist(), grey.shape)
        probabilities = row.objectness[index] * classes[:CLASSES]
        probability = float(probabilities[label])
        left, top, right, bottom = box
        digits.append(
            Digit(
                digit=label,
                probability=probability,
                probabilities=probabilities,
                box=box,
                pixels=grey[top:bottom, left:right].copy(),  # a view would keep the picture
                accepted=probability >= min_probability,
                printed=float(row.printed[index]),
            )
        )
    return tuple(digits)


def shown_text(text: str, digits: tuple[Digit, ...]) -> str:
    """Return a text with `?` for each digit that is not accepted."""
    accepted = iter(digits)
    return "".join(("?" if not next(accepted).accepted else c) if c.isdigit() else c for c in text)


def _are_parts(numbers: Sequence[Number], part_height: float) -> list[bool]:
    """Return which numbers lie in the box of an accepted one that is much higher."""
    boxes = np.array([number.box for number in numbers]).reshape(-1, 4)
    whole = boxes[[number.accepted for number in numbers]]
    heights, whole_heights = boxes[:, 3] - boxes[:, 1], whole[:, 3] - whole[:, 1]
    parts = heights[:, None] < part_height * whole_heights
    for edge in (0, 1):
        parts &= boxes[:, None, edge] >= whole[:, edge]
        parts &= boxes[:, None, edge + 2] <= whole[:, edge + 2]
    found: list[bool] = parts.any(axis=1).tolist()
    return found


def _union(digits: tuple[Digit, ...]) -> Box:
    left, top, right, bottom = zip(*(digit.box for digit in digits), strict=True)
    return min(left), min(top), max(right), max(bottom)
