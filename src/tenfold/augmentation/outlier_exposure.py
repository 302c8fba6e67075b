"""What takes the place of a share of each batch: negatives, printed and drawn digits."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.augmentation.degradations import Imitation

NO_DIGIT = -1  # the label of a negative

_BANK = 6_000  # negatives that a training draws from


@dataclass(frozen=True)
class Bank:
    """Images to draw from: uint8[m, 28, 28], labels int64[m], and their share of a batch."""

    images: Tensor
    labels: Tensor
    share: float


class Strangers:
    """Negatives, printed and drawn digits that take the place of a share of each batch."""

    def __init__(self, config: Imitation, seed: int) -> None:
        self.banks: list[Bank] = []
        if not config.negatives + config.printed + config.drawn:
            return
        # Fonts and image processing are for the recipes that ask for them.
        from tenfold.rendering.non_digits import drawn_digits, non_digits, printed_digits

        if config.negatives:
            labels = torch.full((_BANK,), NO_DIGIT)
            self.banks.append(Bank(non_digits(_BANK, seed), labels, config.negatives))
        if config.printed:
            self.banks.append(Bank(*printed_digits(_BANK // 4, seed), config.printed))
        if config.drawn:
            self.banks.append(Bank(*drawn_digits(_BANK * 2, seed), config.drawn))

    def join(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Replace the first images of a batch; which ones, the order of the batch has drawn."""
        images, labels, start = images.clone(), labels.clone(), 0
        for bank in self.banks:
            end = min(start + round(bank.share * len(images)), len(images))
            chosen = torch.randint(len(bank.images), (end - start,), generator=generator)
            images[start:end] = bank.images[chosen].to(images.device)
            labels[start:end] = bank.labels[chosen].to(labels.device)
            start = end
        return images, labels
