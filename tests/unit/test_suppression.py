"""Suppression against intersection over union that is counted on a grid of pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.reading.suppression import SuppressionConfig, exclusions, suppress

ONLY_OVERLAP = SuppressionConfig(
    max_overlap=0.5, min_distance=(0.0, 0.0), min_distance_of_height=0.0, max_inside=1.0
)
boxes_of_pixels = st.lists(
    st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2), min_size=1, max_size=8
)


def counted_overlap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    masks = []
    for left, top, width, height in (a, b):
        mask = np.zeros((24, 24), bool)
        mask[top : top + height, left : left + width] = True
        masks.append(mask)
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def centred(boxes: list[tuple[int, ...]]) -> np.ndarray:
    corners = np.array(boxes, np.float32)
    corners[:, :2] += corners[:, 2:] / 2
    return corners


def different(boxes: list[tuple[int, ...]]) -> np.ndarray:
    """Return a class of its own for each box."""
    return np.arange(len(boxes))


@given(boxes_of_pixels)
def test_boxes_exclude_each_other_by_their_overlap(boxes: list[tuple[int, ...]]) -> None:
    found = exclusions(centred(boxes), different(boxes), ONLY_OVERLAP)
    for i, a in enumerate(boxes):
        for j, b in enumerate(boxes):
            if i != j and abs(overlap := counted_overlap(a, b) - 0.5) > 1e-6:
                assert found[i, j] == (overlap > 0)
    assert not found.diagonal().any()


@given(boxes_of_pixels, st.randoms(use_true_random=False))
def test_what_stays_excludes_nothing_that_stays_and_everything_that_goes(
    boxes: list[tuple[int, ...]], random: np.random.Generator
) -> None:
    objectness = np.array([random.random() for _ in boxes], np.float32)
    kept = suppress(objectness, centred(boxes), different(boxes), ONLY_OVERLAP)
    excluded = exclusions(centred(boxes), different(boxes), ONLY_OVERLAP)
    assert not excluded[np.ix_(kept, kept)].any()
    assert (np.diff(objectness[kept]) <= 0).all()
    for gone in set(range(len(boxes))) - set(kept.tolist()):
        stronger = kept[objectness[kept] >= objectness[gone]]
        assert excluded[gone, stronger].any()


@pytest.mark.parametrize(("apart", "kept"), [(2, [1]), (6, [1, 0])])
def test_two_centres_that_are_near_are_one_digit(apart: float, kept: list[int]) -> None:
    """A narrow stroke inside a wide digit's box overlaps little of it."""
    boxes = np.array([[20, 20, 8, 26], [20 + apart, 20, 20, 30]], np.float32)
    assert suppress(np.array([0.8, 0.9], np.float32), boxes, np.array([1, 2])).tolist() == kept


@pytest.mark.parametrize(
    ("inner", "kept"),
    [
        ((27, 13, 16, 16), [0]),  # the loop of a 9
        ((12, 20, 6, 36), [0, 1]),  # a 1 in the box of a slanted 7
        ((43, 13, 16, 16), [0, 1]),  # beside it
    ],
)
def test_a_part_of_a_digit_is_no_digit(inner: tuple[int, ...], kept: list[int]) -> None:
    boxes = np.array([[22, 20, 28, 40], inner], np.float32)
    assert suppress(np.array([0.9, 0.8], np.float32), boxes, np.array([9, 1])).tolist() == kept


@pytest.mark.parametrize(("classes", "kept"), [([5, 5], [0]), ([5, 3], [1, 0])])
def test_half_of_a_wide_digit_is_no_digit_of_its_own(classes: list[int], kept: list[int]) -> None:
    """The half is nearer to the preferred size, but the whole is as certain."""
    boxes = np.array([[30, 20, 56, 40], [18, 21, 30, 36]], np.float32)
    rank, certainty = np.array([[0.7, 0.9], [0.9, 0.9]], np.float32)
    found = suppress(rank, boxes, np.array(classes), objectness=certainty)
    assert found.tolist() == kept


def test_nothing_is_suppressed_of_nothing() -> None:
    nothing, no_boxes, no_classes = (
        np.zeros(0, np.float32),
        np.zeros((0, 4), np.float32),
        different([]),
    )
    assert suppress(nothing, no_boxes, no_classes).shape == (0,)
    assert exclusions(no_boxes, no_classes, ONLY_OVERLAP).shape == (0, 0)
