"""The sheet of paper in a picture: drawn with known corners, and pictures that have none."""

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from tenfold.reading.components import Box
from tenfold.reading.page import Number, Page, Reason
from tenfold.reading.reader import Reader
from tenfold.reading.sheet import SheetConfig, find_sheet, without_desk

SHAPE = (600, 800)
LEVEL = np.array([[150, 100], [650, 100], [650, 500], [150, 500]])
TURNED = np.array([[260, 60], [700, 200], [560, 560], [110, 420]])
FROM_BELOW = np.array([[280, 120], [520, 120], [720, 520], [80, 520]])
ON_SHEET, ON_DESK = (300, 250, 420, 300), (20, 20, 140, 60)

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def desk(level: float = 60, shape: tuple[int, int] = SHAPE) -> np.ndarray[Any, Any]:
    """Return the grey levels of a desk with grain and noise."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(1).normal(0, 3, shape)
    return np.asarray(level + 12 * np.sin((x + 0.3 * y) / 5) + noise)


def photograph(corners: np.ndarray[Any, Any], paper: float = 215, level: float = 60) -> Pixels:
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
def test_a_sheet_is_found(corners: np.ndarray[Any, Any], factor: float) -> None:
    picture = cv2.resize(photograph(corners), None, fx=factor, fy=factor)
    sheet = find_sheet(np.asarray(picture, np.uint8))
    assert sheet is not None
    away = np.linalg.norm(sheet.corners[:, None] / factor - corners, axis=2)
    assert away.min(axis=0).max() < 0.02 * max(SHAPE)


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


def left(page: Page, picture: Pixels) -> list[str]:
    return [one.value for one in without_desk(page, picture).numbers]


def test_what_was_read_in_the_grain_of_a_desk_is_left_out() -> None:
    picture = photograph(LEVEL)
    edge = (630, 200, 680, 230)  # two fifths of it lies on the sheet
    numbers = (
        number("12", ON_SHEET, accepted=False),
        number("111", ON_DESK, accepted=False),
        number("3", edge, accepted=False),
        number("45", (660, 520, 760, 580), accepted=True),
    )
    page = Page(numbers)
    assert left(page, picture) == ["12", "3", "45"]
    assert left(page, np.full(SHAPE, 255, np.uint8)) == ["12", "111", "3", "45"]
    assert left(Page(numbers[1:2] + numbers[3:]), picture) == ["111", "45"]  # none on the sheet
    assert without_desk(Page(numbers[:1]), picture).numbers == numbers[:1]


def test_the_reader_leaves_it_out() -> None:
    page = Page((number("1", ON_DESK, accepted=False), number("12", ON_SHEET, accepted=True)))
    found = SimpleNamespace(boxes=np.zeros((3, 4), np.float32))
    numbers = SimpleNamespace(detect=lambda *_: found, page=lambda *_: page)
    classifier = SimpleNamespace(config=SimpleNamespace(rejection_threshold=0.5))
    reader = Reader(cast("Any", classifier), cast("Any", numbers), cast("Any", None))
    assert reader.read(photograph(LEVEL)).text == "12"
    assert reader.read(NO_SHEET["blank"]).text == "1 12"


def test_config_says_what_is_a_sheet() -> None:
    assert find_sheet(photograph(LEVEL), SheetConfig(min_share=0.5)) is None
