"""Temperature scaling against a known distribution, a fine grid, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.evaluation.calibration import apply_temperature, fit_temperature


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
