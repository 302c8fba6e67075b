"""A page that shows how pictures were read: what was detected, and the numbers made of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.decoding import Picture, load_pixels
from tenfold.errors import DataError
from tenfold.reading.components import Box, box_in_picture
from tenfold.reading.constraints import Constraints
from tenfold.reading.foreground import downscale, find_foreground, to_grey
from tenfold.reading.page import Page
from tenfold.reading.reader import Layout, Reader
from tenfold.reading.sheet import find_sheet
from tenfold.report.page import data_uri, render, write_page

LONGER_SIDE_PX = 1200


def write_explanation(
    pictures: Sequence[tuple[str, Picture]],
    reader: Reader,
    layout: Layout,
    constraints: Constraints,
    page: Path,
) -> Path:
    """Write a page with each picture, what was detected in it, and its numbers.

    Raises:
        WriteError: it cannot be written.
    """
    shown = [_explained(name, given, reader, layout, constraints) for name, given in pictures]
    return write_page(page, render("reading.html", pictures=shown, layout=layout))


def _explained(
    name: str, given: Picture, reader: Reader, layout: Layout, constraints: Constraints
) -> dict[str, Any]:
    pixels = load_pixels(given)
    try:
        page, error = reader.read(pixels, layout, constraints), None
    except DataError as refused:  # such as: no grid
        page, error = Page(()), str(refused)
    foreground = None
    rules = [] if page.corners is None else _rules(page.corners)
    if layout == "numbers":
        boxes = [] if error else _detected(reader, pixels)
    else:
        boxes = [_box(digit.box, str(digit.digit), 1) for n in page.numbers for digit in n.digits]
    if layout == "single":
        small = find_foreground(downscale(pixels, LONGER_SIDE_PX)[0])
        foreground = data_uri(np.rint(255 - 255 * small).astype(np.uint8))
    return {
        "name": name,
        "error": error,
        "page": page,
        "picture": data_uri(downscale(pixels, LONGER_SIDE_PX)[0]),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "boxes": boxes,
        "rules": rules,
        "foreground": foreground,
        "crops": {d: data_uri(d.pixels) for n in page.numbers for d in n.digits},
    }


def _rules(corners: npt.NDArray[np.float32]) -> list[str]:
    """Return each rule of a grid or table as the points of an SVG polyline: its crossings."""
    lines = (*corners, *corners.transpose(1, 0, 2))
    return [" ".join(f"{x:.1f},{y:.1f}" for x, y in line.tolist()) for line in lines]


def _detected(reader: Reader, pixels: Pixels) -> list[dict[str, Any]]:
    """Return the boxes of all detections, those that no number has included.

    A tilted sheet is straightened before, as it is for reading.
    """
    grey = to_grey(pixels)
    sheet = find_sheet(grey)
    in_picture: Callable[[Box], Box] | None = None
    if sheet is not None and sheet.is_tilted:
        grey, in_picture = sheet.straighten(grey)
    found = reader.numbers.detect(grey)
    boxes = []
    for objectness, character, sides in zip(
        found.objectness.tolist(), found.labels.tolist(), found.boxes.tolist(), strict=True
    ):
        box = box_in_picture(sides, grey.shape)
        shown = in_picture(box) if in_picture else box
        boxes.append(_box(shown, DETECTED_CLASSES[character], objectness))
    return boxes


def _box(box: Sequence[float], character: str, objectness: float) -> dict[str, Any]:
    left, top, right, bottom = box
    sides = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    return {name: round(side, 1) for name, side in sides.items()} | {
        "character": character,
        "objectness": objectness,
    }
