"""The sheet of paper in a photograph: a bright quadrilateral on a darker desk."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Pixels
from tenfold.reading.components import Box, corners_of
from tenfold.reading.foreground import downscale
from tenfold.reading.page import Page

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
        min_proportion: of the shortest side to the longest: a light stroke may be narrower.
        max_desk_level: of the desk along each side, as a share of the paper's on the other side.
        max_bright_desk: share of the desk that may be as bright as paper.
        min_enclosed: share of the quadrilateral that is as bright as paper, or enclosed by it.
        min_bright: share of the quadrilateral that is as bright as paper.
        precision: of the four corners, as a share of the outline's length.
        min_share_of_box: a box of which less lies on the sheet is outside.
        max_slope: of a side against the picture's; a sheet with a steeper one is straightened,
            if all of its sides have `min_side_px`.
    """

    side_px: int = 256
    samples: int = 4
    stroke_px: int = 5
    min_share: float = 0.15
    min_proportion: float = 0.25
    max_desk_level: float = 0.7
    max_bright_desk: float = 0.05
    min_enclosed: float = 0.93
    min_bright: float = 0.7
    precision: float = 0.03
    min_share_of_box: float = 0.2
    max_slope: float = 0.14
    min_side_px: float = 100.0


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet of paper.

    Attributes:
        corners: float32[4, 2], x and y in the picture's pixels, clockwise from top left.
        config: what it was found with.
    """

    corners: Floats
    config: SheetConfig

    def holds(self, box: Box) -> bool:
        """Return whether enough of a box lies on the sheet."""
        left, top, right, bottom = box
        common, _ = cv2.intersectConvexConvex(self.corners, corners_of(box))
        return common >= self.config.min_share_of_box * (right - left) * (bottom - top)

    @property
    def is_tilted(self) -> bool:
        """Whether it is large and turned, or seen from the side, so far that reading suffers."""
        sides = _sides(self.corners)
        least, most = np.sort(np.abs(sides), axis=1).T
        is_large = np.linalg.norm(sides, axis=1).min() >= self.config.min_side_px
        return bool(is_large and (least > self.config.max_slope * most).any())

    def straighten(self, grey: Pixels) -> tuple[Pixels, Callable[[Box], Box]]:
        """Return the sheet as it is seen from above, and a map of its boxes to the picture's.

        Args:
            grey: the picture, uint8[h, w].
        """
        lengths = np.linalg.norm(_sides(self.corners), axis=1)
        w, h = (max(1, round(float(lengths[k::2].mean()))) for k in (0, 1))
        to_sheet = cv2.getPerspectiveTransform(self.corners, corners_of((0, 0, w, h)))
        flat = cv2.warpPerspective(grey, to_sheet, (w, h), borderMode=cv2.BORDER_REPLICATE)
        to_picture = np.linalg.inv(to_sheet)

        def in_picture(box: Box) -> Box:
            corners = cv2.perspectiveTransform(corners_of(box)[None], to_picture)[0]
            left, top = np.floor(corners.min(axis=0)).clip(0).astype(int).tolist()
            right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
            return left, top, min(right, grey.shape[1]), min(bottom, grey.shape[0])

        return np.asarray(flat, np.uint8), in_picture


def _sides(corners: Floats | Integers) -> Floats:
    return np.asarray(np.roll(corners, -1, axis=0) - corners, np.float32)


def _from_top_left(corners: Floats) -> Floats:
    """Return the corners of a quadrilateral clockwise, from the one whose side leads right."""
    x, y = (corners - corners.mean(axis=0)).T
    corners = corners[np.argsort(np.arctan2(y, x))]
    sides = _sides(corners)
    first = int(np.argmax(sides[:, 0] / np.linalg.norm(sides, axis=1)))
    return np.roll(corners, -first, axis=0)


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
    sides = np.linalg.norm(_sides(corners), axis=1)
    is_sheet = (
        len(corners) == CORNERS
        and area >= config.min_share * small.size
        and sides.min() >= config.min_proportion * sides.max()
        and cv2.contourArea(outline) >= config.min_enclosed * area
        and (corners > 0).all()  # a shadow or a column may end at the edge of the picture
        and (corners < np.array(small.shape[::-1]) - 1).all()
        and _is_on_desk(small, bright, corners, config)
    )
    if not is_sheet:
        return None
    in_picture = (corners + 0.5) * (step / factor) - 0.5
    return Sheet(_from_top_left(in_picture.astype(np.float32)), config)


def without_desk(page: Page, sheet: Sheet) -> Page:
    """Leave out what was read in the grain of a desk, if numbers stand on a sheet on it.

    That is what lies outside of the sheet and was not accepted.
    """
    if not any(sheet.holds(number.box) for number in page.numbers):
        return page
    kept = (number for number in page.numbers if number.accepted or sheet.holds(number.box))
    return replace(page, numbers=tuple(kept))


def _is_on_desk(small: Pixels, bright: Pixels, corners: Integers, config: SheetConfig) -> bool:
    """Return whether each side is the edge of something brighter, and nearly all outside dark."""
    inside = cv2.fillConvexPoly(np.zeros_like(small), corners, 1) > 0
    if bright[~inside].mean() > config.max_bright_desk or bright[inside].mean() < config.min_bright:
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
