"""Temperature and rejection threshold: a known distribution, arithmetic spelled out, laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.evaluation.calibration import (
    apply_temperature,
    fit_rejection_threshold,
    fit_temperature,
)


def sample(n: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw log probabilities, and labels that follow them at another temperature."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (n, 10))
    p = np.exp(logits / temperature)
    p /= p.sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    assert fit_temperature(*sample(40_000, temperature)) == pytest.approx(temperature, rel=0.03)


@given(st.integers(0, 50))
def test_no_temperature_on_a_grid_is_likelier(seed: int) -> None:
    log_p, labels = sample(60, 1.5, seed)

    def nll(temperature: float) -> float:
        return float(-apply_temperature(log_p, temperature)[range(60), labels].sum())

    best = nll(fit_temperature(log_p, labels))
    assert all(best <= nll(t) + 1e-4 for t in np.geomspace(0.05, 20, 100))


def test_nothing_is_learnt_where_nothing_is_wrong() -> None:
    log_p = np.log(np.full((3, 10), 0.05) + 0.5 * np.eye(10)[[1, 5, 7]])
    assert fit_temperature(log_p, np.array([1, 5, 7])) == 1


@given(st.floats(0.1, 10))
def test_it_keeps_the_order_and_sums_to_one(temperature: float) -> None:
    log_p, _ = sample(20, 1.0)
    scaled = apply_temperature(log_p, temperature)
    assert np.array_equal(scaled.argsort(axis=1), log_p.argsort(axis=1))
    np.testing.assert_allclose(np.exp(scaled).sum(axis=1), 1)
    by_hand = np.exp(log_p[0]) ** (1 / temperature)
    np.testing.assert_allclose(np.exp(scaled[0]), by_hand / by_hand.sum())


def sure(*confidences: float) -> np.ndarray:
    """Return log probabilities whose largest, of digit 3, are these; the rest is shared out."""
    p = np.repeat((1 - np.array([confidences]).T) / 9, 10, axis=1)
    p[:, 3] = confidences
    return np.log(p)


NO_NON_DIGITS = np.empty((0, 10))


def test_the_threshold_makes_the_accepted_right_enough() -> None:
    log_p = sure(0.99, 0.95, 0.9, 0.8, 0.7, 0.6)
    labels = np.array([3, 3, 3, 1, 3, 3])  # the fourth is wrong
    # Of the surest 1, 2, … 6 the share that is right: 1, 1, 1, 3/4, 4/5, 5/6.
    for accuracy, expected in ((1.0, 0.9), (0.9, 0.9), (0.83, 0.6), (0.8, 0.6), (0.7, 0.6)):
        threshold = fit_rejection_threshold(
            log_p, labels, NO_NON_DIGITS, min_accuracy=accuracy, max_rejected_digits=1
        )
        assert threshold == pytest.approx(expected)


def test_the_threshold_rejects_non_digits() -> None:
    log_p, labels = sure(*[0.99] * 10), np.full(10, 3)
    non_digits = sure(*np.arange(0.2, 0.95, 0.05))  # 15 of them
    for rejected, expected in ((0.5, 0.55), (1.0, 0.9), (0.0, 0.2)):
        threshold = fit_rejection_threshold(
            log_p,
            labels,
            non_digits,
            min_accuracy=0,
            min_rejected_non_digits=rejected,
            max_rejected_digits=1,
        )
        # Here the digits alone set 0.99: non-digits cannot lower it.
        assert threshold == pytest.approx(max(expected, 0.99))
    log_p = sure(0.99, *[0.15] * 9)
    for rejected, expected in ((0.5, 0.55), (1.0, 0.9), (0.0, 0.2)):
        threshold = fit_rejection_threshold(
            log_p,
            labels,
            non_digits,
            min_accuracy=0,
            min_rejected_non_digits=rejected,
            max_rejected_digits=1,
        )
        assert threshold == pytest.approx(expected)


def test_the_threshold_never_rejects_too_many_digits() -> None:
    log_p, labels = sure(*np.linspace(0.5, 0.9, 101)), np.full(101, 1)  # all wrong
    non_digits = sure(0.95, 0.97)
    for lost in (0.0, 0.1, 0.25, 1.0):
        threshold = fit_rejection_threshold(log_p, labels, non_digits, max_rejected_digits=lost)
        assert threshold == pytest.approx(0.5 + 0.4 * lost)
        assert (np.exp(log_p.max(axis=1)) < threshold - 1e-12).mean() <= lost


def test_equally_sure_digits_are_accepted_together_or_not_at_all() -> None:
    log_p = sure(0.9, 0.8, 0.8, 0.8, 0.7)
    for wrong in (1, 2, 3):
        labels = np.full(5, 3)
        labels[wrong] = 1
        assert fit_rejection_threshold(
            log_p, labels, NO_NON_DIGITS, min_accuracy=1, max_rejected_digits=1
        ) == pytest.approx(0.9)


@given(st.integers(0, 50), st.floats(0.9, 1), st.floats(0, 0.2))
def test_the_threshold_keeps_its_promises(seed: int, accuracy: float, lost: float) -> None:
    log_p, labels = sample(300, 1.5, seed)
    confidence = np.exp(log_p.max(axis=1))
    threshold = fit_rejection_threshold(
        log_p, labels, NO_NON_DIGITS, min_accuracy=accuracy, max_rejected_digits=lost
    )
    accepted = confidence >= threshold
    right = log_p.argmax(axis=1) == labels
    assert (~accepted).mean() <= lost + 1e-9
    enough = right[accepted].mean() >= accuracy - 1e-9
    one_more = (confidence <= threshold).mean()  # rejected, were it any higher
    assert enough or one_more > lost - 1 / 300
