"""Laws that MNIST's form keeps for every picture."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from tenfold.data.normalization import (
    DIGIT_SIDE,
    Foreground,
    foreground_box,
    normalize_digit,
    resize_matrix,
)

# Grey levels: paper, or strokes so dark that no edge fades when they are scaled down threefold.
LEVELS = st.just(0) | st.integers(64, 255)


def pictures(longest: int = 60) -> st.SearchStrategy[Foreground]:
    """Draw pictures of any proportions, float32 in [0, 1]."""
    shapes = st.tuples(st.integers(1, longest), st.integers(1, longest))
    arrays = stn.arrays(np.uint8, shapes, elements=LEVELS, fill=st.just(0))
    return arrays.map(foreground_of)


def foreground_of(pixels: np.ndarray) -> Foreground:
    foreground: Foreground = np.divide(pixels, 255, dtype=np.float32)
    return foreground


@given(pictures())
def test_any_foreground_is_brought_to_the_form(foreground: Foreground) -> None:
    image = normalize_digit(foreground)
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert image.any() == foreground.any()
    if not foreground.any():
        return
    top, left, bottom, right = foreground_box(foreground_of(image))
    assert image.max() == 255
    assert max(bottom - top, right - left) == DIGIT_SIDE
    for axis, first, end in ((0, top, bottom), (1, left, right)):
        mass = image.sum(axis=1 - axis, dtype=np.int64)
        centre = mass @ np.arange(28) / mass.sum()
        # Whole digits come before centres of mass far from the middle of their box.
        assert 13.5 <= centre < 14.5 or first == 0 or end == 28


@given(pictures())
def test_what_is_in_form_stays_as_it_is(foreground: Foreground) -> None:
    image = normalize_digit(foreground)
    np.testing.assert_array_equal(normalize_digit(foreground_of(image)), image)


@given(pictures(30), *[st.integers(0, 50) for _ in range(4)])
def test_paper_around_the_foreground_does_not_matter(
    foreground: Foreground, top: int, left: int, bottom: int, right: int
) -> None:
    padded = np.pad(foreground, ((top, bottom), (left, right)))
    np.testing.assert_array_equal(normalize_digit(padded), normalize_digit(foreground))


@given(pictures(40))
def test_rows_and_columns_are_treated_alike(foreground: Foreground) -> None:
    np.testing.assert_array_equal(
        normalize_digit(np.ascontiguousarray(foreground.T)), normalize_digit(foreground).T
    )


@given(
    stn.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=LEVELS),
    st.integers(4, 12),
    st.sampled_from([2, 3, 7]),
)
def test_enlarging_thick_strokes_changes_nothing(cells: np.ndarray, size: int, factor: int) -> None:
    foreground = foreground_of(np.kron(cells, np.ones((size, size), np.uint8)))
    top, left, bottom, right = foreground_box(foreground)
    assume(max(bottom - top, right - left) >= DIGIT_SIDE)  # smaller ones are enlarged smoothly
    large: Foreground = np.kron(foreground, np.ones((factor, factor), np.float32))
    np.testing.assert_array_equal(normalize_digit(large), normalize_digit(foreground))


@given(st.integers(1, 40), st.integers(1, 400))
def test_resampling_averages(outputs: int, inputs: int) -> None:
    matrix = resize_matrix(outputs, inputs)
    assert matrix.shape == (outputs, inputs)
    assert matrix.dtype == np.float32
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=1e-5)  # no direction is preferred
    if outputs <= inputs:  # every input counts as much as any other
        np.testing.assert_allclose(matrix.sum(axis=0), outputs / inputs, atol=1e-5)
