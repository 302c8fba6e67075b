"""Random draws that several renderers share. The source is always a generator that is passed in."""

import bisect
import itertools
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Random = np.random.Generator
Range = tuple[float, float]

T = TypeVar("T")


def bernoulli(random: Random, probability: float) -> bool:
    """Draw True with the given probability."""
    return bool(random.random() < probability)


def log_uniform(random: Random, bounds: Range) -> float:
    """Draw a positive number whose logarithm is uniform between those of the bounds."""
    return float(np.exp(random.uniform(*np.log(bounds))))


def weighted_choice(random: Random, choices: Sequence[tuple[T, float]]) -> T:
    """Draw one of the choices, each given with its probability; these add up to 1."""
    # As Generator.choice draws it, in a tenth of the time.
    cumulative = list(itertools.accumulate(probability for _, probability in choices))
    return choices[bisect.bisect_right(cumulative, random.random() * cumulative[-1])][0]
