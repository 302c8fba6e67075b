"""Measuring and calibrating a reader of numbers on rendered fields."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.artifacts.detection import DetectorEvaluation, FieldMetrics
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.evaluation.metrics import wilson
from tenfold.evaluation.risk_coverage import cumulative_errors
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.page import Page
from tenfold.reading.suppression import suppress
from tenfold.rendering.fields import FieldRenderer
from tenfold.rendering.held_out import HELD_OUT, Labelled, held_out_fields

MAX_LOGIT = 12.0
MIN_OBJECTNESS = 0.1  # of detections that say something about the others
# A detection is an object's if their centres are nearer than these shares of the object's sides.
MAX_SHIFT = np.array([0.5, 0.3])
MIN_TOLERANCE_PX = 3.0


class ReadsNumbers(Protocol):
    """A `Reader`, or a `NumberReader`."""

    def read(self, pixels: Pixels, /) -> Page:
        """Read a picture uint8[h, w] or uint8[h, w, 3]."""


def evaluate_fields(reader: NumberReader, digits: Digits, count: int) -> DetectorEvaluation:
    """Read `count` pictures of each set of `HELD_OUT`, written with `digits`."""
    return DetectorEvaluation(
        data=digits.name,
        sets=tuple(
            measure_numbers(reader, name, held_out_fields(name, digits, count)) for name in HELD_OUT
        ),
    )


def measure_numbers(reader: ReadsNumbers, name: str, pictures: Iterable[Labelled]) -> FieldMetrics:
    """Read pictures and compare their numbers with the labels.

    In the label of a picture with several numbers, a space is between them.
    """
    outcomes = []
    for pixels, text in pictures:
        numbers = reader.read(pixels).numbers
        right = " ".join(number.value for number in numbers) == text
        outcomes.append((right, bool(numbers) and all(number.accepted for number in numbers)))
    return field_metrics(name, outcomes)


def field_metrics(name: str, outcomes: Sequence[tuple[bool, bool]]) -> FieldMetrics:
    """Count outcomes: whether each was right, and whether it was accepted."""
    exact = sum(right for right, _ in outcomes)
    return FieldMetrics(
        name=name,
        fields=len(outcomes),
        exact=exact,
        accepted=sum(accepted for _, accepted in outcomes),
        accepted_wrong=sum(accepted and not right for right, accepted in outcomes),
        exact_interval=wilson(exact, len(outcomes)),
    )


def read_probabilities(
    reader: NumberReader, digits: Digits, count: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Read `count` pictures of each set of `HELD_OUT`, written with `digits`.

    Returns:
        float64[n], the probability of each picture with one number, and bool[n], whether it was
        read exactly. The reader should not be calibrated yet.
    """
    found = list(_outcomes(reader, digits, count))
    return np.array([p for p, _ in found]), np.array([right for _, right in found], bool)


def _outcomes(reader: NumberReader, digits: Digits, count: int) -> Iterator[tuple[float, bool]]:
    for name in HELD_OUT:
        for pixels, text in held_out_fields(name, digits, count):
            numbers = reader.read(pixels).numbers
            if len(numbers) == 1:
                yield numbers[0].probability, numbers[0].value == text


def read_objectness(
    detector: OnnxDetector, digits: Digits, count: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Look at `count` rendered fields, written with `digits`.

    Returns:
        float64[n], the objectness of each detection that no better one suppresses, and bool[n],
        whether there is a digit or a mark.
    """
    renderer = FieldRenderer(digits, derive_seed("objectness"))
    objectness, is_object = [], []
    for index in range(count):
        field = renderer.render(index)
        found = detector.detect(field.pixels, MIN_OBJECTNESS)
        found = found.of(suppress(found.objectness, found.boxes, found.labels))
        objectness.append(found.objectness)
        is_object.append(match_boxes(found.boxes, field.labels) >= 0)
    return np.concatenate(objectness).astype(np.float64), np.concatenate(is_object)


def match_boxes(
    boxes: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> npt.NDArray[np.intp]:
    """Match detections with objects whose centres are near; each object is matched once.

    Args:
        boxes: float32[n, 4], the most certain first: centre x, centre y, width, height.
        labels: float32[m, 6], see `Field`.

    Returns:
        the index of each detection's object, -1 where there is none.
    """
    matches = np.full(len(boxes), -1)
    free = np.ones(len(labels), bool)
    tolerance = np.maximum(MAX_SHIFT * labels[:, 3:5], MIN_TOLERANCE_PX)
    for place, box in enumerate(boxes):
        distance = np.abs(box[:2] - labels[:, 1:3]) / tolerance
        distance = np.where(free, distance.max(axis=1), np.inf)
        if len(labels) and distance.min() < 1:
            matches[place] = distance.argmin()
            free[matches[place]] = False
    return matches


def fit_calibration(
    p_n: npt.NDArray[np.float64], right_n: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Fit slope and intercept of a logistic curve over the logit (Platt 1999).

    Args:
        p_n: float64[n], probabilities that are not calibrated.
        right_n: bool[n]. Where all are right or all wrong, nothing can be fitted: (1, 0).
    """
    from scipy.optimize import minimize

    if right_n.all() or not right_n.any():
        return 1.0, 0.0
    logits = logit(p_n)
    sign = np.where(right_n, 1.0, -1.0)

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        slope, intercept = parameters
        return float(np.logaddexp(0, -sign * (slope * logits + intercept)).mean())

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x.tolist()
    return max(slope, 0.0), intercept


def fit_min_probability(
    p_n: npt.NDArray[np.float64], right_n: npt.NDArray[np.bool_], max_wrong: float
) -> float:
    """Return the least probability such that of those above it few enough are wrong.

    Args:
        p_n: float64[n], calibrated.
        right_n: bool[n].
        max_wrong: share of all n that may be above it and wrong.
    """
    thresholds, _, wrong = cumulative_errors(p_n, ~right_n)
    allowed = np.flatnonzero(wrong / len(p_n) <= max_wrong)
    return float(thresholds[allowed[-1]]) if len(allowed) else 1.0


def logit(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return log(p / (1 - p)), at most 12 in size."""
    bound = 1 / (1 + math.exp(-MAX_LOGIT))
    clipped = np.clip(p, 1 - bound, bound)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float64)
