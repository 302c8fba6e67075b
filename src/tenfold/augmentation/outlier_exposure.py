"""Outlier exposure: non-digits, and digits unlike MNIST's, in place of a fraction of each batch.

A non-digit's target is the uniform distribution over the classes (Hendrycks, Mazeika & Dietterich
2019, "Deep anomaly detection with outlier exposure").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tenfold.data.mnist import NON_DIGIT_LABEL
from tenfold.data.sources import load_symbols
from tenfold.untrusted import Frozen


class OutlierExposure(Frozen):
    """The fractions of each batch that are replaced."""

    non_digits: float = Field(default=0.0, ge=0, lt=1, description="letters, symbols, scribbles, …")
    printed: float = Field(default=0.0, ge=0, lt=1, description="digits in fonts")
    drawn: float = Field(default=0.0, ge=0, lt=1, description="digits from templates of strokes")
    found: float = Field(default=0.0, ge=0, lt=1, description="what is found in rendered fields")
    symbols: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="letters and symbols of the set bhmsds-symbols; of a crop classifier the share "
        "of fields that are written with them",
    )
    bank_size: int = Field(
        default=6_000,
        ge=4,
        description="non-digits to draw from; a quarter as many printed, twice as many drawn, "
        "four times as many found",
    )

    @model_validator(mode="after")
    def _digits_are_left(self) -> Self:
        if self.non_digits + self.printed + self.drawn + self.found + self.symbols >= 1:
            raise ValueError(
                "non_digits, printed, drawn, found and symbols must add up to less than 1: "
                "nothing else is left"
            )
        return self


@dataclass(frozen=True)
class ImageBank:
    """Images to draw from: uint8[m, 28, 28], labels int64[m], and their fraction of a batch."""

    images: Tensor
    labels: Tensor
    fraction: float


def image_banks(config: OutlierExposure, seed: int) -> list[ImageBank]:
    """Render the images that replace others, but those that are found in fields.

    Returns:
        none where every fraction is 0.
    """
    if not config.non_digits + config.printed + config.drawn + config.symbols:
        return []
    # Fonts and image processing are imported only for the recipes that use them.
    from tenfold.rendering.non_digits import drawn_digits, non_digits, printed_digits

    size, banks = config.bank_size, []
    if config.non_digits:
        labels = torch.full((size,), NON_DIGIT_LABEL)
        banks.append(ImageBank(non_digits(size, seed), labels, config.non_digits))
    if config.printed:
        banks.append(ImageBank(*printed_digits(size // 4, seed), config.printed))
    if config.drawn:
        banks.append(ImageBank(*drawn_digits(size * 2, seed), config.drawn))
    if config.symbols:
        symbols = torch.from_numpy(load_symbols())
        labels = torch.full((len(symbols),), NON_DIGIT_LABEL)
        banks.append(ImageBank(symbols, labels, config.symbols))
    return banks


def replace_images(
    images: Tensor, labels: Tensor, banks: Sequence[ImageBank], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Replace the first images of a batch, which is in random order, by draws from the banks.

    Args:
        images: uint8[n, 28, 28].
        labels: int64[n].
        banks: such as those of `image_banks`.
        generator: source of the draws, on the CPU.

    Returns:
        images and labels of the same shapes, on the same device; the arguments are not changed.
    """
    images, labels, start = images.clone(), labels.clone(), 0
    for bank in banks:
        end = min(start + round(bank.fraction * len(images)), len(images))
        chosen = torch.randint(len(bank.images), (end - start,), generator=generator)
        images[start:end] = bank.images[chosen].to(images.device)
        labels[start:end] = bank.labels[chosen].to(labels.device)
        start = end
    return images, labels
