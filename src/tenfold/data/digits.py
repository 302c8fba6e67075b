"""Digits: images and labels in memory."""

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from tenfold.data.affine import AffineRanges, draw_inverses, warp
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class Digits:
    """Images and labels of digits.

    Args:
        images: uint8[n, 28, 28], white on black.
        labels: int64[n], each in 0 … 9.
        name: what reports call it, such as ``mnist/train``.
        source: where it was read from.

    Raises:
        DataError: a wrong dtype or shape, or a label outside 0 … 9.
    """

    images: Tensor
    labels: Tensor
    name: str
    source: str
    least_label: ClassVar[int] = 0

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):  # noqa: PLR2004
            found = f"{images.dtype} {list(images.shape)}"
            raise DataError(f"{self.name}: images must be uint8 [n, 28, 28], not {found}")
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            found = f"{labels.dtype} {list(labels.shape)}"
            raise DataError(f"{self.name}: labels must be int64 [{len(images)}], not {found}")
        outside = torch.nonzero((labels < self.least_label) | (labels >= CLASSES))
        if len(outside):
            index = int(outside[0])
            raise DataError(f"{self.name}: label {index} is {int(labels[index])}, not in 0 … 9")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the images' bytes followed by the labels' bytes (little-endian int64)."""
        digest = hashlib.sha256(self.images.contiguous().numpy().data)
        digest.update(self.labels.numpy().astype("<i8").tobytes())
        return digest.hexdigest()

    def subset(self, indices: Tensor | Sequence[int]) -> Self:
        """Copy the digits at the given indices, in their order."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return dataclasses.replace(self, images=self.images[chosen], labels=self.labels[chosen])


AnyDigits = TypeVar("AnyDigits", bound=Digits)


def concatenate(parts: Sequence[AnyDigits]) -> AnyDigits:
    """Join data sets of one class, one at least; names and sources are joined by ``+``."""
    return dataclasses.replace(
        parts[0],
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        name="+".join(part.name for part in parts),
        source="+".join(part.source for part in parts),
    )


def stratified_split(digits: Digits, validation: int, seed: int) -> tuple[Digits, Digits]:
    """Split off a stratified random sample for validation; both parts keep the original order.

    Each class gives its share of the validation images, rounded by the largest remainder (Hare):
    within 1 of proportional, with an exact sum.

    Args:
        digits: the training set.
        validation: number of images for validation, 0 … n.
        seed: chooses the images.

    Returns:
        (training, validation), n - validation and validation images.

    Raises:
        DataError: validation is negative or larger than n.
    """
    if not 0 <= validation <= len(digits):
        raise DataError(f"{digits.name}: cannot set aside {validation} of {len(digits)} images")
    labels = digits.labels.numpy()
    counts = np.bincount(labels, minlength=CLASSES).astype(np.int64)
    shares, remainders = np.divmod(validation * counts, max(len(digits), 1))
    largest = np.argsort(-remainders, kind="stable")
    shares[largest[: validation - shares.sum()]] += 1
    generator = np.random.default_rng(derive_seed(seed, "validation"))
    chosen = np.zeros(len(digits), dtype=bool)
    for label, share in enumerate(shares):
        members = np.flatnonzero(labels == label)
        chosen[generator.choice(members, share, replace=False)] = True
    training = digits.subset(torch.from_numpy(np.flatnonzero(~chosen)))
    held_out = digits.subset(torch.from_numpy(np.flatnonzero(chosen)))
    return training, dataclasses.replace(held_out, name=f"{digits.name}:validation")


# A seven-segment display: each segment's left, top, right and bottom in pixels, and the segments of
# each digit. a is the top bar, b to f follow clockwise, g is the middle bar.
_SEGMENTS = {
    "a": (9, 4, 19, 6),
    "b": (17, 4, 19, 15),
    "c": (17, 13, 19, 24),
    "d": (9, 22, 19, 24),
    "e": (9, 13, 11, 24),
    "f": (9, 4, 11, 15),
    "g": (9, 13, 19, 15),
}
_LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def synthetic_digits(n: int, seed: int) -> Digits:
    """Draw seven-segment digits with jitter and noise: data for tests and trials without files.

    Classes are balanced to within one image. Each image is rotated, scaled, sheared and moved at
    random, dimmed to 60-100 % and given noise of 20 grey levels standard deviation.
    """
    templates = torch.zeros(CLASSES, SIDE, SIDE, dtype=torch.uint8)
    for digit, lit in enumerate(_LIT):
        for left, top, right, bottom in (_SEGMENTS[segment] for segment in lit):
            templates[digit, top:bottom, left:right] = 255
    generator = torch.Generator().manual_seed(derive_seed(seed, "synthetic"))
    labels = torch.randperm(n, generator=generator) % CLASSES
    jitter = AffineRanges(rotation=12, scale=0.15, shear=8, translation=2)
    images = warp(templates[labels], draw_inverses(n, jitter, generator))
    images *= 0.6 + 0.4 * torch.rand(n, 1, 1, generator=generator)
    images += 20 / 255 * torch.randn(images.shape, generator=generator)
    pixels = images.clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    return Digits(pixels, labels, name="synthetic", source=f"synthetic_digits({n}, {seed})")
