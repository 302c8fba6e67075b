"""What a row of detections may be read as: texts with probabilities, the most probable first.

Detections that exclude each other (two boxes over one stroke) form a region. The ways to read a
region are its sets of detections that do not exclude each other. Regions are independent.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tenfold.bundle.detector_runtime import Detections
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.reading.suppression import SuppressionConfig, exclusions

MAX_OF_REGION = 6  # detections of a region that are considered, the most certain ones
CLASSES_CONSIDERED = 4  # of each detection
MIN_PROBABILITY = 1e-4  # of a choice; less probable ones are left out


class Hypothesis(NamedTuple):
    """One way to read a number.

    Attributes:
        text: digits and marks.
        log_probability: of all of it, not calibrated.
        detections: the index of each character's detection.
    """

    text: str
    log_probability: float
    detections: tuple[int, ...]


Choice = tuple[float, str, tuple[int, ...]]  # cost, text, detections


def hypotheses(row: Detections, config: SuppressionConfig) -> Iterator[Hypothesis]:
    """Yield the ways to read a row of detections, the most probable first.

    Args:
        row: from left to right; detections may exclude each other.
        config: when two do.
    """
    excluded = exclusions(row.boxes, row.labels, config)
    rivals = [set(np.flatnonzero(line).tolist()) for line in excluded]
    regions = [_choices(row, region, rivals) for region in _regions(row, rivals)]
    for cost, places in _cheapest([[choice[0] for choice in region] for region in regions]):
        chosen = [region[place] for region, place in zip(regions, places, strict=True)]
        yield _joined(cost, chosen)


def by_text(found: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Add up the hypotheses of each text; the most probable text comes first."""
    best: dict[str, Hypothesis] = {}
    logs: dict[str, list[float]] = {}
    for hypothesis in found:
        text = hypothesis.text
        best.setdefault(text, hypothesis)
        logs.setdefault(text, []).append(hypothesis.log_probability)
    merged = [h._replace(log_probability=log_sum(logs[text])) for text, h in best.items()]
    return sorted(merged, key=lambda h: -h.log_probability)


def log_sum(log_probabilities: Sequence[float]) -> float:
    """Return the logarithm of a sum; of a thousand digits the probability itself may be 0."""
    return float(np.logaddexp.reduce(log_probabilities))


def rescaled(
    texts: Sequence[Hypothesis], log_probabilities: npt.NDArray[np.float64]
) -> list[Hypothesis]:
    """Return texts with other probabilities that add up to the same; the best comes first."""
    before = log_sum([text.log_probability for text in texts])
    logs = log_probabilities + before - np.logaddexp.reduce(log_probabilities)
    order = np.argsort(-logs, kind="stable").tolist()
    return [texts[k]._replace(log_probability=float(logs[k])) for k in order]


def _joined(cost: float, choices: Sequence[Choice]) -> Hypothesis:
    text = "".join(choice[1] for choice in choices)
    return Hypothesis(text, -cost, tuple(k for choice in choices for k in choice[2]))


def _regions(row: Detections, rivals: Sequence[set[int]]) -> list[list[int]]:
    """Group detections that exclude each other, directly or through others.

    Args:
        row: the detections.
        rivals: of each detection, those that it excludes.
    """
    regions: list[list[int]] = []
    left = set(range(len(row.boxes)))
    while left:
        region, new = set[int](), {min(left)}
        while new:
            region |= new
            new = _rivals_of(new, rivals) - region
        left -= region
        best = sorted(region, key=lambda k: -row.objectness[k])[:MAX_OF_REGION]
        regions.append(sorted(best))
    return regions


def _choices(row: Detections, region: Sequence[int], rivals: Sequence[set[int]]) -> list[Choice]:
    """Return the ways to read a region with their costs, -log p, the cheapest first."""
    present = {k: min(max(float(row.objectness[k]), 1e-6), 1 - 1e-6) for k in region}
    classes = {k: _classes(row.classes[k]) for k in region}
    weights: dict[tuple[int, ...], float] = {}
    for size in range(len(region) + 1):
        for subset in itertools.combinations(region, size):
            explained = _rivals_of(subset, rivals)
            if not explained.isdisjoint(subset):
                continue
            absent = [k for k in region if k not in explained and k not in subset]
            weights[subset] = math.prod(present[k] for k in subset) * math.prod(
                1 - present[k] for k in absent
            )
    total = sum(weights.values())
    found: list[Choice] = []
    for subset, weight in weights.items():
        for labels in itertools.product(*(classes[k] for k in subset)):
            p = weight / total * math.prod(p for _, p in labels)
            if p > MIN_PROBABILITY:
                text = "".join(DETECTED_CLASSES[label] for label, _ in labels)
                found.append((-math.log(p), text, subset))
    return sorted(found) or [(0.0, "", ())]


def _rivals_of(detections: Iterable[int], rivals: Sequence[set[int]]) -> set[int]:
    return set().union(*(rivals[k] for k in detections))


def _classes(probabilities: npt.NDArray[np.float32]) -> list[tuple[int, float]]:
    order = np.argsort(-probabilities, kind="stable")[:CLASSES_CONSIDERED].tolist()
    return [(k, float(probabilities[k])) for k in order if probabilities[k] > MIN_PROBABILITY]


def _cheapest(costs: Sequence[Sequence[float]]) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Yield picks of one place of each list in the order of their summed costs.

    A pick is kept as the places that are not the first. It is changed at the last list of these
    and at the next one only, the lists in the order in which leaving their first place costs more:
    so every pick is made once, from one that costs less.

    Args:
        costs: each list is sorted.
    """
    lists = [k for k, choices in enumerate(costs) if len(choices) > 1]
    lists.sort(key=lambda k: costs[k][1] - costs[k][0])
    first = sum(choices[0] for choices in costs)
    heap: list[tuple[float, tuple[tuple[int, int], ...]]] = [(first, ())]
    while heap:
        cost, changes = heapq.heappop(heap)
        yield cost, _places(len(costs), lists, changes)
        *kept, (last, place) = changes or [(-1, 0)]
        after = [(*changes, (last + 1, 1))]
        if changes:
            after.append((*kept, (last, place + 1)))
        if place == 1:
            after.append((*kept, (last + 1, 1)))
        for new in after:
            if new[-1][0] < len(lists) and new[-1][1] < len(costs[lists[new[-1][0]]]):
                added = sum(costs[lists[k]][j] - costs[lists[k]][0] for k, j in new)
                heapq.heappush(heap, (first + added, new))


def _places(
    count: int, lists: Sequence[int], changes: Sequence[tuple[int, int]]
) -> tuple[int, ...]:
    places = [0] * count
    for k, place in changes:
        places[lists[k]] = place
    return tuple(places)
