"""Rendered documents: legible, labelled right, and the same each time."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from ring import luma, ring
from scipy import ndimage

from tenfold.arrays import Pixels
from tenfold.data.digits import Digits
from tenfold.errors import DataError
from tenfold.rendering import documents
from tenfold.rendering.camera import Coverage
from tenfold.rendering.documents import (
    Composed,
    compose_digit,
    compose_grid,
    compose_legibly,
    compose_number,
    digit_documents,
    grid_documents,
    number_documents,
)
from tenfold.rendering.sampling import Random


def test_digits_in_pictures_of_60_to_400(tiny_digits: Digits) -> None:
    drawn = list(digit_documents(tiny_digits, 25))
    assert all(60 <= side <= 400 for picture, _ in drawn for side in picture.shape[:2])
    assert all(picture.dtype == np.uint8 for picture, _ in drawn)
    assert {picture.ndim for picture, _ in drawn} == {2, 3}
    labels = "".join(label for _, label in drawn)
    assert len(labels) == 25
    assert labels.isdecimal()


def test_numbers_have_one_to_eight_digits(tiny_digits: Digits) -> None:
    labels = [label for _, label in number_documents(tiny_digits, 40)]
    assert all(label.isdecimal() for label in labels)
    assert {len(label) for label in labels} == set(range(1, 9))


def test_grids_are_filled_as_sudokus_are(tiny_digits: Digits) -> None:
    for picture, label in grid_documents(tiny_digits, 3):
        assert min(picture.shape[:2]) > 9 * 30
        assert sum(character != "." for character in label) == round(0.4 * 81)
        cells = np.array(list(label)).reshape(9, 9)
        blocks = cells.reshape(3, 3, 3, 3).swapaxes(1, 2).reshape(9, 9)
        for line in (*cells, *cells.T, *blocks):
            digits = line[line != "."].tolist()
            assert len(set(digits)) == len(digits)
            assert "0" not in digits


@pytest.mark.parametrize("make", [digit_documents, number_documents, grid_documents])
def test_a_picture_depends_on_its_place_alone(make: object, tiny_digits: Digits) -> None:
    assert callable(make)
    for (one, label), (other, same) in zip(
        make(tiny_digits, 2), make(tiny_digits, 3), strict=False
    ):
        np.testing.assert_array_equal(one, other)
        assert label == same


def test_disputed_labels_are_left_out(tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    undisputed = int(torch.nonzero(tiny_digits.labels == 4)[0])
    others = tuple(index for index in range(len(tiny_digits)) if index != undisputed)
    monkeypatch.setattr(documents, "disputed_labels", lambda _: others)
    assert [label for _, label in digit_documents(tiny_digits, 3)] == ["4"] * 3


def test_a_broken_digit_is_left_out() -> None:
    split = torch.from_numpy(ring())
    split[12:16] = 0
    whole = torch.from_numpy(ring())
    digits = Digits(torch.stack([split, whole]), torch.tensor([0, 8]), "rings", "here")
    assert [label for _, label in digit_documents(digits, 3)] == ["8"] * 3
    bars = dataclasses.replace(digits, labels=torch.tensor([5, 8]))
    assert {label for _, label in digit_documents(bars, 2)} == {"5", "8"}


@pytest.mark.parametrize("make", [digit_documents, number_documents, grid_documents])
def test_blank_images_are_refused(make: object) -> None:
    assert callable(make)
    blank = Digits(torch.zeros(2, 28, 28, dtype=torch.uint8), torch.tensor([1, 2]), "blank", "here")
    with pytest.raises(DataError, match="blank: has no digits to write"):
        list(make(blank, 1))


def test_a_grid_needs_all_nine_digits() -> None:
    rings = Digits(torch.from_numpy(ring())[None], torch.tensor([0]), "rings", "here")
    with pytest.raises(DataError, match=r"rings: has no [1-9]; a grid needs 1 … 9"):
        list(grid_documents(rings, 1))


def seen(picture: Pixels, strokes: Coverage) -> float:
    """Spell out how many grey levels the middle of the strokes differs from the paper near it."""
    grey = luma(picture)
    middle = strokes > 0.9 * strokes.max()
    near = ndimage.distance_transform_edt(~middle) < 8
    return abs(float(np.median(grey[middle]) - np.median(grey[near & (strokes == 0)])))


def test_digits_stand_out(tiny_digits: Digits) -> None:
    images = tiny_digits.images.numpy()
    cells = [images[0], None, images[1], *[None] * 78]
    composers: list[Callable[[Random], Composed]] = [functools.partial(compose_grid, cells)]
    for index in range(12):
        composers.append(functools.partial(compose_digit, images[index]))
        composers.append(functools.partial(compose_number, list(images[index : index + 3])))
    for index, compose in enumerate(composers):
        tries: list[Composed] = []

        def record(
            random: Random,
            compose: Callable[[Random], Composed] = compose,
            tries: list[Composed] = tries,
        ) -> Composed:
            tries.append(compose(random))
            return tries[-1]

        picture = compose_legibly(record, "trial", index)
        assert picture is tries[-1][0]
        assert seen(*tries[-1]) > 20


def test_attempts_end_when_nothing_can_be_seen() -> None:
    paper = np.full((60, 60), 200, np.uint8)
    with pytest.raises(DataError, match="digit 3: no strokes to be seen"):
        compose_legibly(lambda _: (paper, np.zeros((60, 60), np.float32)), "digit", 3)
