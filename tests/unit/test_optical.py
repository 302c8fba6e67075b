"""Optical digits against the integers that scikit-learn carries."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tenfold.data.optical import optical_digits
from tenfold.errors import MissingExtraError
from tenfold.rendering.picture_sets import load_pictures


def test_sixteen_levels_are_spread_over_a_byte() -> None:
    images = np.stack([image for image, _ in optical_digits()])
    levels = load_digits().images
    assert images.dtype == np.uint8
    # 255 / 16 of a level, rounded: 8 is the only one that falls on a half.
    assert sorted(set(images.ravel().tolist())) == [round(15.9375 * level) for level in range(17)]
    np.testing.assert_allclose(images, levels * 15.9375, atol=0.5)


def test_all_are_there_with_their_labels() -> None:
    pictures = load_pictures("optical")
    assert len(pictures) == 1797
    assert pictures.kind == "single"
    assert {picture.shape for picture in pictures.pictures} == {(8, 8)}
    assert list(map(int, pictures.labels)) == load_digits().target.tolist()


def test_the_first_few_are_those_of_the_whole() -> None:
    assert load_pictures("optical", n=7).labels == load_pictures("optical").labels[:7]


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"optical digits needs .*tenfold\[sets\]"):
        list(optical_digits())
