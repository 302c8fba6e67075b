"""The numbers of a table's column are alike: a mark that the others lack is probably none.

Without its neighbours a slanted 1 looks like a slash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.mnist import CLASSES
from tenfold.reading.hypotheses import Hypothesis, rescaled

MARKS = DETECTED_CLASSES[CLASSES:]

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ColumnMarksConfig:
    """How much a number's neighbours say about its marks.

    Attributes:
        share: of all numbers, those with a certain mark, as the networks take for granted.
        strength: how many numbers of a column that share counts as.
        rounds: after each, the shares of a column are estimated anew.
    """

    share: float = 0.1
    strength: float = 2.0
    rounds: int = 5


def weigh_marks(
    texts: Sequence[list[Hypothesis]],
    columns: Sequence[int],
    config: ColumnMarksConfig = ColumnMarksConfig(),
) -> list[list[Hypothesis]]:
    """Return what numbers may say, given how many others of their columns have each mark.

    p(text) changes by the odds of each mark that it has or lacks: the mark's share of the other
    numbers of the column over the share that it has anywhere. A number that is alone in its column
    stays as it is. What the probabilities of a number's texts add up to stays the same.

    Args:
        texts: of each number, the most probable first.
        columns: the column of each number.
        config: of the estimate.
    """
    has = [np.array([[m in h.text for m in MARKS] for h in tried], bool) for tried in texts]
    before = [np.array([h.log_probability for h in tried]) for tried in texts]
    weighed = list(before)
    for column in set(columns):
        members = [k for k, one in enumerate(columns) if one == column]
        for _ in range(config.rounds):
            shares = np.array([_probable_marks(weighed[k], has[k]) for k in members])
            others = shares.sum(axis=0) - shares + config.share * config.strength
            others /= len(members) - 1 + config.strength
            for k, share in zip(members, others, strict=True):
                odds = np.where(has[k], share / config.share, (1 - share) / (1 - config.share))
                weighed[k] = before[k] + np.log(odds).sum(axis=1)
    return [rescaled(tried, logs) for tried, logs in zip(texts, weighed, strict=True)]


def _probable_marks(log_probabilities: Doubles, has: npt.NDArray[np.bool_]) -> Doubles:
    """Return the probability that a number has each mark."""
    p = np.exp(log_probabilities - np.logaddexp.reduce(log_probabilities))
    return np.asarray(p @ has)
