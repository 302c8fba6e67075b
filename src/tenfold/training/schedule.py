"""Schedules: learning rate, batch size and L2 coefficient as pure functions of the step."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_ITERATIONS = 10**9
MAX_BATCH = 10**6
LARGEST_VALUE = 1e38  # float32 ends at 3e38


class Hyperparameters(NamedTuple):
    """What the schedule sets for one step."""

    stage: int
    learning_rate: float
    batch_size: int
    l2_coefficient: float


class Ramp(BaseModel):
    """A quantity that moves from `start` to `end` over the iterations of a stage.

    With t from 0 (first iteration) to 1 (last): linear is `start + t·(end - start)`,
    geometric is `start · (end / start)^t`, cosine is `end + (start - end)·(1 + cos πt)/2`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: float = Field(ge=0, le=LARGEST_VALUE, allow_inf_nan=False)
    end: float = Field(ge=0, le=LARGEST_VALUE, allow_inf_nan=False)
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


class Stage(BaseModel):
    """A stretch of training in which each hyperparameter follows its ramp."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        t = iteration / max(self.iterations - 1, 1)
        multiple = self.batch_multiple
        batch = max(multiple, multiple * round(self.batch_size.at(t) / multiple))
        return Hyperparameters(index, self.learning_rate.at(t), batch, self.l2_coefficient.at(t))


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

    @cached_property
    def _images(self) -> np.ndarray:
        sizes = [self.at(step).batch_size for step in range(self.iterations)]
        return np.concatenate([[0], np.cumsum(sizes)])

    def images_before(self, step: int) -> int:
        """Return how many training images the iterations before `step` have used."""
        return int(self._images[step])
