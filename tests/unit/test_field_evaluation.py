"""Matching detections with labels, and the two numbers of a calibration, worked out by hand."""

import numpy as np
import pytest
from scipy.special import expit

from tenfold.evaluation.fields import fit_calibration, fit_min_probability, match_boxes

LABELS = np.array([[3, 50, 30, 16, 30], [1, 70, 30, 4, 30]], np.float32)


@pytest.mark.parametrize(
    ("centres", "matches"),
    [
        ([(51, 31), (69, 30)], [0, 1]),
        ([(57.9, 38.9)], [0]),  # less than half of the width and 0.3 of the height away
        ([(58.1, 30)], [-1]),
        ([(50, 39.1)], [-1]),
        ([(72.9, 30)], [1]),  # a narrow 1 may be 3 pixels away
        ([(50, 30), (50, 30)], [0, -1]),  # an object is found once
        ([], []),
    ],
)
def test_a_detection_is_matched_with_a_near_object(
    centres: list[tuple[float, float]], matches: list[int]
) -> None:
    boxes = np.array([(*centre, 16, 30) for centre in centres], np.float32).reshape(-1, 4)
    assert match_boxes(boxes, LABELS).tolist() == matches


def test_nothing_is_matched_where_there_is_nothing() -> None:
    boxes = np.array([[50, 30, 16, 30]], np.float32)
    assert match_boxes(boxes, LABELS[:0]).tolist() == [-1]


def test_a_calibration_finds_the_curve_that_outcomes_were_drawn_from() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, 50_000)
    right = random.random(50_000) < expit(3 * logits + 0.7)
    np.testing.assert_allclose(fit_calibration(expit(logits), right), (3, 0.7), rtol=0.1)


def test_the_least_probability_lets_few_mistakes_through() -> None:
    p = np.array([0.99, 0.9, 0.8, 0.7, 0.6])
    right = np.array([True, True, False, True, False])
    assert fit_min_probability(p, right, 0.2) == 0.7
    assert fit_min_probability(p, right, 0.0) == 0.9
    assert fit_min_probability(p[:1], ~right[:1], 0.0) == 1.0


def test_equal_probabilities_are_accepted_together() -> None:
    p, right = np.array([0.95, 0.9, 0.9, 0.5]), np.array([True, True, False, True])
    assert fit_min_probability(p, right, 0.0) == 0.95
    assert fit_min_probability(p, right, 0.25) == 0.5
