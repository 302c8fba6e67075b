"""Statistics: interval of a mean, paired differences, McNemar's test, bound of a share."""

from collections.abc import Sequence

import numpy as np

from tenfold.artifacts.studies import Difference, Spread

CONFIDENCE = 0.95


def spread(values: Sequence[float]) -> Spread:
    """Describe a figure over independent runs, by Student's t (1908).

    Raises:
        ValueError: there are no values.
    """
    from scipy import stats

    if not values:
        raise ValueError("no values to describe")
    data = np.asarray(values, dtype=np.float64)
    mean, n = float(data.mean()), len(data)
    deviation = half = None
    if n > 1:
        deviation = float(data.std(ddof=1))
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * deviation / n**0.5
    return Spread(
        n=n,
        mean=mean,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        deviation=deviation,
        least=float(data.min()),
        most=float(data.max()),
    )


def paired(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Compare two figures measured in pairs, b - a, by the paired t-test (Student 1908).

    Raises:
        ValueError: the lengths differ, or there is no pair.
    """
    from scipy import stats

    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    gaps = second - first
    whole = spread(gaps.tolist())
    # One pair, or gaps that differ by rounding only: no test can be made.
    rounding = 1e-12 * max(np.abs(first).max(), np.abs(second).max())
    testable = np.ptp(gaps) > rounding
    p = float(stats.ttest_1samp(gaps, 0).pvalue) if testable else None
    return Difference(n=whole.n, mean=whole.mean, low=whole.low, high=whole.high, p=p)


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p of McNemar's test (1947).

    Args:
        only_a: images that only the first model gets right.
        only_b: images that only the second gets right.
    """
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def at_most(count: int, n: int) -> float:
    """Return the one-sided 95 % bound of a share by Clopper and Pearson (1934).

    Args:
        count: how many of a random sample have a property.
        n: size of the sample; 0 bounds nothing, and gives 1.
    """
    from scipy.stats import binomtest

    if not n:
        return 1.0
    test = binomtest(count, n, alternative="less")
    return float(test.proportion_ci(CONFIDENCE, "exact").high)
