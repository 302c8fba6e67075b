"""Calibration on validation images: temperature (Guo et al. 2017) and rejection threshold."""

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Reals
from tenfold.evaluation.risk_coverage import cumulative_errors

TEMPERATURE_RANGE = (0.05, 20.0)


def apply_temperature(log_probabilities_nk: Reals, temperature: float) -> npt.NDArray[np.float64]:
    """Divide log probabilities [n, k] by the temperature and normalise them again, in float64."""
    from scipy.special import log_softmax

    log_p = np.asarray(log_probabilities_nk, dtype=np.float64)
    scaled: npt.NDArray[np.float64] = log_softmax(log_p / temperature, axis=1)
    return scaled


def fit_temperature(log_probabilities_nk: Reals, labels_n: npt.NDArray[np.int64]) -> float:
    """Return the temperature in 0.05 … 20 that maximises the likelihood of the labels.

    A temperature above 1 makes predictions less confident, one below 1 more confident. The mean
    log likelihood is concave in 1 / temperature, so it has one maximum. Where every prediction is
    right, the maximum lies at infinite confidence. Such a set says nothing: the result is 1.

    Args:
        log_probabilities_nk: float[n, 10].
        labels_n: int64[n].
    """
    from scipy.optimize import minimize_scalar

    if np.array_equal(np.argmax(log_probabilities_nk, axis=1), labels_n):
        return 1.0
    rows = np.arange(len(labels_n))

    def loss(inverse: float) -> float:
        log_p = apply_temperature(log_probabilities_nk, 1 / inverse)
        return float(-log_p[rows, labels_n].mean())

    low, high = TEMPERATURE_RANGE
    best = minimize_scalar(loss, bounds=(1 / high, 1 / low), method="bounded")
    return float(1 / best.x)


def fit_rejection_threshold(  # noqa: PLR0913 - three operating points
    log_probabilities_nk: Reals,
    labels_n: npt.NDArray[np.int64],
    non_digits_mk: Reals,
    *,
    min_accuracy: float = 0.999,
    min_rejected_non_digits: float = 0.95,
    max_rejected_digits: float = 0.015,
) -> float:
    """Return the probability below which a reading is rejected.

    It is the larger of two: the one that makes enough of the accepted digits right, and the one
    that rejects enough non-digits. It is lowered where it would reject too many digits.

    Args:
        log_probabilities_nk: of validation digits, float[n, 10], calibrated.
        labels_n: int64[n].
        non_digits_mk: of pictures without a digit, float[m, 10], calibrated; m may be 0.
        min_accuracy: fraction of the accepted digits that is right.
        min_rejected_non_digits: fraction of the non-digits.
        max_rejected_digits: fraction of the digits.
    """
    confidence = np.exp(np.max(log_probabilities_nk, axis=1))
    wrong = np.argmax(log_probabilities_nk, axis=1) != labels_n
    thresholds, accepted, errors = cumulative_errors(confidence, wrong)
    accurate = np.flatnonzero(errors / accepted <= 1 - min_accuracy)
    threshold = float(thresholds[accurate[-1]]) if len(accurate) else 1.0
    if len(non_digits_mk):
        non_digits = np.exp(np.max(non_digits_mk, axis=1))
        threshold = max(threshold, float(np.quantile(non_digits, min_rejected_non_digits)))
    return min(threshold, float(np.quantile(confidence, max_rejected_digits, method="lower")))
