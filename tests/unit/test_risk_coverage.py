"""Risk-coverage curves: against scikit-learn, and arithmetic spelled out."""

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import precision_recall_curve

from tenfold.artifacts.evaluation import MAX_POINTS, OperatingPoint, RiskCoverage
from tenfold.evaluation.risk_coverage import aurc, aurc_interval, measure_risk_coverage

NOTHING = OperatingPoint(confidence=None, accepted=0, wrong=0)


def predictions(n: int, seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidence with ties, and mistakes that are likelier where it is low."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0, 1, n).round(decimals)
    return confidence, random.uniform(0, 1, n) > confidence**0.3


@pytest.mark.parametrize("decimals", [1, 9])
def test_points_are_those_of_scikit_learn(decimals: int) -> None:
    confidence, wrong = predictions(200, 1, decimals)
    curve = measure_risk_coverage(confidence, wrong, NOTHING)
    precision, _, thresholds = precision_recall_curve(~wrong, confidence)
    assert [p.confidence for p in curve.points] == thresholds[::-1].tolist()
    accepted = [(confidence >= threshold).sum() for threshold in thresholds[::-1]]
    assert [p.accepted for p in curve.points] == accepted
    risk = [p.wrong / p.accepted for p in curve.points]
    np.testing.assert_allclose(risk, 1 - precision[:-1][::-1], atol=1e-12)
    widths = np.diff(accepted, prepend=0) / len(wrong)
    assert curve.aurc == pytest.approx((widths * (1 - precision[:-1][::-1])).sum())


def test_the_area_is_the_mean_risk() -> None:
    confidence = np.array([0.7, 0.9, 0.6, 0.8])
    wrong = np.array([False, False, True, True])  # sorted: right, wrong, right, wrong
    curve = measure_risk_coverage(confidence, wrong, NOTHING)
    assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert curve.excess_aurc == pytest.approx(curve.aurc - (0 + 0 + 1 / 3 + 2 / 4) / 4)
    assert [(p.accepted, p.wrong) for p in curve.points] == [(1, 0), (2, 1), (3, 1), (4, 2)]


def test_equal_confidence_is_accepted_together() -> None:
    confidence, wrong = np.array([0.5, 0.9, 0.5]), np.array([True, False, False])
    for order in ([0, 1, 2], [2, 1, 0]):
        curve = measure_risk_coverage(confidence[order], wrong[order], NOTHING)
        assert [(p.accepted, p.wrong) for p in curve.points] == [(1, 0), (3, 1)]
        assert curve.aurc == pytest.approx((0 + 1 / 3 + 1 / 3) / 3)


def test_mistakes_that_come_last_have_no_excess() -> None:
    confidence, wrong = np.array([0.9, 0.8, 0.2, 0.1]), np.array([False, False, True, True])
    assert measure_risk_coverage(confidence, wrong, NOTHING).excess_aurc == 0


def test_a_long_curve_is_thinned_and_its_area_is_not() -> None:
    confidence, wrong = predictions(5000, 2, 9)
    curve = measure_risk_coverage(confidence, wrong, NOTHING)
    assert len(curve.points) == MAX_POINTS
    assert (curve.points[-1].accepted, curve.points[-1].wrong) == (5000, wrong.sum())
    order = np.argsort(-confidence)
    assert curve.aurc == pytest.approx((wrong[order].cumsum() / np.arange(1, 5001)).mean())


def test_the_interval_is_that_of_resampled_readings() -> None:
    confidence, wrong = predictions(300, 3, 2)
    random = np.random.default_rng(7)
    drawn = random.integers(0, 300, (1000, 300))
    areas = [aurc(confidence[rows], wrong[rows]) for rows in drawn]
    expected = np.quantile(areas, [0.025, 0.975])
    found = aurc_interval(confidence, wrong)
    assert found is not None
    assert found == pytest.approx(expected, abs=0.1 * np.ptp(expected))


@pytest.mark.parametrize("wrong", [[], [False, False], [True, True]])
def test_where_all_is_right_or_wrong_there_is_no_interval(wrong: list[bool]) -> None:
    assert aurc_interval(np.full(len(wrong), 0.5), np.array(wrong, bool)) is None


def test_points_that_do_not_fit_are_refused() -> None:
    whole = measure_risk_coverage(*predictions(20, 4, 9), NOTHING).model_dump()
    with pytest.raises(ValidationError, match="the points do not go"):
        RiskCoverage.model_validate(whole | {"of": 21})
    with pytest.raises(ValidationError, match="wrong is more than accepted"):
        OperatingPoint(confidence=0.5, accepted=3, wrong=4)
