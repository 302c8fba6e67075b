"""The sheet of paper in a photograph: a bright quadrilateral on a darker desk."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.components import Box
from tenfold.reading.foreground import Pixels, downscale
from tenfold.reading.page import Page

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]

CORNERS = 4
SAMPLES_OF_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class SheetConfig:
    """When a bright area is a sheet of paper.

    Attributes:
        side_px: of the longer side of the copy in which it is looked for.
        samples: of the picture for each pixel of the copy, along each side.
        stroke_px: thinner strokes are not seen in the copy.
        min_share: of the picture that a sheet covers.
        max_desk_level: of the desk along each side, as a share of the paper's on the other side.
        max_bright_desk: share of the desk that may be as bright as paper.
        min_bright: share of the quadrilateral that is as bright as paper, or enclosed by it.
        precision: of the four corners, as a share of the outline's length.
        min_share_of_box: a box of which less lies on the sheet is outside.
    """

    side_px: int = 256
    samples: int = 4
    stroke_px: int = 5
    min_share: float = 0.1
    max_desk_level: float = 0.7
    max_bright_desk: float = 0.05
    min_bright: float = 0.93
    precision: float = 0.03
    min_share_of_box: float = 0.2


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet of paper.

    Attributes:
        corners: float32[4, 2], x and y in the picture's pixels.
        min_share_of_box: see `SheetConfig`.
    """

    corners: Floats
    min_share_of_box: float

    def holds(self, box: Box) -> bool:
        """Return whether enough of a box lies on the sheet."""
        left, top, right, bottom = box
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
        common, _ = cv2.intersectConvexConvex(self.corners, corners)
        return common >= self.min_share_of_box * (right - left) * (bottom - top)


def find_sheet(grey: Pixels, config: SheetConfig = SheetConfig()) -> Sheet | None:
    """Find a sheet that lies whole in uint8[h, w], on a desk that is darker all around it."""
    step = max(1, max(grey.shape) // (config.samples * config.side_px))
    small, factor = downscale(grey[::step, ::step], config.side_px)
    small = np.asarray(cv2.medianBlur(small, config.stroke_px), np.uint8)
    level, _ = cv2.threshold(small, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = (small > level).astype(np.uint8)
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    precision = config.precision * cv2.arcLength(hull, closed=True)
    corners = np.asarray(cv2.approxPolyDP(hull, precision, closed=True)[:, 0], np.int32)
    area = cv2.contourArea(corners)
    is_sheet = (
        len(corners) == CORNERS
        and area >= config.min_share * small.size
        and cv2.contourArea(outline) >= config.min_bright * area
        and (corners > 0).all()  # a shadow or a column may end at the edge of the picture
        and (corners < np.array(small.shape[::-1]) - 1).all()
        and _is_on_desk(small, bright, corners, config)
    )
    if not is_sheet:
        return None
    in_picture = (corners + 0.5) * (step / factor) - 0.5
    return Sheet(in_picture.astype(np.float32), config.min_share_of_box)


def without_desk(page: Page, grey: Pixels, config: SheetConfig = SheetConfig()) -> Page:
    """Leave out what was read in the grain of a desk, if numbers stand on a sheet on it.

    That is what lies outside of the sheet and was not accepted.

    Args:
        page: what was read.
        grey: the picture, uint8[h, w].
        config: see `find_sheet`.
    """
    if len(page.numbers) < 2 or all(number.accepted for number in page.numbers):  # noqa: PLR2004
        return page
    sheet = find_sheet(grey, config)
    if sheet is None or not any(sheet.holds(number.box) for number in page.numbers):
        return page
    kept = (number for number in page.numbers if number.accepted or sheet.holds(number.box))
    return replace(page, numbers=tuple(kept))


def _is_on_desk(small: Pixels, bright: Pixels, corners: Integers, config: SheetConfig) -> bool:
    """Return whether each side is the edge of something brighter, and nearly all outside dark."""
    beyond = cv2.fillConvexPoly(np.ones_like(small), corners, 0)
    if bright[beyond > 0].mean() > config.max_bright_desk:
        return False
    along = np.linspace(0, 1, SAMPLES_OF_SIDE + 2)[1:-1, None]
    last = np.array(small.shape[::-1]) - 1
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        across = np.array([end[1] - start[1], start[0] - end[0]]) / np.linalg.norm(end - start)
        levels = []
        for distance in (-config.stroke_px, config.stroke_px):
            points = start + along * (end - start) + distance * across
            x, y = np.rint(points).clip(0, last).astype(int).T
            levels.append(float(np.median(small[y, x])))
        if min(levels) > config.max_desk_level * max(levels):
            return False
    return True
