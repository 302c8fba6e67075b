"""Batches of digits: which images, in which order, and what is done to them in which order."""

from typing import Any

import numpy as np
import pytest
import torch

from tenfold.augmentation.batches import DigitBatches
from tenfold.augmentation.degradations import Degradations, degrade
from tenfold.augmentation.geometric import Augmentation, augment
from tenfold.augmentation.outlier_exposure import OutlierExposure, image_banks, replace_images
from tenfold.data.deskew import deskewed
from tenfold.data.digits import Digits
from tenfold.data.sampling import IndexStream
from tenfold.data.seeds import derive_seed

BATCH = 32


def make(digits: Digits, *, seed: int = 7, **parts: Any) -> DigitBatches:
    settings: dict[str, Any] = {
        "augmentation": Augmentation(),
        "degradations": Degradations(),
        "banks": [],
        "device": torch.device("cpu"),
    }
    return DigitBatches(digits, lambda step: BATCH * step, seed=seed, **settings | parts)


def test_every_image_comes_once_an_epoch_in_the_order_of_the_stream(tiny_digits: Digits) -> None:
    batches = make(tiny_digits)
    order = IndexStream(len(tiny_digits), derive_seed(7, "order"))
    for step in range(2 * len(tiny_digits) // BATCH):
        pixels, labels = batches.at(step)
        indices = order.indices(BATCH * step, BATCH)
        assert torch.equal(pixels, tiny_digits.images[indices].float() / 255)
        assert torch.equal(labels, tiny_digits.labels[indices])


def test_the_length_of_a_batch_follows_the_schedule(tiny_digits: Digits) -> None:
    batches = make(tiny_digits)
    batches.images_before = [0, 5, 8, 20].__getitem__
    assert [len(batches.at(step)[1]) for step in range(3)] == [5, 3, 12]


def test_a_batch_is_a_function_of_the_seed_and_the_step(tiny_digits: Digits) -> None:
    moved = {"augmentation": Augmentation(rotation=10)}
    one, same, other = (make(tiny_digits, seed=seed, **moved) for seed in (7, 7, 8))
    for step in (0, 1):
        one.at(step)
    pixels, _ = one.at(2)
    torch.manual_seed(5)  # nobody else's draws matter
    assert torch.equal(same.at(2)[0], pixels)
    assert torch.equal(one.at(2)[0], pixels)
    assert not torch.equal(other.at(2)[0], pixels)
    assert not torch.equal(one.at(3)[0], pixels)


def test_images_that_are_all_deskewed_are_those_of_deskew(tiny_digits: Digits) -> None:
    levels = tiny_digits.images.numpy().astype(np.float32)
    expected = torch.from_numpy(deskewed(levels).round().astype(np.uint8))
    batches = make(tiny_digits, augmentation=Augmentation(deskew=1))
    indices = batches.stream.indices(0, BATCH)
    assert torch.equal(batches.at(0)[0], expected[indices].float() / 255)


def test_the_fraction_of_images_that_are_deskewed(tiny_digits: Digits) -> None:
    batches = make(tiny_digits, augmentation=Augmentation(deskew=0.25))
    moved = 0
    for step in range(12):
        indices = batches.stream.indices(BATCH * step, BATCH)
        for pixels, index in zip(batches.at(step)[0], indices, strict=True):
            if not torch.equal(pixels, batches.images[index].float() / 255):
                upright = batches.images[len(tiny_digits) + index].float() / 255
                assert torch.equal(pixels, upright)
                moved += 1
    assert 0.15 < moved / (BATCH * 12) < 0.35


def test_outliers_replace_images_before_all_are_moved_then_degraded(tiny_digits: Digits) -> None:
    parts: dict[str, Any] = {
        "augmentation": Augmentation(rotation=10, elastic=0.7),
        "degradations": Degradations(stroke_width=0.5, truncation=0.1, translation=1.5),
        "banks": image_banks(OutlierExposure(non_digits=0.2, printed=0.1, bank_size=40), seed=7),
    }
    batches = make(tiny_digits, **parts)
    indices = batches.stream.indices(0, BATCH)
    generator = torch.Generator().manual_seed(derive_seed(7, "step", 0))
    images, labels = tiny_digits.images[indices], tiny_digits.labels[indices]
    images, labels = replace_images(images, labels, batches.banks, generator)
    moved = augment(images, parts["augmentation"], generator)
    expected = degrade(moved, parts["degradations"], generator)
    pixels, found = batches.at(0)
    assert torch.equal(pixels, expected)
    assert torch.equal(found, labels)
    assert found.tolist().count(-1) == round(0.2 * BATCH)


def test_another_augmentation_and_other_targets_can_take_their_place(tiny_digits: Digits) -> None:
    def invert(images: torch.Tensor, *_: object) -> torch.Tensor:
        return 1 - images / 255

    batches = make(tiny_digits)
    batches.augment = invert
    batches.labels = torch.rand(len(tiny_digits), 10)
    indices = batches.stream.indices(0, BATCH)
    pixels, targets = batches.at(0)
    assert torch.equal(pixels, 1 - tiny_digits.images[indices] / 255)
    assert torch.equal(targets, batches.labels[indices])


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_images_are_deskewed_once_and_only_where_asked(
    fraction: float, tiny_digits: Digits
) -> None:
    batches = make(tiny_digits, augmentation=Augmentation(deskew=fraction))
    assert len(batches.images) == len(tiny_digits) * (2 if fraction else 1)
