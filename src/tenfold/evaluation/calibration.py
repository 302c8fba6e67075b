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
