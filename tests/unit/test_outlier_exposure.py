"""Outlier exposure: what is replaced in a batch, and by what."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tenfold.augmentation.outlier_exposure import (
    ImageBank,
    OutlierExposure,
    image_banks,
    replace_images,
)
from tenfold.data.mnist import NON_DIGIT_LABEL
from tenfold.rendering.non_digits import drawn_digits, non_digits, printed_digits

Draw = Callable[[int, int], tuple[Tensor, Tensor]]


def grey_banks(of_non_digits: float, of_digits: float) -> list[ImageBank]:
    """Make images of one grey level: non-digits have 100 … 109, the digit d has 200 + d."""
    greys = torch.arange(10, dtype=torch.uint8).view(-1, 1, 1)
    labels = torch.full((10,), NON_DIGIT_LABEL)
    return [
        ImageBank((100 + greys).expand(10, 28, 28), labels, of_non_digits),
        ImageBank((200 + greys).expand(10, 28, 28), torch.arange(10), of_digits),
    ]


@pytest.mark.parametrize("n", [1, 7, 40, 256])
@pytest.mark.parametrize(
    ("of_non_digits", "of_digits"), [(0.12, 0.05), (0.5, 0.0), (0.0, 0.3), (0.5, 0.49)]
)
def test_banks_replace_their_fractions_and_bring_their_labels(
    n: int, of_non_digits: float, of_digits: float
) -> None:
    images = torch.arange(n, dtype=torch.uint8).remainder(50).view(n, 1, 1).repeat(1, 28, 28)
    labels = torch.arange(n) % 10
    before = images.clone(), labels.clone()
    banks = grey_banks(of_non_digits, of_digits)
    replaced, named = replace_images(images, labels, banks, torch.Generator().manual_seed(0))
    assert torch.equal(images, before[0])
    assert torch.equal(labels, before[1])
    assert replaced.dtype == torch.uint8
    assert named.dtype == torch.int64
    grey = replaced[:, 0, 0].long()
    assert torch.equal(replaced, replaced[:, :1, :1].expand(n, 28, 28))  # images come whole
    is_non_digit, is_digit = (grey >= 100) & (grey < 110), grey >= 200
    assert int(is_non_digit.sum()) == round(of_non_digits * n)
    assert int(is_digit.sum()) == min(round(of_digits * n), n - round(of_non_digits * n))
    assert bool((named[is_non_digit] == NON_DIGIT_LABEL).all())
    assert torch.equal(named[is_digit], grey[is_digit] - 200)
    kept = ~is_non_digit & ~is_digit
    assert torch.equal(replaced[kept], images[kept])
    assert torch.equal(named[kept], labels[kept])


def test_fractions_that_are_rounded_up_end_with_the_batch() -> None:
    banks = grey_banks(0.3, 0.3)
    banks.append(banks[0])
    images, labels = torch.zeros(5, 28, 28, dtype=torch.uint8), torch.zeros(5, dtype=torch.int64)
    _, named = replace_images(images, labels, banks, torch.Generator().manual_seed(0))
    # 1.5, 1.5 and 1.5 images
    assert (named == NON_DIGIT_LABEL).tolist() == [True, True, False, False, True]


def test_replacements_are_drawn_by_the_generator() -> None:
    banks = grey_banks(0.5, 0.4)
    images, labels = torch.zeros(50, 28, 28, dtype=torch.uint8), torch.zeros(50, dtype=torch.int64)
    first, again, other = (
        replace_images(images, labels, banks, torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert len(set(first[0][:25, 0, 0].tolist())) > 5


def test_banks_hold_what_the_recipe_asks_for() -> None:
    assert image_banks(OutlierExposure(), seed=5) == []
    (bank,) = image_banks(OutlierExposure(non_digits=0.1, bank_size=40), seed=5)
    assert torch.equal(bank.images, non_digits(40, seed=5))
    assert bank.labels.tolist() == [NON_DIGIT_LABEL] * 40
    assert bank.fraction == 0.1
    draws: dict[str, tuple[Draw, int]] = {
        "printed": (printed_digits, 10),
        "drawn": (drawn_digits, 80),
    }
    for name, (draw, size) in draws.items():
        config = OutlierExposure.model_validate({name: 0.2, "bank_size": 40})
        (bank,) = image_banks(config, seed=5)
        images, labels = draw(size, 5)
        assert torch.equal(bank.images, images)
        assert torch.equal(bank.labels, labels)
        assert bank.fraction == 0.2
    every = OutlierExposure(non_digits=0.1, printed=0.2, drawn=0.3, bank_size=40)
    assert sum(bank.fraction for bank in image_banks(every, seed=5)) == pytest.approx(0.6)


def test_symbols_are_non_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.full((3, 28, 28), 7, np.uint8)
    monkeypatch.setattr("tenfold.augmentation.outlier_exposure.load_symbols", lambda: images)
    (bank,) = image_banks(OutlierExposure(symbols=0.1), seed=5)
    assert bank.fraction == 0.1
    assert bank.labels.tolist() == [NON_DIGIT_LABEL] * 3
    np.testing.assert_array_equal(bank.images, images)


@pytest.mark.parametrize(
    "wrong",
    [
        {"non_digits": 1.0},
        {"printed": -0.1},
        {"bank_size": 0},
        {"negatives": 0.1},
        {"printed": 0.3, "drawn": 0.3, "non_digits": 0.4},
    ],
    ids=str,
)
def test_impossible_values_and_unknown_keys_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OutlierExposure.model_validate(wrong)
