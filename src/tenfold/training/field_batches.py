"""Batches of rendered fields for the detector."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tenfold.rendering.fields import Field, FieldRenderer

MAX_OBJECTS = 24


class FieldBatches:
    """Training batches as a pure function of the renderer's seed and the step.

    Args:
        renderer: of pictures that all have one size.
        images_before: how many pictures the iterations before a step use, in all.
        device: where batches are put.
    """

    def __init__(
        self,
        renderer: FieldRenderer,
        images_before: Callable[[int], int],
        device: torch.device,
    ) -> None:
        self.renderer = renderer
        self.images_before = images_before
        self.device = device

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of iteration `step`; see `stack_fields`."""
        indices = range(self.images_before(step), self.images_before(step + 1))
        pixels, labels = stack_fields([self.renderer.render(index) for index in indices])
        return pixels.to(self.device), labels.to(self.device)


def stack_fields(fields: list[Field]) -> tuple[Tensor, Tensor]:
    """Return pixels uint8[n, h, w] and labels float32[n, 24, 5]; rows without an object have -1."""
    labels = torch.full((len(fields), MAX_OBJECTS, 5), -1.0)
    for row, field in zip(labels, fields, strict=True):
        row[: len(field.labels)] = torch.from_numpy(field.labels[:MAX_OBJECTS])
    return torch.from_numpy(np.stack([field.pixels for field in fields])), labels
