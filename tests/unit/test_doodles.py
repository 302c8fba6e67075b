"""Blank pages and doodles: the same each time, and inside the picture."""

import numpy as np
import pytest

from tenfold.rendering.doodles import DOODLES, Doodle, blanks_and_scribbles, compose_doodle


def test_non_digits_are_the_same_each_time() -> None:
    drawn = list(blanks_and_scribbles(30))
    assert {label for _, label in drawn} == {""}
    for (one, _), (other, _) in zip(drawn, blanks_and_scribbles(5), strict=False):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("doodle", dict.fromkeys(DOODLES), ids=lambda doodle: doodle.__name__)
def test_doodles_are_within_the_picture(doodle: Doodle) -> None:
    for seed in range(4):
        picture, strokes = compose_doodle(doodle, np.random.default_rng(seed))
        assert picture.shape[:2] == strokes.shape
        assert strokes.max() > 0.5
        assert not np.concatenate([strokes[0], strokes[-1], strokes[:, 0], strokes[:, -1]]).any()
