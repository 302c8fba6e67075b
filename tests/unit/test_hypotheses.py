"""Hypotheses against all of them, enumerated and sorted."""

import itertools
import math

import numpy as np
import pytest

from tenfold.bundle.detector_runtime import Detections
from tenfold.reading.hypotheses import _cheapest, hypotheses
from tenfold.reading.suppression import SuppressionConfig

CONFIG = SuppressionConfig()


def row(*detections: tuple[float, float, dict[int, float]]) -> Detections:
    """Make a row of detections 10 pixels wide, each (x, objectness, probabilities of classes)."""
    classes = np.zeros((len(detections), 14), np.float32)
    for line, (_, _, probabilities) in zip(classes, detections, strict=True):
        line[list(probabilities)] = list(probabilities.values())
    boxes = np.array([[x, 50, 10, 20] for x, _, _ in detections], np.float32).reshape(-1, 4)
    objectness = np.array([o for _, o, _ in detections], np.float32)
    return Detections(objectness, classes, boxes, np.zeros(len(boxes), np.float32))


def test_digits_that_stand_apart_are_independent() -> None:
    found = list(hypotheses(row((0, 0.9, {3: 0.8, 8: 0.2}), (40, 0.7, {1: 0.6, 7: 0.4})), CONFIG))
    expected = {
        first + second: p * q
        for (first, p), (second, q) in itertools.product(
            [("3", 0.72), ("8", 0.18), ("", 0.1)], [("1", 0.42), ("7", 0.28), ("", 0.3)]
        )
    }
    assert {h.text: math.exp(h.log_probability) for h in found} == pytest.approx(expected, rel=1e-4)
    costs = [-h.log_probability for h in found]
    assert costs == sorted(costs)
    assert found[0].text == "31"
    assert found[0].detections == (0, 1)


def test_detections_of_one_stroke_are_alternatives() -> None:
    """Of two that exclude each other one is there, or none: 0.8·1, 0.6·1, 0.2·0.4, normalised."""
    found = list(hypotheses(row((0, 0.8, {4: 1.0}), (1, 0.6, {9: 1.0})), CONFIG))
    total = 0.8 + 0.6 + 0.2 * 0.4
    expected = {"4": 0.8 / total, "9": 0.6 / total, "": 0.08 / total}
    assert {h.text: math.exp(h.log_probability) for h in found} == pytest.approx(expected, rel=1e-4)


def test_a_wide_digit_competes_with_the_two_in_its_place() -> None:
    """The middle one excludes both others, which do not exclude each other."""
    config = SuppressionConfig(max_overlap=0.3, min_distance=(0.0, 0.0))
    found = list(
        hypotheses(row((0, 0.7, {1: 1.0}), (4, 0.9, {4: 1.0}), (8, 0.7, {1: 1.0})), config)
    )
    assert {h.text for h in found} == {"11", "4", "1", ""}
    assert found[0].text == "4"
    p = {h.text: math.exp(h.log_probability) for h in found if h.text != "1"}
    assert p["4"] / p["11"] == pytest.approx(0.9 / 0.49, rel=1e-4)


def test_the_order_holds_over_many_regions() -> None:
    random = np.random.default_rng(0)
    detections = [
        (40.0 * k, float(random.uniform(0.3, 1)), {k: 0.7, (k + 1) % 10: 0.3}) for k in range(8)
    ]
    found = list(itertools.islice(hypotheses(row(*detections), CONFIG), 400))
    costs = [-h.log_probability for h in found]
    assert costs == sorted(costs)
    assert len({(h.text, h.detections) for h in found}) == len(found)


def test_the_cheapest_picks_are_those_of_all_of_them_sorted() -> None:
    random = np.random.default_rng(0)
    for _ in range(100):
        costs = [
            sorted(random.random(random.integers(1, 5)).tolist())
            for _ in range(random.integers(0, 6))
        ]
        every = itertools.product(*(range(len(choices)) for choices in costs))
        expected = {
            picks: sum(choices[k] for choices, k in zip(costs, picks, strict=True))
            for picks in every
        }
        found = list(_cheapest(costs))
        assert len(found) == len(expected)
        assert {picks: cost for cost, picks in found} == pytest.approx(expected)
        assert [cost for cost, _ in found] == pytest.approx(sorted(expected.values()))


def test_nothing_is_read_where_nothing_was_detected() -> None:
    assert [h.text for h in hypotheses(row(), CONFIG)] == [""]
