"""Segmentation: numbers of which each digit's place is known, because it was put there."""

import itertools

import cv2
import numpy as np
import pytest
from clear_digits import Box, Floats, Pixels, clear_digit, cropped, number, stacked
from hypothesis import given, settings
from hypothesis import strategies as st

from tenfold.reading.segmentation import (
    Component,
    group_into_lines,
    segment_digits,
    split_columns,
    typical_height,
)
from tenfold.rendering.strokes import draw_digit

GAP = 30  # pixels between lines and around what a test composes


def boxes_of(foreground: Floats) -> list[Box]:
    """Return the boxes of digits that are not split, in reading order."""
    found = segment_digits(foreground)
    assert all(len(candidates[0]) == 1 for candidates in found)
    return [candidates[0][0][0] for candidates in found]


def near(found: list[Box], expected: list[Box], away: int = 1) -> bool:
    """Whether boxes are the same up to the pixels of a soft edge."""
    return len(found) == len(expected) and bool(
        np.abs(np.array(found) - np.array(expected)).max() <= away
    )


def shifted(box: Box, right: int, down: int) -> Box:
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def put(canvas: Floats, glyph: Floats, left: int, top: int) -> Box:
    """Add a glyph to a canvas, in place; return its box."""
    h, w = glyph.shape
    window = canvas[top : top + h, left : left + w]
    np.maximum(window, glyph, out=window)
    return left, top, left + w, top + h


@pytest.mark.parametrize("height", [20, 60, 120])
@pytest.mark.parametrize("gap", [0.1, 0.25, 1.5])
def test_each_digit_has_its_box(height: int, gap: float) -> None:
    foreground, boxes = number("0123456789", height, gap=gap)
    assert near(boxes_of(foreground), boxes)


def test_lines_are_read_from_top_to_bottom_and_left_to_right() -> None:
    lines = [number(digits, 40) for digits in ("271", "8", "40653")]
    foreground = stacked([line for line, _ in lines], GAP)
    down = np.cumsum([0, *(len(line) + GAP for line, _ in lines)])
    expected = [
        shifted(box, 0, int(down[index])) for index, (_, boxes) in enumerate(lines) for box in boxes
    ]
    assert near(boxes_of(foreground), expected)


@pytest.mark.parametrize("climb", [-15, 7, 15])
def test_lines_may_climb(climb: int) -> None:
    foreground = np.zeros((420, 560), np.float32)
    expected = [
        put(
            foreground,
            cropped(clear_digit(digit, 60)),
            20 + 60 * place,
            175 + 100 * line - round(climb * (place - 3.5)),
        )
        for line in (0, 1)
        for place, digit in enumerate((3, 1, 4, 1, 5, 9, 2, 6))
    ]
    assert near(boxes_of(foreground), expected)


def in_one_piece(digit: int, generator: np.random.Generator) -> Pixels:
    """Draw a digit until none of its strokes stands apart."""
    while cv2.connectedComponents(drawn := draw_digit(digit, generator))[0] > 2:
        pass
    return drawn


@pytest.mark.parametrize("seed", range(20))
def test_digits_drawn_with_a_pen(seed: int) -> None:
    generator = np.random.default_rng(seed)
    glyphs = [
        cropped(np.asarray(in_one_piece(int(digit), generator) / 255, np.float32))
        for digit in generator.integers(0, 10, 6)
    ]
    foreground = np.zeros((200, GAP + sum(glyph.shape[1] + GAP for glyph in glyphs)), np.float32)
    left, expected = GAP, []
    for glyph in glyphs:
        expected.append(put(foreground, glyph, left, (200 - glyph.shape[0]) // 2))
        left = expected[-1][2] + GAP
    assert near(boxes_of(foreground), expected, away=2)


def test_the_foreground_in_a_box_is_the_digit_s_own() -> None:
    foreground, _ = number("7177", 80, gap=0.2)
    shear = np.array([[1, -0.7, 110], [0, 1, 0]])  # until boxes reach into their neighbours
    wide = (foreground.shape[1] + 120, foreground.shape[0])
    leaning = np.asarray(cv2.warpAffine(foreground, shear, wide), np.float32)
    found = [candidates[0][0] for candidates in segment_digits(leaning)]
    assert len(found) == 4
    assert any(a[0][2] > b[0][0] + 10 for a, b in itertools.pairwise(found))
    whole = np.zeros_like(leaning)
    for (left, top, right, bottom), content in found:
        assert content.shape == (bottom - top, right - left)
        one, _ = cv2.connectedComponents((content > 0.25).astype(np.uint8))
        assert one == 2  # paper, and a single component
        put(whole, content, left, top)
    np.testing.assert_array_equal(whole[leaning > 0.25], leaning[leaning > 0.25])
    edge = cv2.dilate((leaning > 0.25).astype(np.uint8), np.ones((3, 3))) > 0  # soft, its own too
    np.testing.assert_array_equal(whole[edge], leaning[edge])
    assert not whole[~edge].any()


def test_leaning_neighbours_stay_apart() -> None:
    foreground = np.zeros((160, 200), np.float32)
    for left in (40, 62, 84):
        cv2.line(
            foreground, (left + 40, 30), (left, 120), 1.0, 5
        )  # each box overlaps the next by half
    boxes = boxes_of(foreground)
    assert [box[0] for box in boxes] == sorted(box[0] for box in boxes)
    assert len(boxes) == 3
    assert min(a[2] - b[0] for a, b in itertools.pairwise(boxes)) > 20


@pytest.mark.parametrize("digits", ["353", "5"])
@pytest.mark.parametrize("sunk", [0, 12])
def test_the_bar_of_a_five_belongs_to_it(digits: str, sunk: int) -> None:
    foreground = np.zeros((200, 300), np.float32)
    expected = []
    for place, digit in enumerate(digits):
        five = digit == "5"
        glyph = cropped(clear_digit(int(digit), 80))
        box = put(foreground, glyph, 30 + 80 * place, 60 + sunk * five)
        if five:
            bar = put(foreground, np.ones((8, 50), np.float32), box[0] + 15, box[1] - 13)
            box = (box[0], bar[1], bar[2], box[3])
        expected.append(box)
    assert near(boxes_of(foreground), expected)


def test_a_bar_beside_its_five_may_be_its_own() -> None:
    foreground = np.zeros((160, 260), np.float32)
    five = put(foreground, cropped(clear_digit(5, 80)), 40, 50)
    bar = put(foreground, np.ones((30, 40), np.float32), five[2] - 12, 18)
    (candidates,) = segment_digits(foreground)
    whole, apart = ([box for box, _ in split] for split in candidates)
    assert near(whole, [(five[0], bar[1], bar[2], five[3])])
    assert near(apart, [five, bar])


def test_what_is_left_of_a_line_at_an_edge_is_no_digit() -> None:
    foreground, boxes = number("69", 60)
    foreground[4:40, -2:] = 1
    assert near(boxes_of(foreground), boxes)
    foreground, boxes = number("61", 60, margin=0.0)  # a 1 that ends where the picture does
    assert near(boxes_of(foreground), boxes)


def test_foreground_that_surrounds_is_a_frame_only_if_it_lies_around() -> None:
    foreground, boxes = number("808", 80)
    middle = (boxes[1][0] + boxes[1][2]) // 2
    foreground[boxes[1][1] + 30 : boxes[1][1] + 36, boxes[0][2] - 20 : boxes[2][0] + 20] = 1
    put(foreground, np.ones((22, 6), np.float32), middle - 3, boxes[1][1] + 45)
    assert segment_digits(
        foreground
    )  # the three that a dash joins, though foreground lies inside one of them


def test_a_broken_stroke_is_one_digit() -> None:
    foreground, boxes = number("808", 80)
    middle = (boxes[1][1] + boxes[1][3]) // 2
    foreground[middle - 2 : middle + 2, boxes[1][0] : boxes[1][2]] = 0
    found = segment_digits(foreground)
    assert near([candidates[0][0][0] for candidates in found], boxes)


def test_specks_and_dots_are_no_digits() -> None:
    foreground, boxes = number("2468", 80, gap=0.35, margin=1.0)
    generator = np.random.default_rng(0)
    around = cv2.dilate(foreground, np.ones((31, 31))) == 0
    for y, x in generator.choice(np.argwhere(around), 60, replace=False):
        foreground[y : y + 3, x : x + 3] = 1
    cv2.circle(foreground, (boxes[1][2] + 14, boxes[1][3] - 3), 8, 1.0, -1)  # a decimal point
    cv2.line(foreground, (20, 30), (32, 30), 1.0, 3)
    assert near(boxes_of(foreground), boxes)


@pytest.mark.parametrize("thickness", [2, 8])
@pytest.mark.parametrize("inset", [0, 6])
def test_a_frame_around_digits_is_none(thickness: int, inset: int) -> None:
    foreground, boxes = number("590", 60, margin=0.8)
    h, w = foreground.shape
    cv2.rectangle(foreground, (inset, inset), (w - 1 - inset, h - 1 - inset), 1.0, thickness)
    assert near(boxes_of(foreground), boxes)


def test_a_digit_may_fill_the_picture() -> None:
    for digit in range(10):
        foreground = cropped(clear_digit(digit))
        assert near(boxes_of(foreground), [(0, 0, *foreground.shape[::-1])])


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (60, 80)])
def test_no_foreground_no_digits(shape: tuple[int, int]) -> None:
    assert segment_digits(np.zeros(shape, np.float32)) == []
    assert segment_digits(np.full(shape, 0.2, np.float32)) == []


@pytest.mark.parametrize("height", [40, 80])
def test_touching_digits_may_be_split_where_they_touch(height: int) -> None:
    met = 0
    for pair in itertools.product("023456789", repeat=2):  # a 1 hardly widens its neighbour
        foreground, (one, other) = number("".join(pair), height, gap=-0.04)
        found = segment_digits(foreground)
        if len(found) == 2:
            continue  # round shapes that miss each other
        met += 1
        assert len(found) == 1
        whole, *others = found[0]
        assert len(whole) == 1
        splits = [split for split in others if len(split) == 2]
        assert len(splits) == 1
        (left, a), (right, b) = splits[0]
        assert left[2] == right[0]
        assert abs(left[2] - (one[2] + other[0]) / 2) <= 0.1 * height
        np.testing.assert_array_equal(np.concatenate([a, b], axis=1), whole[0][1])
    assert met > 20


def test_many_that_touch_are_never_taken_for_one() -> None:
    foreground, boxes = number("0000000", 60, gap=-0.04)
    (candidates,) = segment_digits(foreground)
    counts = [len(split) for split in candidates]
    assert min(counts) > 1
    splits = [box[2] for box, _ in candidates[counts.index(7)]][:-1]
    truth = [(a[2] + b[0]) / 2 for a, b in itertools.pairwise(boxes)]
    np.testing.assert_allclose(splits, truth, atol=4)


def test_the_typical_height_is_that_of_most_foreground() -> None:
    def component(height: int, area: int) -> Component:
        return Component((0, 0, 5, height), (1,), area)

    assert typical_height([component(40, 300), *(component(3, 9) for _ in range(20))]) == 40
    assert typical_height([component(10, 4), component(20, 5), component(30, 4)]) == 20


def test_lines_are_what_overlaps() -> None:
    def component(left: int, top: int) -> Component:
        return Component((left, top, left + 10, top + 20), (1,), 1)

    one = [component(0, 4), component(20, 0), component(40, 9)]
    other = [component(5, 30), component(30, 34)]
    mixed = [other[1], one[2], one[0], other[0], one[1]]
    assert group_into_lines(mixed) == [one, other]


@given(st.integers(1, 8), st.integers(4, 12), st.integers(0, 2**32))
def test_parts_are_all_of_the_piece(count: int, each: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    foreground = generator.random((20, count * each)).astype(np.float32)
    parts = split_columns(foreground, count)
    assert len(parts) == count
    assert [start for start, _ in parts] == [0, *(end for _, end in parts[:-1])]
    assert parts[-1][1] == count * each
    assert min(end - start for start, end in parts) >= 1


@settings(max_examples=60)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 2**32), st.floats(0, 1))
def test_boxes_of_any_foreground_are_in_the_picture(
    h: int, w: int, seed: int, share: float
) -> None:
    noise = np.random.default_rng(seed).random((h, w)).astype(np.float32)
    foreground = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1 + 3 * share), np.float32)
    foreground = np.where(foreground > np.quantile(foreground, share), foreground, 0).astype(
        np.float32
    )
    for candidates in segment_digits(foreground):
        assert [len(split) for split in candidates] == list(
            range(len(candidates[0]), len(candidates[-1]) + 1)
        )
        for (left, top, right, bottom), content in itertools.chain.from_iterable(candidates):
            assert 0 <= left < right <= w
            assert 0 <= top < bottom <= h
            assert content.shape == (bottom - top, right - left)
            assert (content <= foreground[top:bottom, left:right]).all()
