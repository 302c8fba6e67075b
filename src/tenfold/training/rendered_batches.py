"""Batches of rendered pictures."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class RenderedBatches(Generic[T]):
    """Training batches as a pure function of the renderer's seed and the step.

    Args:
        render: renders the picture of an index; all have one size.
        stack: makes pixels and labels of several pictures.
        images_before: how many pictures the iterations before a step use, in all.
        device: where batches are put.
    """

    def __init__(
        self,
        render: Callable[[int], T],
        stack: Callable[[Sequence[T]], tuple[Tensor, Tensor]],
        images_before: Callable[[int], int],
        device: torch.device,
    ) -> None:
        self.render = render
        self.stack = stack
        self.images_before = images_before
        self.device = device

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of iteration `step`."""
        indices = range(self.images_before(step), self.images_before(step + 1))
        pixels, labels = self.stack([self.render(index) for index in indices])
        return pixels.to(self.device), labels.to(self.device)
