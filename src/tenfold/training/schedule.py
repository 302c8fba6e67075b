"""Schedules: learning rate, batch size and L2 coefficient as pure functions of the step."""

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from tenfold.untrusted import Frozen

MAX_ITERATIONS = 10**9
MAX_BATCH = 10**6
LARGEST_VALUE = 1e38  # float32 ends at 3e38
ROUNDING = 1e-12  # of a ramp's larger end: more than its arithmetic errs by


class Hyperparameters(NamedTuple):
    """What the schedule sets for one step."""

    stage: int
    learning_rate: float
    batch_size: int
    l2_coefficient: float


class Ramp(Frozen):
    """A quantity that moves from `start` to `end` over the iterations of a stage.

    With t from 0 (first iteration) to 1 (last): linear is `start + t·(end - start)`,
    geometric is `start · (end / start)^t`, cosine is `end + (start - end)·(1 + cos πt)/2`.
    """

    start: float = Field(ge=0, le=LARGEST_VALUE)
    end: float = Field(ge=0, le=LARGEST_VALUE)
    shape: Literal["linear", "geometric", "cosine"] = "linear"

    @model_validator(mode="before")
    @classmethod
    def _constant(cls, value: object) -> object:
        """Read a bare number as a constant."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"start": value, "end": value}
        return value

    @model_validator(mode="after")
    def _geometric_ends(self) -> Self:
        if self.shape == "geometric" and not (self.start > 0 and self.end > 0):
            raise ValueError("a geometric ramp needs both ends above 0")
        return self

    def at(self, t: float) -> float:
        """Return the value at `t` in [0, 1]; both ends are exact."""
        if t <= 0 or self.start == self.end:
            return self.start
        if t >= 1:
            return self.end
        if self.shape == "geometric":
            return float(self.start * (self.end / self.start) ** t)
        # A sum of positive terms: no digits are lost where the ends differ by many powers of ten.
        end_weight = math.sin(math.pi / 2 * t) ** 2 if self.shape == "cosine" else t
        start_weight = math.cos(math.pi / 2 * t) ** 2 if self.shape == "cosine" else 1 - t
        return self.start * start_weight + self.end * end_weight


class Stage(Frozen):
    """A stretch of training in which each hyperparameter follows its ramp."""

    iterations: int = Field(gt=0, le=MAX_ITERATIONS)
    learning_rate: Ramp
    batch_size: Ramp
    l2_coefficient: Ramp = Ramp(start=0, end=0)
    batch_multiple: int = Field(
        default=1, gt=0, description="batch sizes round to a multiple of it"
    )

    @model_validator(mode="after")
    def _positive_batches(self) -> Self:
        ends = (self.batch_size.start, self.batch_size.end)
        if not 1 <= min(ends) <= max(ends) <= MAX_BATCH:
            raise ValueError(f"batch_size must be 1 to {MAX_BATCH:,} at both ends")
        return self

    def at(self, index: int, iteration: int) -> Hyperparameters:
        """Return the hyperparameters of this stage, the `index`-th, at its `iteration` (from 0)."""
        t = self._time(iteration)
        batch = self._rounded(self.batch_size.at(t))
        return Hyperparameters(index, self.learning_rate.at(t), batch, self.l2_coefficient.at(t))

    def batch_sizes(self, update_every: int) -> Iterator[tuple[int, int]]:
        """Yield the batch sizes in turn, each after the iteration from which it holds.

        Args:
            update_every: see `Schedule`.
        """
        updates = [(0, (self.iterations - 1) // update_every)]
        before = 0
        while updates:
            first, last = updates.pop()
            if first < last and not self._is_one_size(first * update_every, last * update_every):
                middle = (first + last) // 2
                updates += [(middle + 1, last), (first, middle)]
                continue
            size = self._rounded(self.batch_size.at(self._time(first * update_every)))
            if size != before:
                yield first * update_every, size
            before = size

    def _is_one_size(self, first: int, last: int) -> bool:
        """Tell whether all batches from one iteration to another have one size.

        A ramp moves one way. So its values lie between those at the two iterations, but for what
        their arithmetic errs by.
        """
        ramp = self.batch_size
        if ramp.start == ramp.end:
            return True
        low, high = sorted(ramp.at(self._time(iteration)) for iteration in (first, last))
        error = ROUNDING * max(ramp.start, ramp.end)
        return self._rounded(low - error) == self._rounded(high + error)

    def _time(self, iteration: int) -> float:
        return iteration / max(self.iterations - 1, 1)

    def _rounded(self, batch_size: float) -> int:
        multiple = self.batch_multiple
        return max(multiple, multiple * round(batch_size / multiple))


class Schedule:
    """Stages one after the other; `at(step)` needs no state, so neither does resuming.

    Hyperparameters are evaluated at the last multiple of `update_every` within their stage
    (the seed report recomputes them every 50 iterations).
    """

    def __init__(self, stages: Sequence[Stage], update_every: int = 1) -> None:
        self.stages = tuple(stages)
        self.update_every = update_every
        self._ends = np.cumsum([stage.iterations for stage in self.stages])
        self.iterations = int(self._ends[-1])

    def at(self, step: int) -> Hyperparameters:
        """Return the hyperparameters of iteration `step`, 0 ≤ step < iterations."""
        if not 0 <= step < self.iterations:
            raise IndexError(f"step {step} is outside 0 … {self.iterations - 1}")
        index = int(np.searchsorted(self._ends, step, side="right"))
        stage = self.stages[index]
        within = step - (int(self._ends[index]) - stage.iterations)
        return stage.at(index, within - within % self.update_every)

    def images_before(self, step: int) -> int:
        """Return how many training images the iterations before `step` use, 0 ≤ step ≤ iterations.

        It tries few iterations: a table of all would take gigabytes of a long schedule.
        """
        if not 0 <= step <= self.iterations:
            raise IndexError(f"step {step} is outside 0 … {self.iterations}")
        firsts, sizes, images = self._batch_sizes
        k = bisect.bisect_right(firsts, step) - 1
        return images[k] + sizes[k] * (step - firsts[k])

    @cached_property
    def _batch_sizes(self) -> tuple[list[int], list[int], list[int]]:
        """From which iteration each batch size holds, the size, and how many images came before."""
        found = [
            (start + first, size)
            for start, stage in zip([0, *self._ends.tolist()], self.stages, strict=False)
            for first, size in stage.batch_sizes(self.update_every)
        ]
        firsts, sizes = (list(column) for column in zip(*found, strict=True))
        used = (size * (end - first) for (first, size), (end, _) in itertools.pairwise(found))
        return firsts, sizes, [0, *itertools.accumulate(used)]
