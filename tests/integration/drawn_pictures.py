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
        """The digits of each file, as one word."""
        words: dict[str, str] = {}
        for row in self.rows:
            name = Path(row["file"]).name
            words[name] = words.get(name, "") + str(row["digit"])
        return words


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
