"""Selective prediction: how many readings are wrong of those that are accepted."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.artifacts.evaluation import MAX_POINTS, OperatingPoint, RiskCoverage

RESAMPLES = 1000

Confidence = npt.NDArray[np.floating[Any]]
Wrong = npt.NDArray[np.bool_]


def measure_risk_coverage(
    confidence_n: Confidence, wrong_n: Wrong, chosen: OperatingPoint
) -> RiskCoverage:
    """Accept more and more readings, the most confident first; see `RiskCoverage`.

    Args:
        confidence_n: float[n] in 0 … 1, n at least 1. Equal ones are accepted together.
        wrong_n: bool[n].
        chosen: what the bundle accepts.
    """
    thresholds, accepted, wrong = cumulative_errors(confidence_n, wrong_n)
    shown = np.unique(np.linspace(0, len(accepted) - 1, MAX_POINTS).astype(int))
    area = aurc(confidence_n, wrong_n)
    mistakes_last = aurc(-np.arange(len(wrong_n), dtype=float), np.sort(wrong_n))
    return RiskCoverage(
        of=len(wrong_n),
        points=tuple(
            OperatingPoint(confidence=c, accepted=a, wrong=w)
            for c, a, w in zip(
                thresholds[shown].tolist(),
                accepted[shown].tolist(),
                wrong[shown].tolist(),
                strict=True,
            )
        ),
        chosen=chosen,
        aurc=area,
        excess_aurc=max(0.0, area - mistakes_last),
    )


def aurc(confidence_n: Confidence, wrong_n: Wrong) -> float:
    """Return the area under the risk-coverage curve, 0 … 1.

    Of n readings it is the mean of the n risks at coverage 1/n, 2/n … 1; in a group of equal
    confidence, each has the risk of the whole group's coverage.
    """
    _, accepted, wrong = cumulative_errors(confidence_n, wrong_n)
    return float(np.sum(np.diff(accepted, prepend=0) * wrong / accepted) / len(wrong_n))


def aurc_interval(confidence_n: Confidence, wrong_n: Wrong) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of `aurc`; None if all is right or wrong."""
    from scipy.stats import bootstrap

    if wrong_n.all() or not wrong_n.any():
        return None
    low, high = bootstrap(
        (confidence_n, wrong_n),
        aurc,
        paired=True,
        vectorized=False,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(low), float(high)


def cumulative_errors(
    confidence_n: Confidence, wrong_n: Wrong
) -> tuple[Confidence, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return each threshold, the highest first: how many are accepted, and wrong of these.

    Equal confidences are accepted together or not at all: no threshold separates them.
    """
    order = np.argsort(-confidence_n, kind="stable")
    ordered = confidence_n[order]
    is_last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    ends = np.flatnonzero(is_last)
    return ordered[ends], ends + 1, np.cumsum(wrong_n[order], dtype=np.intp)[ends]
