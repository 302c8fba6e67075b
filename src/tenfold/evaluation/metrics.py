"""Metrics of a set of predictions: accuracy, likelihood, calibration, confusion.

Shapes: n images, k = 10 classes, m members; log probabilities float[n, 10], labels int[n].
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Reals
from tenfold.artifacts.evaluation import DigitMetrics, ReliabilityBin
from tenfold.data.mnist import CLASSES

BINS = 15
Labels = npt.NDArray[np.integer[Any]]


def measure(log_probabilities_nk: Reals, labels_n: Labels) -> DigitMetrics:
    """Measure predictions against labels, in float64.

    Raises:
        ValueError: there are no images, or the shapes do not fit.
    """
    log_p = np.asarray(log_probabilities_nk, dtype=np.float64)
    labels = np.asarray(labels_n, dtype=np.int64)
    n = len(labels)
    if n == 0 or log_p.shape != (n, CLASSES):
        raise ValueError(f"log probabilities {log_p.shape} do not fit {n} labels")
    p = np.exp(log_p)
    predicted = log_p.argmax(axis=1)
    right = predicted == labels
    nll_sum = float(-log_p[np.arange(n), labels].sum())
    confusion = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    of_class = confusion.sum(axis=1)
    bins = reliability(p.max(axis=1), right)
    return DigitMetrics(
        accuracy=float(right.mean()),
        accuracy_interval=wilson(int(right.sum()), n),
        errors=int(n - right.sum()),
        nll_sum=nll_sum,
        nll=nll_sum / n,
        ece=sum(
            b.count / n * abs(b.accuracy - b.confidence)
            for b in bins
            if b.accuracy is not None and b.confidence is not None
        ),
        brier=float(((p - np.eye(CLASSES)[labels]) ** 2).sum(axis=1).mean()),
        recall=tuple(
            float(confusion[c, c] / of_class[c]) if of_class[c] else None for c in range(CLASSES)
        ),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        reliability=bins,
    )


def reliability(confidence_n: Reals, right_n: npt.NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Sort images into equal bins of confidence: (0, 1/15], (1/15, 2/15], and so on."""
    edges = np.linspace(0, 1, BINS + 1)
    index = np.clip(np.searchsorted(edges, confidence_n, side="left") - 1, 0, BINS - 1)
    bins = []
    for b in range(BINS):
        inside = index == b
        count = int(inside.sum())
        bins.append(
            ReliabilityBin(
                low=float(edges[b]),
                high=float(edges[b + 1]),
                count=count,
                confidence=float(confidence_n[inside].mean()) if count else None,
                accuracy=float(right_n[inside].mean()) if count else None,
            )
        )
    return tuple(bins)


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion (1927)."""
    from scipy.stats import binomtest

    interval = binomtest(right, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def ensemble_log_probabilities(members_mnk: Reals) -> npt.NDArray[np.float64]:
    """Average members' probabilities: log of the mean of exp, without underflow.

    Args:
        members_mnk: log probabilities float[m, n, 10]; -inf is a probability of 0.

    Returns:
        Log probabilities float64[n, 10].
    """
    members = np.asarray(members_mnk, dtype=np.float64)
    mean: npt.NDArray[np.float64] = np.logaddexp.reduce(members, axis=0) - np.log(len(members))
    return mean
