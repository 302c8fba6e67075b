"""Intervals and tests against SciPy's own, a coverage simulation and sums spelled out."""

import math

import numpy as np
import pytest
from scipy import stats

from tenfold.evaluation.statistics import mcnemar, paired, spread


def test_a_spread_is_scipy_s_interval_of_the_mean() -> None:
    values = [99.61, 99.58, 99.64, 99.60, 99.55]
    found = spread(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)
    assert found.half == pytest.approx((high - low) / 2)
    assert found.deviation == pytest.approx(np.std(values, ddof=1))
    assert (found.n, found.least, found.most) == (5, 99.55, 99.64)


def test_nineteen_in_twenty_intervals_hold_the_truth() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        found = spread(generator.normal(7, 2, 5).tolist())
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 7 <= found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_value_has_no_interval_and_none_is_an_error() -> None:
    found = spread([3.5])
    assert (found.mean, found.low, found.high, found.deviation) == (3.5, None, None, None)
    assert found.half is None
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_a_paired_difference_is_scipy_s() -> None:
    a, b = [1.0, 4.0, 2.0, 8.0], [1.5, 4.25, 3.0, 8.125]
    found, judge = paired(a, b), stats.ttest_rel(b, a)
    interval = judge.confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(b) - np.mean(a))
    assert found.p == pytest.approx(judge.pvalue)
    assert found.low == pytest.approx(interval.low)
    assert found.high == pytest.approx(interval.high)


def test_pairs_that_cannot_be_tested_have_no_p() -> None:
    assert paired([1], [2]).p is None
    assert paired([1, 2], [2, 3]).p is None
    # Both gaps are 0.0155 but for rounding, of which SciPy warns.
    assert paired([0.098, 0.0875], [0.1135, 0.103]).p is None
    assert paired([0.1, 0.1], [0.1, 0.1 + 1e-17]).p is None
    with pytest.raises(ValueError, match="broadcast"):
        paired([1, 2, 3], [1, 2])


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 5), (0, 6), (3, 9), (9, 3)])
def test_mcnemar_is_a_fair_coin_s_two_tails(only_a: int, only_b: int) -> None:
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    assert mcnemar(only_a, only_b) == pytest.approx(min(1, 2 * tail))
