"""Laws of metrics and of ensembles that hold for every prediction."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tenfold.evaluation.metrics import ensemble_log_probabilities, measure

untimed = settings(deadline=None)  # the first call imports SciPy


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities [m, n, 10] and labels [n], for 1 to 4 members and 1 to 12 images."""
    m, n = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    logits = draw(arrays(np.float64, (m, n, 10), elements=st.floats(-30, 30)))
    labels = draw(arrays(np.int64, n, elements=st.integers(0, 9)))
    top = logits.max(axis=-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True)), labels


@untimed
@given(predictions(), st.data())
def test_the_order_of_members_changes_nothing(
    predicted: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    members, _ = predicted
    shuffled = members[data.draw(st.permutations(range(len(members))))]
    np.testing.assert_allclose(
        ensemble_log_probabilities(shuffled), ensemble_log_probabilities(members), atol=1e-12
    )


@untimed
@given(predictions())
def test_an_ensemble_is_no_worse_than_its_members_on_average(
    predicted: tuple[np.ndarray, np.ndarray],
) -> None:
    """Jensen: -log is convex, so the loss of the mean is at most the mean of the losses."""
    members, labels = predicted
    together = measure(ensemble_log_probabilities(members), labels)
    alone = [measure(member, labels) for member in members]
    for key in ("nll_sum", "brier"):
        mean = float(np.mean([getattr(one, key) for one in alone]))
        assert getattr(together, key) <= mean + 1e-9 * (1 + mean)


@untimed
@given(predictions())
def test_equal_members_are_as_good_as_one(predicted: tuple[np.ndarray, np.ndarray]) -> None:
    one = predicted[0][0]
    np.testing.assert_allclose(ensemble_log_probabilities(np.stack([one] * 3)), one, atol=1e-12)


@untimed
@given(predictions(), st.data())
def test_the_order_of_images_changes_nothing(
    predicted: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    log_p, labels = predicted[0][0], predicted[1]
    order = data.draw(st.permutations(range(len(labels))))
    before, after = measure(log_p, labels), measure(log_p[order], labels[order])
    assert after.confusion == before.confusion
    assert after.recall == before.recall
    assert after.accuracy_interval == before.accuracy_interval
    for key in ("nll_sum", "brier", "ece"):
        assert math.isclose(getattr(after, key), getattr(before, key), abs_tol=1e-9)


@untimed
@given(predictions())
def test_figures_stay_within_their_bounds(predicted: tuple[np.ndarray, np.ndarray]) -> None:
    evaluation = measure(predicted[0][0], predicted[1])
    low, high = evaluation.accuracy_interval
    assert 0 <= low <= evaluation.accuracy <= high <= 1
    assert evaluation.nll_sum >= 0
    assert 0 <= evaluation.ece <= 1
    assert 0 <= evaluation.brier <= 2
    assert np.sum(evaluation.confusion) == len(predicted[1])
    assert np.trace(evaluation.confusion) == len(predicted[1]) - evaluation.errors
