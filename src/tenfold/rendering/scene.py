"""What is drawn on a piece of a page, and the labels of the characters on it.

Legend: positions are in pixels of the crop, x to the right, y downwards, those of a box are its
left, top, right and bottom edge. "On the page" means before the page's rotation: relative to the
middle of the crop, with x along the lines of writing.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.glyph_raster import drawn_box
from tenfold.rendering.glyphs import CLASS_OF, Glyph
from tenfold.rendering.sampling import Random, bernoulli

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Label = tuple[int, float, float, float, float, bool]

# A character of which less is inside the crop has no label.
MIN_VISIBLE = 0.6
FIXED_POINT_BITS = 4
# A bent line is drawn in straight pieces of about this length.
STRAIGHT_PX = 30
# What is nearer to the camera is drawn as if it were so near: it lies far outside the crop.
NEAREST_DEPTH = 0.2


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """How lines are printed.

    Args:
        width_px: whole pixels.
        darkness: share of the light that the lines take away, 0 … 1.
        missing: share of a line that is not printed, in gaps.
        dash_px: length of the dashes of a dashed line; 0 for a solid one.
    """

    width_px: int
    darkness: float
    missing: float = 0.0
    dash_px: float = 0.0


@dataclass(eq=False)
class Scene:
    """A crop of a page while it is drawn.

    Args:
        shape: height and width, pixels.
        tilt: cosine and sine of the angle by which the page is rotated.
        random: source of all draws.
        bend: how far a line of writing of 100 pixels sags or rises, pixels.
        keystone: by how much the page is nearer to the camera, as a share of its distance, for each
            pixel to the right and downwards.
        max_labels: when there are as many, further labelled characters are left out.
        labels: class, middle x and y, width, height of each, and whether it is printed.
        occupied: boxes of characters and of what stands beside them.
        faintest: darkness of the faintest pen of a labelled character.
        desk: float32[h, w], grey levels beyond the edge of the paper, negative on paper; or None.
        fold: float32[h, w], share of the light that folds reflect; or None.
    """

    shape: tuple[int, int]
    tilt: tuple[float, float]
    random: Random
    max_labels: int
    labels: list[Label] = field(default_factory=list)
    occupied: list[Box] = field(default_factory=list)
    faintest: float = 1.0
    bend: float = 0.0
    keystone: tuple[float, float] = (0.0, 0.0)
    desk: npt.NDArray[np.float32] | None = None
    fold: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self.ink = np.zeros(self.shape, np.float32)
        self.printed = np.zeros(self.shape, np.uint8)

    def absorption(self) -> npt.NDArray[np.float32]:
        """Return the share of light that each pixel takes away: float32[h, w], 0 … 1."""
        absorption: npt.NDArray[np.float32] = np.maximum(
            self.ink, self.printed.astype(np.float32) / np.float32(255)
        )
        return absorption

    def to_crop(self, x: float, y: float) -> Point:
        """Convert a position on the page to one in the crop."""
        cos, sin = self.tilt
        depth = 1 - self.keystone[0] * x - self.keystone[1] * y
        scale = 1 / max(depth, NEAREST_DEPTH)
        x, y = x * scale, y * scale + self.bend * (x / 100) ** 2
        return cos * x - sin * y + self.shape[1] / 2, sin * x + cos * y + self.shape[0] / 2

    def place(self, glyph: Glyph, centre: Point, darkness: float, *, labelled: bool = True) -> bool:
        """Draw a character, with its middle at a position on the page.

        A character of `DETECTED_CLASSES` is labelled if enough of it is visible.

        Returns:
            Whether it was drawn: not when the labels are full.
        """
        if labelled and len(self.labels) >= self.max_labels:
            return False
        x, y = self.to_crop(*centre)
        h, w = glyph.coverage.shape
        left, top = round(x - w / 2), round(y - h / 2)
        columns, rows = _inside(left, w, self.shape[1]), _inside(top, h, self.shape[0])
        visible = glyph.coverage[rows[1], columns[1]]
        if not visible.size:
            return True
        target = self.ink[rows[0], columns[0]]
        np.maximum(target, visible * np.float32(darkness), out=target)
        box = drawn_box(visible)
        if box is None:
            return True
        x, y = columns[0].start, rows[0].start
        left, top, right, bottom = box[0] + x, box[1] + y, box[2] + x, box[3] + y
        self.occupied.append((left, top, right, bottom))
        whole = visible.size == glyph.coverage.size
        if labelled and (whole or visible.sum() >= MIN_VISIBLE * glyph.coverage.sum()):
            middle = ((left + right) / 2, (top + bottom) / 2)
            size = (right - left, bottom - top)
            self.labels.append((CLASS_OF[glyph.character], *middle, *size, glyph.printed))
            self.faintest = min(self.faintest, darkness)
        return True

    def rule(self, start: Point, end: Point, ruler: Ruler) -> None:
        """Print a line between two positions on the page, whole or with gaps."""
        for first, last in _pieces(ruler, math.dist(start, end), self.random):
            points = self._line(start, end, (first, last))
            self.draw_line(points, round(255 * ruler.darkness), ruler.width_px)

    def frame(self, box: Box, ruler: Ruler) -> None:
        """Print a rectangle; its corners are positions on the page."""
        left, top, right, bottom = box
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        if not ruler.missing and not ruler.dash_px:
            points = [
                point
                for ends in itertools.pairwise(corners)
                for point in self._line(*ends, (0.0, 1.0))
            ]
            self.draw_line(points, round(255 * ruler.darkness), ruler.width_px)
            return
        for start, end in itertools.pairwise(corners):
            self.rule(start, end, ruler)

    def _line(self, start: Point, end: Point, part: tuple[float, float]) -> list[Point]:
        """Return positions in the crop along a part of a line on the page, enough for its bend."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        count = 2
        if self.bend or any(self.keystone):
            count += int((abs(dx) + abs(dy)) * (part[1] - part[0]) / STRAIGHT_PX)
        step = (part[1] - part[0]) / (count - 1)
        shares = [part[0] + step * place for place in range(count)]
        return [self.to_crop(start[0] + share * dx, start[1] + share * dy) for share in shares]

    def shade(self, box: Box, darkness: float) -> None:
        """Print an even tint on a rectangle of the page."""
        left, top, right, bottom = box
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        points = np.rint([self.to_crop(*corner) for corner in corners]).astype(np.int32)
        cv2.fillConvexPoly(self.printed, points, round(255 * darkness), cv2.LINE_AA)

    def draw_line(self, points: Sequence[Point], level: int, width_px: int) -> None:
        """Draw a polyline of positions in the crop with print of a level, 0 … 255."""
        scaled = np.rint(np.array(points) * (1 << FIXED_POINT_BITS)).astype(np.int32)
        cv2.polylines(
            self.printed,
            [scaled],
            isClosed=False,
            color=level,
            thickness=width_px,
            lineType=cv2.LINE_AA,
            shift=FIXED_POINT_BITS,
        )

    def add(self, coverage: npt.NDArray[np.float32], left: int, top: int, darkness: float) -> None:
        """Draw a picture without a label; left and top are positions in the crop."""
        h, w = coverage.shape
        columns, rows = _inside(left, w, self.shape[1]), _inside(top, h, self.shape[0])
        visible = coverage[rows[1], columns[1]]
        if visible.size:
            target = self.ink[rows[0], columns[0]]
            np.maximum(target, visible * np.float32(darkness), out=target)

    def is_free(self, box: Box, margin: float) -> bool:
        """Tell whether no character is nearer to a box than the margin."""
        return all(
            box[0] > other[2] + margin
            or box[2] < other[0] - margin
            or box[1] > other[3] + margin
            or box[3] < other[1] - margin
            for other in self.occupied
        )


def _inside(start: int, length: int, limit: int) -> tuple[slice, slice]:
    """Return the part of start … start + length within 0 … limit, and where it is in itself."""
    first, last = max(start, 0), min(start + length, limit)
    last = max(first, last)
    return slice(first, last), slice(first - start, last - start)


def _pieces(ruler: Ruler, length: float, random: Random) -> list[tuple[float, float]]:
    """Return the parts of a line that are printed, each from a share of its length to another."""
    if ruler.dash_px and length > 2 * ruler.dash_px:
        starts = np.arange(0, length, 2 * ruler.dash_px)
        return [(start / length, min(1.0, (start + ruler.dash_px) / length)) for start in starts]
    if not ruler.missing:
        return [(0.0, 1.0)]
    count = max(1, int(length / 25))
    ends = np.sort(random.uniform(0, 1, 2 * count))
    bounds = np.concatenate([[0.0], ends, [1.0]])
    return [
        (float(first), float(last))
        for first, last in itertools.pairwise(bounds)
        if not bernoulli(random, ruler.missing)
    ]
