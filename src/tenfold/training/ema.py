"""Exponential moving average (EMA) of the weights, which is what is evaluated and kept."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from tenfold.untrusted import Frozen


class EMAConfig(Frozen):
    """Every `every` steps, a ← decay·a + (1 - decay)·w."""

    decay: float = Field(default=0.0, ge=0, lt=1, description="0 turns it off")
    every: int = Field(default=5, gt=0, description="iterations between updates")


class EMA:
    """Averages of some tensors that training changes in place.

    Args:
        tensors: what is averaged; they are read at each update.
        config: decay and interval. With decay 0, `averages` are the tensors themselves.
    """

    def __init__(self, tensors: Sequence[Tensor], config: EMAConfig) -> None:
        self.config = config
        self._tensors = list(tensors)
        self.averages = [t.clone() for t in self._tensors] if config.decay else self._tensors

    def state(self) -> dict[str, Tensor]:
        """Return the averages by name for a checkpoint; none where they are the tensors."""
        averages = self.averages if self.config.decay else []
        return {f"average.{index}": tensor for index, tensor in enumerate(averages)}

    def update(self, step: int) -> None:
        """Take in what iteration `step`, counted from 0, has left, if it is one of the `every`.

        Early updates forget faster, so that the averages do not stick to the start.
        """
        if self.config.decay and (step + 1) % self.config.every == 0:
            count = (step + 1) // self.config.every
            decay = min(self.config.decay, (1 + count) / (10 + count))
            torch._foreach_lerp_(self.averages, self._tensors, 1 - decay)
