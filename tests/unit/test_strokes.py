"""Pen strokes in boxes that are drawn here: ticked or not, crossed out or not, print left out."""

import cv2
import numpy as np
import pytest

from tenfold.forms.atlas import BoxPicture, arrange, crop_box
from tenfold.forms.strokes import stroke_length, strokes, strokes_beside, ticked_probability

SIDE = 52


def box(width: int = SIDE, *, noise: float = 3.0, paper: int = 225, moved: int = 0) -> BoxPicture:
    """A printed box with a margin of 10 pixels."""
    grey = np.full((SIDE + 20, width + 20), paper, np.uint8)
    cv2.rectangle(grey, (10 + moved, 10), (10 + width + moved, 10 + SIDE), 70, 2)
    random = np.random.default_rng(1)
    noisy = np.clip(grey + random.normal(0, noise, grey.shape), 0, 255).astype(np.uint8)
    return BoxPicture(noisy, (10, 10, 10 + width, 10 + SIDE))


def tick(picture: BoxPicture, kind: str, level: int = 60, width: int = 4) -> BoxPicture:
    grey = picture.grey.copy()
    lines = {
        "cross": [[(18, 18), (54, 54)], [(54, 18), (18, 54)]],
        "check": [[(18, 38), (32, 54), (62, 12)]],
        "dot": [[(35, 35), (36, 35)]],
    }[kind]
    for line in lines:
        cv2.polylines(grey, [np.array(line)], isClosed=False, color=level, thickness=width)
    return BoxPicture(grey, picture.box)


@pytest.mark.parametrize("paper", [240, 150])
@pytest.mark.parametrize("with_blank", [True, False])
def test_a_box_is_ticked_or_not(paper: int, *, with_blank: bool) -> None:
    blank = box(paper=250, noise=0) if with_blank else None
    empty = box(paper=paper, moved=1)
    assert ticked_probability(empty, blank) < 0.02
    for kind in ("cross", "check"):
        assert ticked_probability(tick(empty, kind, level=paper - 90), blank) > 0.97
    assert ticked_probability(tick(empty, "dot"), blank) < 0.5


def shaded(picture: BoxPicture, share: float, *, along: int) -> BoxPicture:
    """A shadow that covers a part of the picture, from its left edge or from the bottom left."""
    h, w = picture.grey.shape
    y, x = np.mgrid[:h, :w]
    dark = (x + along * (h - y)) / (w + along * h) < share
    grey = np.where(dark, picture.grey * np.float32(0.6), picture.grey)
    return BoxPicture(np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.5), np.uint8), picture.box)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("along", [0, 1])
def test_a_shadow_is_no_stroke(share: float, along: int) -> None:
    wide, small = box(4 * SIDE), box()
    for blank in (wide, None):
        assert strokes(shaded(wide, share, along=along), blank).mean() < 0.002
    assert ticked_probability(shaded(small, share, along=along), box(noise=0)) < 0.02
    ticked = shaded(tick(small, "cross"), share, along=along)
    assert ticked_probability(ticked, box(noise=0)) > 0.97


def test_a_box_that_is_filled_is_ticked() -> None:
    filled = box()
    filled.grey[12:60, 12:60] = 60
    assert ticked_probability(filled, box(noise=0)) > 0.97


def test_between_ticked_and_not_it_is_unsure() -> None:
    small = tick(box(), "dot", width=13)
    assert 0.03 < ticked_probability(small, None) < 0.97


def test_print_is_no_stroke() -> None:
    comb = box(4 * SIDE)
    for k in range(1, 4):
        cv2.line(comb.grey, (10 + k * SIDE, 10), (10 + k * SIDE, 10 + SIDE), 70, 2)
    assert strokes(comb, comb).sum() == 0
    assert strokes(comb, None).sum() == 0


def test_the_length_of_strokes_is_that_of_the_lines() -> None:
    grey = np.zeros((100, 200), np.uint8)
    cv2.line(grey, (10, 20), (150, 20), 255, 3)
    cv2.line(grey, (10, 60), (110, 60), 255, 3)
    assert stroke_length(grey > 0) == pytest.approx(140 + 100, rel=0.05)
    cv2.circle(grey, (170, 60), 20, 255, 3)
    assert stroke_length(grey > 0) == pytest.approx(240 + 2 * np.pi * 20, rel=0.06)


def test_strokes_beside_digits_are_those_that_no_digit_has() -> None:
    written = np.zeros((60, 200), bool)
    written[20:40, 20:30] = written[20:40, 100:120] = True
    digit = (25.0, 30.0, 12.0, 22.0)
    assert strokes_beside(written, [digit], 50) == pytest.approx(20 * 20 / 50**2)
    assert strokes_beside(written, [digit, (110.0, 30.0, 20.0, 20.0)], 50) == 0


def test_a_box_is_cut_out_at_its_place_and_size() -> None:
    page = np.full((400, 600), 200, np.uint8)
    page[80:120, 160:320] = 50  # 10 … 15 mm from the top, 20 … 40 mm from the left
    picture = crop_box(page, 8.0, (20.0, 10.0, 20.0, 5.0), 1.0, 52.0)
    left, top, right, bottom = (round(v) for v in picture.box)
    assert bottom - top == 52
    assert right - left == 4 * 52
    assert (picture.grey[top + 2 : bottom - 2, left + 2 : right - 2] == 50).all()
    assert (picture.grey[: top - 2] == 200).all()


def test_pictures_are_side_by_side_and_whole() -> None:
    random = np.random.default_rng(0)
    shapes = [(20, 300), (30, 500), (25, 400), (10, 1200), (60, 900), (50, 60), (190, 40)]
    pictures = [random.integers(0, 255, shape).astype(np.uint8) for shape in shapes]
    atlases = list(arrange(pictures, (1000, 130), 8))
    left_over = iter(pictures)
    for atlas, places in atlases:
        free = np.ones(atlas.shape, bool)
        for (left, top), picture in zip(places, left_over, strict=False):
            part = np.s_[top : top + picture.shape[0], left : left + picture.shape[1]]
            assert (atlas[part] == picture).all()
            assert free[part].all()
            free[part] = False
        assert len(np.unique(atlas[free])) == 1
    assert next(left_over, None) is None
    # The last picture is higher than an atlas: it has one of its own.
    assert [len(places) for _, places in atlases] == [4, 2, 1]
    assert all(atlas.shape[0] <= 130 for atlas, _ in atlases[:2])
