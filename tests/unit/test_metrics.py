"""Metrics against scikit-learn, and against arithmetic spelled out."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn import metrics as oracle

from tenfold.artifacts.evaluation import DigitMetrics
from tenfold.evaluation.metrics import (
    ensemble_log_probabilities,
    measure,
    reliability,
    wilson,
)

N = 500


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return np.asarray(logits - logsumexp(logits, axis=-1, keepdims=True))


@pytest.fixture(scope="module")
def predicted() -> tuple[np.ndarray, np.ndarray]:
    """A classifier that is right about two times in three."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, N)
    logits = generator.normal(size=(N, 10)) + 2.2 * np.eye(10)[labels]
    return log_softmax(logits), labels


@pytest.fixture(scope="module")
def measured(predicted: tuple[np.ndarray, np.ndarray]) -> DigitMetrics:
    return measure(*predicted)


def test_likelihood_brier_and_confusion_agree_with_scikit_learn(
    predicted: tuple[np.ndarray, np.ndarray], measured: DigitMetrics
) -> None:
    log_p, labels = predicted
    p, guess = np.exp(log_p), log_p.argmax(axis=1)
    assert 0.4 < measured.accuracy < 0.9
    assert measured.accuracy == pytest.approx(oracle.accuracy_score(labels, guess))
    assert measured.errors == int((labels != guess).sum())
    assert measured.nll == pytest.approx(oracle.log_loss(labels, p, labels=range(10)))
    assert measured.nll_sum == pytest.approx(N * measured.nll)
    brier = oracle.brier_score_loss(labels, p, labels=list(range(10)), scale_by_half=False)
    assert measured.brier == pytest.approx(brier)
    np.testing.assert_array_equal(measured.confusion, oracle.confusion_matrix(labels, guess))
    recall = oracle.recall_score(labels, guess, average=None)
    np.testing.assert_allclose(np.array(measured.recall, float), recall)


def test_calibration_agrees_with_a_slow_loop(
    predicted: tuple[np.ndarray, np.ndarray], measured: DigitMetrics
) -> None:
    log_p, labels = predicted
    gap = 0.0
    for b in range(15):
        sure, right = [], []
        for row, label in zip(np.exp(log_p), labels, strict=True):
            if b / 15 < row.max() <= (b + 1) / 15:
                sure.append(row.max())
                right.append(row.argmax() == label)
        bin_ = measured.reliability[b]
        assert bin_.count == len(sure)
        assert (bin_.low, bin_.high) == pytest.approx((b / 15, (b + 1) / 15))
        if sure:
            assert bin_.confidence == pytest.approx(np.mean(sure))
            assert bin_.accuracy == pytest.approx(np.mean(right))
            gap += len(sure) / N * abs(np.mean(sure) - np.mean(right))
        else:
            assert bin_.confidence is bin_.accuracy is None
    assert gap > 0.01
    assert measured.ece == pytest.approx(gap)
    assert sum(bin_.count for bin_ in measured.reliability) == N


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    edges = np.linspace(0, 1, 16)
    bins = reliability(edges[1:], np.ones(15, bool))
    assert [bin_.count for bin_ in bins] == [1] * 15
    assert [bin_.confidence for bin_ in bins] == list(edges[1:])


@pytest.mark.parametrize(("right", "n"), [(9957, 10000), (0, 7), (7, 7), (1, 3)])
def test_wilson_interval_is_its_formula(right: int, n: int) -> None:
    z, p = 1.959963984540054, right / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert wilson(right, n) == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_the_interval_is_that_of_the_accuracy(measured: DigitMetrics) -> None:
    low, high = measured.accuracy_interval
    assert (low, high) == wilson(N - measured.errors, N)
    assert low < measured.accuracy < high


def test_a_perfect_and_a_clueless_classifier() -> None:
    labels = np.arange(10)
    with np.errstate(divide="ignore"):
        perfect = measure(np.log(np.eye(10)), labels)
    assert (perfect.accuracy, perfect.nll_sum, perfect.ece, perfect.brier) == (1, 0, 0, 0)
    clueless = measure(np.full((10, 10), -math.log(10)), labels)
    assert clueless.nll == pytest.approx(math.log(10))
    assert clueless.brier == pytest.approx(0.9)
    assert clueless.ece == pytest.approx(0, abs=1e-12)  # one in ten right, one tenth sure


def test_a_class_without_images_has_no_recall() -> None:
    evaluation = measure(np.log(np.full((3, 10), 0.1)), np.array([0, 0, 4]))
    assert evaluation.recall == (1.0, None, None, None, 0.0, *[None] * 5)


def test_float16_is_summed_in_float64() -> None:
    log_p = np.full((40000, 10), math.log(0.1), np.float16)
    evaluation = measure(log_p, np.zeros(40000, np.uint8))
    assert evaluation.nll_sum == pytest.approx(-40000 * float(log_p[0, 0]), rel=1e-12)


@pytest.mark.parametrize("shape", [(3, 10), (2, 9), (20,)])
def test_what_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit 2 labels"):
        measure(np.zeros(shape), np.array([1, 2]))


def test_nothing_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="do not fit 0 labels"):
        measure(np.zeros((0, 10)), np.zeros(0, int))


def test_an_ensemble_averages_probabilities() -> None:
    members = log_softmax(np.random.default_rng(0).normal(size=(3, 20, 10)))
    np.testing.assert_allclose(
        np.exp(ensemble_log_probabilities(members)), np.exp(members).mean(axis=0)
    )


def test_an_ensemble_does_not_underflow() -> None:
    members = np.array([[[-2000.0] * 10], [[-2000.0] * 9 + [-np.inf]], [[-2000.0] * 9 + [-np.inf]]])
    expected = [-2000.0] * 9 + [-2000 - math.log(3)]
    np.testing.assert_allclose(ensemble_log_probabilities(members)[0], expected)


def test_what_all_members_exclude_stays_excluded() -> None:
    members = np.full((2, 1, 10), -np.inf)
    members[..., 0] = 0.0
    np.testing.assert_array_equal(ensemble_log_probabilities(members), members[0])
