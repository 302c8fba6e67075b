"""The sheet of paper in a picture: drawn with known corners, and pictures that have none."""

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from tenfold.reading.components import Box
from tenfold.reading.constraints import Constraints
from tenfold.reading.page import Number, Page, Reason
from tenfold.reading.reader import Reader
from tenfold.reading.sheet import SheetConfig, find_sheet, without_desk

SHAPE = (600, 800)
LEVEL = np.array([[150, 100], [650, 100], [650, 500], [150, 500]])
TURNED = np.array([[260, 60], [700, 200], [560, 560], [110, 420]])
FROM_BELOW = np.array([[280, 120], [520, 120], [720, 520], [80, 520]])
ON_SHEET, ON_DESK = (300, 250, 420, 300), (20, 20, 140, 60)

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Corners = np.ndarray[Any, np.dtype[np.int64]]


def desk(level: float = 60, shape: tuple[int, int] = SHAPE) -> np.ndarray[Any, Any]:
    """Return the grey levels of a desk with grain and noise."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(1).normal(0, 3, shape)
    return np.asarray(level + 12 * np.sin((x + 0.3 * y) / 5) + noise)


def photograph(corners: Corners, paper: float = 215, level: float = 60) -> Pixels:
    """Return a sheet with writing and a frame on a desk, in light that fades to the right."""
    picture = desk(level)
    cv2.fillConvexPoly(picture, corners.astype(np.int32), paper)
    middle = corners.mean(axis=0)
    frame = (middle + 0.8 * (corners - middle)).astype(np.int32)
    cv2.polylines(picture, [frame], isClosed=True, color=40.0, thickness=2)
    left, top, right, bottom = ON_SHEET
    for x in range(left, right, 30):
        cv2.line(picture, (x, top), (x + 12, bottom), 40.0, 5)
    picture *= np.linspace(1, 0.75, SHAPE[1])
    return np.asarray(picture.clip(0, 255), np.uint8)


@pytest.mark.parametrize("corners", [LEVEL, TURNED, FROM_BELOW])
@pytest.mark.parametrize("factor", [0.3, 1, 3])
def test_a_sheet_is_found(corners: Corners, factor: float) -> None:
    picture = cv2.resize(photograph(corners), None, fx=factor, fy=factor)
    sheet = find_sheet(np.asarray(picture, np.uint8))
    assert sheet is not None
    away = np.linalg.norm(sheet.corners / factor - corners, axis=1)
    assert away.max() < 0.02 * max(SHAPE)


def stroke() -> Pixels:
    """Return a straight stroke of chalk, as of a 1."""
    picture = np.full(SHAPE, 20, np.uint8)
    return np.asarray(cv2.line(picture, (330, 40), (470, 560), 240, 140), np.uint8)


def ring() -> Pixels:
    """Return a frame of chalk, nearly a rectangle: a 0."""
    picture = np.full(SHAPE, 20, np.uint8)
    return np.asarray(cv2.polylines(picture, [TURNED], True, 240, 60), np.uint8)  # noqa: FBT003


def shadow() -> Pixels:
    """Return paper that is half in the shade."""
    picture = np.full(SHAPE, 220, np.uint8)
    picture[:, :400] = 110
    return picture


def disc() -> Pixels:
    picture = np.full(SHAPE, 30, np.uint8)
    return np.asarray(cv2.circle(picture, (400, 300), 200, 240, -1), np.uint8)


def chalk() -> Pixels:
    picture = np.full(SHAPE, 20, np.uint8)
    return np.asarray(cv2.putText(picture, "2718", (80, 380), 0, 8, 240, 40), np.uint8)


def two_sheets() -> Pixels:
    picture = np.asarray(desk().clip(0, 255), np.uint8)
    picture[50:550, 60:360] = picture[50:550, 440:740] = 220
    return picture


def fading() -> Pixels:
    """Return paper in light that fades to all sides."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    return np.asarray(230 * np.exp(-1.2 * (x**6 + y**6)), np.uint8)


NO_SHEET = {
    "blank": np.full(SHAPE, 255, np.uint8),
    "noise": np.random.default_rng(2).integers(0, 256, SHAPE, np.uint8),
    "drawing": np.uint8(255) - chalk(),
    "chalk on a board": chalk(),
    "wide stroke": stroke(),
    "frame": ring(),
    "half in the shade": shadow(),
    "disc": disc(),
    "light that fades": fading(),
    "two sheets": two_sheets(),
    "cut by the edge": photograph(LEVEL)[150:],
    "light desk": photograph(LEVEL, level=180),
    "small": photograph(400 + (LEVEL - 400) // 4),
    "one pixel": np.zeros((1, 1), np.uint8),
}


@pytest.mark.parametrize("name", NO_SHEET)
def test_there_may_be_none(name: str) -> None:
    assert find_sheet(NO_SHEET[name]) is None


def number(value: str, box: Box, *, accepted: bool) -> Number:
    reason: Reason | None = None if accepted else "unsure"
    return Number(
        value=value, text=value, box=box, probability=0.5, alternatives=(), digits=(), reason=reason
    )


def test_what_was_read_in_the_grain_of_a_desk_is_left_out() -> None:
    sheet = find_sheet(photograph(LEVEL))
    assert sheet is not None
    edge = (630, 200, 680, 230)  # two fifths of it lies on the sheet
    numbers = (
        number("12", ON_SHEET, accepted=False),
        number("111", ON_DESK, accepted=False),
        number("3", edge, accepted=False),
        number("45", (660, 520, 760, 580), accepted=True),
    )
    assert without_desk(Page(numbers), sheet).text == "12 3 45"
    on_desk = Page(numbers[1::2])
    assert without_desk(on_desk, sheet).text == "111 45"  # none is on the sheet


class Finder:
    """In place of the detector: numbers at given places, or one around the darkest pixels."""

    classifier = None

    def __init__(self, page: Page | None = None) -> None:
        self.fixed = page
        self.seen: list[Pixels] = []

    def detect(self, grey: Pixels) -> SimpleNamespace:
        self.seen.append(grey)
        return SimpleNamespace(boxes=np.zeros((3, 4), np.float32))

    def page(self, _found: SimpleNamespace, grey: Pixels, _constraints: Constraints) -> Page:
        if self.fixed is not None:
            return self.fixed
        y, x = np.nonzero(grey < 20)
        if not len(x):
            return Page(())
        box = (int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1)
        return Page((number("7", box, accepted=True),))


def reader(finder: Finder) -> Reader:
    classifier = SimpleNamespace(config=SimpleNamespace(rejection_threshold=0.5))
    return Reader(cast("Any", classifier), cast("Any", finder), cast("Any", None))


def test_the_reader_leaves_the_desk_out() -> None:
    page = Page((number("1", ON_DESK, accepted=False), number("12", ON_SHEET, accepted=True)))
    assert reader(Finder(page)).read(photograph(LEVEL)).text == "12"
    assert reader(Finder(page)).read(NO_SHEET["blank"]).text == "1 12"


@pytest.mark.parametrize("corners", [TURNED, FROM_BELOW])
def test_a_tilted_sheet_is_read_from_above(corners: Corners) -> None:
    """A square is printed on it; what is read must be a square, and its box be around it."""
    picture = photograph(corners)
    side = 500 * np.array([[0.3, 0.3], [0.4, 0.3], [0.4, 0.4], [0.3, 0.4]], np.float32)
    whole = 500 * np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    projection = cv2.getPerspectiveTransform(whole, corners.astype(np.float32))
    square = cv2.perspectiveTransform(side[None], projection)[0]
    cv2.fillConvexPoly(picture, np.rint(square).astype(np.int32), 0)
    finder = Finder()
    (found,) = reader(finder).read(picture).numbers
    expected = np.concatenate([square.min(axis=0), square.max(axis=0)])
    np.testing.assert_allclose(found.box, expected, atol=12)
    (straight,) = finder.seen
    dark = straight < 20
    assert dark.sum() > 0.9 * dark.any(axis=0).sum() * dark.any(axis=1).sum()


def test_a_tilted_sheet_without_numbers_hides_no_others() -> None:
    picture = photograph(TURNED)
    left, top, right, bottom = ON_DESK
    picture[top:bottom, left:right] = 0
    assert reader(Finder()).read(picture).numbers[0].box == ON_DESK


def test_a_level_sheet_is_not_straightened() -> None:
    level, turned = find_sheet(photograph(LEVEL)), find_sheet(photograph(TURNED))
    assert level is not None
    assert turned is not None
    assert not level.is_tilted
    assert turned.is_tilted
    small = find_sheet(np.asarray(cv2.resize(photograph(TURNED), None, fx=0.2, fy=0.2), np.uint8))
    assert small is not None
    assert not small.is_tilted


def test_config_says_what_is_a_sheet() -> None:
    assert find_sheet(photograph(LEVEL), SheetConfig(min_share=0.5)) is None
