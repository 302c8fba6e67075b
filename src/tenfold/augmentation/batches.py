"""Batches of digits: sampled, deskewed, replaced by outliers, moved, degraded."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.augmentation.degradations import Degradations, degrade
from tenfold.augmentation.geometric import Augmentation, augment
from tenfold.augmentation.outlier_exposure import ImageBank, replace_images
from tenfold.data.deskew import deskewed
from tenfold.data.digits import Digits
from tenfold.data.sampling import IndexStream
from tenfold.data.seeds import derive_seed

Augment = Callable[[Tensor, Augmentation, torch.Generator], Tensor]

DESKEWING_CHUNK = 500


class DigitBatches:
    """Training batches as a pure function of the seed and the step.

    Args:
        digits: images and labels to draw from.
        images_before: how many images the iterations before a step use, in all.
        augmentation: how images are moved, and how many are deskewed first.
        degradations: what is then done to them.
        banks: what replaces some of the images before they are moved.
        seed: decides the order of images and all other draws.
        device: where batches are made; random numbers are drawn on the CPU, whatever it is.

    Attributes:
        augment: moves uint8 images [n, 28, 28]; returns float32 in [0, 1].
        labels: of each image. An experiment may put another function or other targets in place
            of these two.
    """

    def __init__(  # noqa: PLR0913 - one argument for each thing that is done
        self,
        digits: Digits,
        images_before: Callable[[int], int],
        *,
        augmentation: Augmentation,
        degradations: Degradations,
        banks: Sequence[ImageBank],
        seed: int,
        device: torch.device,
    ) -> None:
        self.images_before = images_before
        self.augmentation = augmentation
        self.degradations = degradations
        self.augment: Augment = augment
        self.seed = seed
        self.device = device
        self.stream = IndexStream(len(digits), derive_seed(seed, "order"))
        self.banks = banks
        self.labels = digits.labels.to(device)
        self.images = digits.images.to(device)
        if augmentation.deskew:  # each image, then each deskewed
            self.images = torch.cat([self.images, deskew_images(digits.images).to(device)])
        self._generator = torch.Generator()

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of iteration `step`: pixels float32[n, 28, 28] in [0, 1], labels [n].

        Labels are int64; non-digits have -1.
        """
        self._generator.manual_seed(derive_seed(self.seed, "step", step))
        first, end = self.images_before(step), self.images_before(step + 1)
        indices = self.stream.indices(first, end - first).to(self.device)
        images, labels = self.images[self._some_deskewed(indices)], self.labels[indices]
        if self.banks:
            images, labels = replace_images(images, labels, self.banks, self._generator)
        pixels = self.augment(images, self.augmentation, self._generator)
        if self.degradations.active:
            pixels = degrade(pixels.cpu(), self.degradations, self._generator).to(self.device)
        return pixels, labels

    def _some_deskewed(self, indices: Tensor) -> Tensor:
        """Draw which of a batch's images are deskewed; return their indices in `self.images`."""
        if not self.augmentation.deskew:
            return indices
        drawn = torch.rand(len(indices), generator=self._generator) < self.augmentation.deskew
        return indices + len(self.labels) * drawn.to(self.device)


def deskew_images(images_nhw: Tensor) -> Tensor:
    """Deskew uint8 images [n, 28, 28] on the CPU, to whole grey levels."""
    chunks = torch.split(images_nhw, DESKEWING_CHUNK)
    levels = (deskewed(chunk.numpy().astype(np.float32)).round() for chunk in chunks)
    return torch.cat([torch.from_numpy(level.astype(np.uint8)) for level in levels])
