"""Drawn digits: templates, splines against SciPy, and points counted along the stroke."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from scipy.interpolate import CubicHermiteSpline

from tenfold.rendering.strokes import (
    STROKE_TEMPLATES,
    Points,
    catmull_rom,
    draw_digit,
    jitter_points,
    parse_template,
    resample_strokes,
)

TEMPLATES = [
    (digit, template) for digit, templates in STROKE_TEMPLATES.items() for template in templates
]

coordinates = st.floats(-10, 10).map(lambda x: round(x, 3))
polylines = st.integers(2, 8).flatmap(
    lambda k: stn.arrays(np.float64, (k, 2), elements=coordinates)
)


def lengths(points: Points) -> Points:
    """Return the distance from each point to the next."""
    return np.asarray(np.hypot(*np.diff(points, axis=0).T), np.float64)


def test_there_are_ten_digits_each_in_several_ways() -> None:
    assert sorted(STROKE_TEMPLATES) == list(range(10))
    assert min(map(len, STROKE_TEMPLATES.values())) >= 2
    assert len({template for _, template in TEMPLATES}) == len(TEMPLATES)


@pytest.mark.parametrize(("digit", "template"), TEMPLATES)
def test_every_template_is_strokes_in_the_unit_box(digit: int, template: str) -> None:
    strokes = parse_template(template)
    assert len(strokes) == template.count("/") + 1 <= 2 + (digit == 4)
    for points in strokes:
        assert points.ndim == 2
        assert points.shape[1] == 2
        assert len(points) >= 2
        assert points.min() >= 0
        assert points.max() <= 1
    whole = np.concatenate(strokes)
    assert np.ptp(whole[:, 1]) >= 0.9  # as high as the box
    # A corner is two equal points, not more, and not at an end.
    for points in strokes:
        same = np.flatnonzero(lengths(points) == 0)
        assert not set(same) & {0, len(points) - 2}
        assert (np.diff(same) > 1).all()


def test_a_template_is_read_in_hundredths() -> None:
    one, other = parse_template("55,0 20,15 8,100 / 0,50 92,50")
    np.testing.assert_array_equal(one, [[0.55, 0], [0.2, 0.15], [0.08, 1]])
    np.testing.assert_array_equal(other, [[0, 0.5], [0.92, 0.5]])


@given(polylines)
def test_a_spline_is_catmull_and_rom_s(points: Points) -> None:
    smooth = catmull_rom(points, steps=7)
    # A cubic Hermite spline whose slope at a point is half the way from the one before to the one
    # after; ends are mirrored, so that the slope there is that of the first and the last piece.
    beyond = [2 * points[0] - points[1], *points, 2 * points[-1] - points[-2]]
    slopes = (np.array(beyond[2:]) - beyond[:-2]) / 2
    oracle = CubicHermiteSpline(np.arange(len(points)), points, slopes)
    at = np.concatenate([np.linspace(k, k + 1, 7) for k in range(len(points) - 1)])
    np.testing.assert_allclose(smooth, oracle(at), atol=1e-9)


@given(polylines, st.integers(2, 12))
def test_a_spline_goes_through_its_points(points: Points, steps: int) -> None:
    smooth = catmull_rom(points, steps)
    assert smooth.shape == ((len(points) - 1) * steps, 2)
    np.testing.assert_allclose(smooth[::steps], points[:-1], atol=1e-9)
    np.testing.assert_allclose(smooth[steps - 1 :: steps], points[1:], atol=1e-9)


def test_a_spline_of_two_points_is_straight() -> None:
    smooth = catmull_rom(np.array([[0.0, 1.0], [4.0, 3.0]]), steps=5)
    expected = np.array([[0, 1], [1, 1.5], [2, 2], [3, 2.5], [4, 3]])
    np.testing.assert_allclose(smooth, expected, atol=1e-12)


@given(polylines, polylines, polylines)
def test_a_corner_parts_what_is_before_from_what_is_after(
    before: Points, one: Points, other: Points
) -> None:
    corner = before[-1:]
    steps = 10
    kept = (len(before) - 1) * steps
    first, second = (catmull_rom(np.concatenate([before, corner, after])) for after in (one, other))
    np.testing.assert_allclose(first[:kept], second[:kept], atol=1e-9)
    # Without the second point it is a bend, and what comes after is felt before it.
    bend = catmull_rom(np.concatenate([before, one]))
    if np.abs(one[0] - before[-1]).max() > 0.1:
        assert not np.allclose(bend[:kept], first[:kept], atol=1e-9)


@given(polylines, st.integers(2, 20))
def test_few_points_are_equally_far_along_the_way(points: Points, count: int) -> None:
    long = lengths(points).sum()
    if long < 0.1:
        return
    (kept,) = resample_strokes([points], count, joined=True)
    assert kept.shape == (count, 2)
    np.testing.assert_allclose(kept[[0, -1]], points[[0, -1]], atol=1e-9)
    # Where each lies on the polyline: walk along it in small steps, and note the nearest.
    dense = np.concatenate([np.linspace(a, b, 2_001) for a, b in itertools.pairwise(points)])
    positions = np.r_[0, lengths(dense).cumsum()]
    expected = [
        dense[np.abs(positions - share * long).argmin()] for share in np.linspace(0, 1, count)
    ]
    np.testing.assert_allclose(kept, expected, atol=0.02)


def test_points_are_shared_out_by_length() -> None:
    long = np.array([[0.0, 0.0], [0.0, 6.0]])
    short = np.array([[5.0, 0.0], [8.0, 0.0]])
    kept = resample_strokes([long, short], 9, joined=False)
    assert [len(points) for points in kept] == [6, 3]
    np.testing.assert_allclose(kept[0][:, 1], [0, 1.2, 2.4, 3.6, 4.8, 6])
    (joined,) = resample_strokes([long, short], 9, joined=True)
    assert len(joined) == 9
    assert len(resample_strokes([long, short], 2, joined=False)[1]) == 2  # a line has two ends


def test_corners_move_as_one() -> None:
    generator = np.random.default_rng(0)
    for _, template in TEMPLATES:
        for points in parse_template(template):
            wobbled = jitter_points(points, generator)
            assert wobbled.shape == points.shape
            assert np.abs(wobbled - points).max() < 0.6
            same = lengths(points) == 0
            np.testing.assert_array_equal(lengths(wobbled) == 0, same)


def test_the_same_generator_draws_the_same() -> None:
    for digit in range(10):
        one, other = (draw_digit(digit, np.random.default_rng(digit)) for _ in range(2))
        np.testing.assert_array_equal(one, other)
    generator = np.random.default_rng(0)
    assert not np.array_equal(draw_digit(3, generator), draw_digit(3, generator))


def test_a_drawing_is_well_inside_its_canvas() -> None:
    generator = np.random.default_rng(1)
    heights = []
    for index in range(200):
        canvas = draw_digit(index % 10, generator)
        assert canvas.shape == (96, 96)
        assert canvas.dtype == np.uint8
        assert canvas.max() == 255
        border = np.r_[canvas[0], canvas[-1], canvas[:, 0], canvas[:, -1]]
        assert np.count_nonzero(border) <= 12  # a slanted end may touch it
        rows = np.flatnonzero(canvas.any(axis=1))
        heights.append(np.ptp(rows) + 1)
        components, _ = cv2.connectedComponents((canvas > 127).astype(np.uint8))
        assert components - 1 <= 2
    assert min(heights) >= 56
    assert max(heights) <= 96
