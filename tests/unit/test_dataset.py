"""Digits, how they are split and joined, and the drawn ones."""

import hashlib
from collections import Counter

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tenfold.data.digits import Digits, concatenate, stratified_split, synthetic_digits
from tenfold.errors import DataError


def digits_of(labels: list[int]) -> Digits:
    """Digits whose first pixel is their position."""
    images = torch.zeros(len(labels), 28, 28, dtype=torch.uint8)
    images[:, 0, 0] = torch.arange(len(labels), dtype=torch.uint8)
    return Digits(images, torch.tensor(labels, dtype=torch.int64), "some", "memory")


def positions(digits: Digits) -> list[int]:
    return digits.images[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        (torch.zeros(2, 28, 28), torch.zeros(2).long(), "images must be uint8"),
        (torch.zeros(2, 28, 27).byte(), torch.zeros(2).long(), r"not torch.uint8 \[2, 28, 27\]"),
        (torch.zeros(2, 784).byte(), torch.zeros(2).long(), "images must be uint8"),
        (torch.zeros(2, 28, 28).byte(), torch.zeros(3).long(), r"labels must be int64 \[2\]"),
        (torch.zeros(2, 28, 28).byte(), torch.zeros(2).byte(), "labels must be int64"),
        (torch.zeros(2, 28, 28).byte(), torch.tensor([0, 10]), "label 1 is 10"),
        (torch.zeros(2, 28, 28).byte(), torch.tensor([-1, 0]), "label 0 is -1"),
    ],
)
def test_checked_on_construction(
    images: torch.Tensor, labels: torch.Tensor, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        Digits(images, labels, "wrong", "memory")


def test_sha256_covers_images_then_labels() -> None:
    digits = digits_of([3, 1])
    content = b"".join(bytes([position, *[0] * 783]) for position in range(2)) + bytes(
        [3, *[0] * 7, 1, *[0] * 7]
    )
    assert digits.sha256 == hashlib.sha256(content).hexdigest()


def test_subset_keeps_the_order_asked_for_and_copies() -> None:
    digits = digits_of([5, 6, 7, 8])
    chosen = digits.subset([3, 0, 3])
    assert len(chosen) == 3
    assert positions(chosen) == [3, 0, 3]
    assert chosen.labels.tolist() == [8, 5, 8]
    chosen.images.fill_(9)
    assert positions(digits) == [0, 1, 2, 3]


def test_split_takes_shares_by_largest_remainder() -> None:
    # Quotas of 3 in 12: 7*3/12 = 1.75, 3*3/12 = 0.75, 2*3/12 = 0.5; floors 1, 0, 0.
    digits = digits_of([0] * 7 + [4] * 3 + [9] * 2)
    training, validation = stratified_split(digits, 3, seed=1)
    assert Counter(validation.labels.tolist()) == {0: 2, 4: 1}
    assert positions(training) == sorted(set(range(12)) - set(positions(validation)))
    assert (training.name, validation.name) == ("some", "some:validation")


def test_split_depends_on_the_seed_alone(tiny_digits: Digits) -> None:
    first, again, other = (stratified_split(tiny_digits, 50, seed)[1] for seed in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256


def test_split_of_nothing_and_of_everything(tiny_digits: Digits) -> None:
    training, validation = stratified_split(tiny_digits, 0, seed=1)
    assert (len(training), len(validation)) == (400, 0)
    assert training.sha256 == tiny_digits.sha256
    training, validation = stratified_split(tiny_digits, 400, seed=1)
    assert (len(training), len(validation)) == (0, 400)


@pytest.mark.parametrize("validation", [-1, 401])
def test_split_refuses_more_than_there_is(tiny_digits: Digits, validation: int) -> None:
    with pytest.raises(DataError, match=f"cannot set aside {validation} of 400"):
        stratified_split(tiny_digits, validation, seed=1)


def test_concatenate_undoes_a_cut() -> None:
    digits = digits_of([5, 6, 7])
    joined = concatenate([digits.subset([0, 1]), digits.subset([2])])
    assert joined.sha256 == digits.sha256
    assert joined.name == "some+some"


def test_synthetic_digits_are_seeded_and_balanced() -> None:
    first, again, other = (synthetic_digits(95, seed) for seed in (3, 3, 4))
    assert first.sha256 == again.sha256 != other.sha256
    assert sorted(Counter(first.labels.tolist()).values()) == [9] * 5 + [10] * 5


def test_synthetic_digits_can_be_told_apart() -> None:
    # 1,000 images and a linear model on raw pixels: an upper bound on how hard they are.
    train, test = synthetic_digits(1000, 1), synthetic_digits(300, 2)
    model = LogisticRegression(max_iter=200, tol=1e-2)
    model.fit(train.images.flatten(1).numpy() / 255, train.labels.numpy())
    assert model.score(test.images.flatten(1).numpy() / 255, test.labels.numpy()) > 0.85
