"""Pictures with more in them than a page of digits are refused, soon."""

import json
import subprocess
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from page_in_node import PAGE

from tenfold.errors import DataError
from tenfold.reading.crops import find_digits
from tenfold.reading.segmentation import segment_digits

Foreground = npt.NDArray[np.float32]


def tiled(rows: int, columns: int, cell: Foreground) -> Foreground:
    """Repeat a cell; paper surrounds the whole."""
    return np.pad(np.tile(cell, (rows, columns)), 40)


def marks(count: int) -> Foreground:
    """Marks of 10 x 16 pixels, `count` in a row and in a column."""
    return tiled(count, count, np.pad(np.ones((16, 10), np.float32), ((0, 3), (0, 9))))


def bars(count: int) -> Foreground:
    """Bars of 100 x 20 pixels: each may be several digits that touch."""
    return tiled(count, 2, np.pad(np.ones((20, 100), np.float32), (0, 5)))


def nested(count: int) -> Foreground:
    """Corners of squares that lie in each other."""
    side = 4 * count
    picture = np.zeros((side, side), np.float32)
    for start in range(2, side, 4):
        picture[start, start : side - 2] = picture[start : side - 2, start] = 1
    return picture


def dashes(count: int) -> Foreground:
    """Dashes below each other, each too far right to belong to the line above."""
    picture = np.zeros((6 * count + 8, 100), np.float32)
    for number in range(count):
        left = 4 + 15 * (number % 4)
        picture[6 * number + 4 : 6 * number + 7, left : left + 30] = 1
    return picture


REFUSED: dict[str, tuple[Foreground, str]] = {
    "marks": (marks(51), "more than 2500 marks: crop the picture to its digits"),
    "possible digits": (bars(60), "more than 4096 possible digits"),
    "area": (nested(380), "too many marks lie in each other"),
    "lines": (dashes(257), "more than 256 lines"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_more_than_a_page_of_digits_is_refused(kind: str) -> None:
    foreground, complaint = REFUSED[kind]
    with pytest.raises(DataError, match=complaint):
        segment_digits(foreground)


WITHIN = {
    "marks": (marks(40), 40 * 40),
    "possible digits": (bars(20), 40),
    "area": (nested(60), None),
    "lines": (dashes(100), 100),
}


@pytest.mark.parametrize("kind", WITHIN)
def test_a_full_page_is_read(kind: str) -> None:
    foreground, count = WITHIN[kind]
    found = segment_digits(foreground)
    assert count is None or len(found) == count


def test_thousands_of_marks_are_refused_from_a_picture_too() -> None:
    picture = (255 * (1 - marks(51))).astype(np.uint8)
    with pytest.raises(DataError, match="more than 2500 marks"):
        find_digits(picture, "line")
    (region,) = find_digits(picture, "single")
    assert len(region) == 1


@pytest.mark.parametrize("kind", REFUSED)
def test_the_page_s_reader_refuses_the_same(kind: str, require_tool: Callable[[str], str]) -> None:
    foreground, _ = REFUSED[kind]
    with pytest.raises(DataError) as refused:
        segment_digits(foreground)
    module = json.dumps((PAGE / "reader" / "segmentation.js").as_uri())
    h, w = foreground.shape
    code = (
        f"const {{ segmentDigits }} = await import({module});"
        "import { readFileSync } from 'node:fs';"
        "const data = Float32Array.from(readFileSync(0));"
        f"try {{ segmentDigits({{ w: {w}, h: {h}, data }}) }}"
        "catch (error) { console.log(error.message) }"
    )
    command = [require_tool("node"), "--input-type=module", "-e", code]
    marks = (foreground > 0).astype(np.uint8).tobytes()
    printed = subprocess.run(command, input=marks, check=True, capture_output=True).stdout
    assert printed.decode().strip() == str(refused.value)
