"""Pictures of drawn digits, how a command that was given them ended, and a reader of its pages."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.rendering.strokes import STROKE_TEMPLATES, catmull_rom, parse_template

Pixels = npt.NDArray[np.uint8]


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout, a line each."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def read(self) -> dict[str, str]:
        """The digits of each file that was read, as one word."""
        return {
            Path(row["file"]).name: "".join(
                str(digit["digit"]) for number in row["numbers"] for digit in number["digits"]
            )
            for row in self.rows
            if not row["error"]
        }


Tenfold = Callable[..., Ended]


def drawn(digits: str, height: int = 50) -> Pixels:
    """Draw digits as their templates say, black on white, side by side."""
    wide = round(0.65 * height)
    canvas = np.zeros((2 * height, len(digits) * (wide + 20) + 40), np.uint8)
    for place, digit in enumerate(digits):
        corner = (30 + place * (wide + 20), height // 2)
        for points in parse_template(STROKE_TEMPLATES[int(digit)][0]):
            line = np.rint(catmull_rom(points) * (wide, height) + corner).astype(np.int32)
            cv2.polylines(canvas, [line], False, 255, 5, cv2.LINE_AA)  # noqa: FBT003
    return 255 - canvas


def drawn_grid(cells: dict[tuple[int, int], int]) -> Pixels:
    """Draw a grid of 3 × 3 with digits in some cells."""
    canvas = np.full((400, 400), 255, np.uint8)
    for k in range(4):
        cv2.line(canvas, (50, 50 + 100 * k), (350, 50 + 100 * k), 0, 3)
        cv2.line(canvas, (50 + 100 * k, 50), (50 + 100 * k, 350), 0, 3)
    for (row, column), digit in cells.items():
        glyph = drawn(str(digit))[10:90, 10:86]
        top, left = 60 + 100 * row, 62 + 100 * column
        canvas[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    return canvas


def save(path: Path, pixels: Pixels) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


class Page(HTMLParser):
    """What a page fetches, and the sizes of its pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.words = ""
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.words += data
