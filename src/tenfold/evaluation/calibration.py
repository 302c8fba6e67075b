"""Temperature scaling (Guo, Pleiss, Sun & Weinberger 2017): one number that sets how sure to be."""

from typing import Any

import numpy as np
import numpy.typing as npt

_RANGE = (0.05, 20.0)

Floats = npt.NDArray[np.floating[Any]]


def apply_temperature(log_probabilities_nk: Floats, temperature: float) -> npt.NDArray[np.float64]:
    """Divide log probabilities [n, k] by the temperature and normalise them again, in float64."""
    from scipy.special import log_softmax

    log_p = np.asarray(log_probabilities_nk, dtype=np.float64)
    scaled: npt.NDArray[np.float64] = log_softmax(log_p / temperature, axis=1)
    return scaled


def fit_temperature(log_probabilities_nk: Floats, labels_n: npt.NDArray[np.int64]) -> float:
    """Return the temperature in 0.05 … 20 at which the labels are likeliest.

    Above 1 it makes predictions less sure, below 1 surer. The mean log likelihood is concave in
    1 / temperature, so the search is of one peak. Where every label is the likeliest class, the
    best would be never to doubt; so few images say nothing, and the answer is 1.
    """
    from scipy.optimize import minimize_scalar

    if np.array_equal(np.argmax(log_probabilities_nk, axis=1), labels_n):
        return 1.0
    rows = np.arange(len(labels_n))

    def loss(inverse: float) -> float:
        log_p = apply_temperature(log_probabilities_nk, 1 / inverse)
        return float(-log_p[rows, labels_n].mean())

    low, high = _RANGE
    best = minimize_scalar(loss, bounds=(1 / high, 1 / low), method="bounded")
    return float(1 / best.x)


def fit_acceptance(  # noqa: PLR0913 - three operating points
    log_probabilities_nk: Floats,
    labels_n: npt.NDArray[np.int64],
    strangers_mk: Floats,
    *,
    accuracy: float = 0.999,
    refused: float = 0.95,
    lost: float = 0.015,
) -> float:
    """Return the least probability at which a reading is accepted.

    It is the larger of two: what makes `accuracy` of the accepted digits right, and what refuses
    the share `refused` of pictures that are no digit; but never so large that more than the share
    `lost` of the digits is refused.

    Args:
        log_probabilities_nk: of validation digits, float[n, 10], calibrated.
        labels_n: int64[n].
        strangers_mk: of pictures that are no digit, float[m, 10]; m may be 0.
        accuracy: of what is accepted.
        refused: share of the pictures that are no digit.
        lost: share of the digits.
    """
    confidence = np.exp(np.max(log_probabilities_nk, axis=1))
    wrong = np.argmax(log_probabilities_nk, axis=1) != labels_n
    order = np.argsort(-confidence, kind="stable")
    share_wrong = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    sorted_p = confidence[order]
    together = np.append(sorted_p[1:] == sorted_p[:-1], False)  # with the next: both or neither
    good = np.flatnonzero((share_wrong <= 1 - accuracy) & ~together)
    surest = float(sorted_p[good[-1]]) if len(good) else 1.0
    if len(strangers_mk):
        strangers = np.exp(np.max(strangers_mk, axis=1))
        surest = max(surest, float(np.quantile(strangers, refused)))
    return min(surest, float(np.quantile(confidence, lost, method="lower")))
