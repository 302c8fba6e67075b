"""The boxes of a page in one picture, side by side: they are looked at together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Grey
from tenfold.bundle.detector_runtime import Detections
from tenfold.reading.foreground import resize

Place = tuple[int, int]  # left and top, pixels


@dataclass(frozen=True, eq=False)
class BoxPicture:
    """The picture of a box and of a margin around it.

    Attributes:
        grey: uint8[h, w].
        box: left, top, right, bottom of the box itself, in its pixels.
    """

    grey: Grey
    box: tuple[float, float, float, float]


def crop_box(
    page: Grey,
    px_per_mm: float,
    box_mm: tuple[float, float, float, float],
    margin_mm: float,
    height_px: float,
) -> BoxPicture:
    """Crop a box of a page, so that it has a given height.

    Args:
        page: uint8[h, w].
        px_per_mm: its scale.
        box_mm: left, top, width, height.
        margin_mm: around the box.
        height_px: of the box in the result.
    """
    left, top, width, height = (v * px_per_mm for v in box_mm)
    margin = margin_mm * px_per_mm
    h, w = page.shape
    x, y = max(0, round(left - margin)), max(0, round(top - margin))
    right, bottom = min(w, round(left + width + margin)), min(h, round(top + height + margin))
    part = page[y : max(bottom, y + 1), x : max(right, x + 1)]
    scale = height_px / height
    small = resize(part, scale)
    edges = (left - x, top - y, left + width - x, top + height - y)
    first, second, third, fourth = (edge * scale for edge in edges)
    return BoxPicture(small, (first, second, third, fourth))


def arrange(
    pictures: Sequence[Grey], size_px: tuple[float, float], gap_px: int
) -> Iterator[tuple[Grey, list[Place]]]:
    """Arrange pictures in rows, with paper between them, on as many atlases as it takes.

    Args:
        pictures: uint8[h, w] each.
        size_px: greatest width and height of an atlas, if no picture is larger.
        gap_px: between pictures and around them.

    Yields:
        an atlas, and the places of the pictures on it, which are the next ones.
    """
    places: list[Place] = []
    first, x, y, row_height = 0, gap_px, gap_px, 0
    for number, picture in enumerate(pictures):
        h, w = picture.shape
        if x > gap_px and x + w + gap_px > size_px[0]:
            x, y, row_height = gap_px, y + row_height + gap_px, 0
        if places and y + h + gap_px > size_px[1]:
            yield _atlas(pictures[first:number], places, gap_px), places
            places, first, x, y, row_height = [], number, gap_px, gap_px, 0
        places.append((x, y))
        x, row_height = x + w + gap_px, max(row_height, h)
    if places:
        yield _atlas(pictures[first:], places, gap_px), places


def _atlas(pictures: Sequence[Grey], places: Sequence[Place], gap_px: int) -> Grey:
    corners = [
        (left + p.shape[1], top + p.shape[0])
        for p, (left, top) in zip(pictures, places, strict=True)
    ]
    right, bottom = (max(edges) for edges in zip(*corners, strict=True))
    paper = int(np.median(np.concatenate([picture.ravel() for picture in pictures])))
    atlas = np.full((bottom + gap_px, right + gap_px), paper, np.uint8)
    for picture, (left, top) in zip(pictures, places, strict=True):
        h, w = picture.shape
        atlas[top : top + h, left : left + w] = picture
    return atlas


def in_box(
    found: Detections, place: Place, box: tuple[float, float, float, float], slack_px: float
) -> npt.NDArray[np.intp]:
    """Return the detections whose centres lie in a box, from left to right.

    Args:
        found: in an atlas.
        place: of the box's picture in it.
        box: in the picture.
        slack_px: by which the box is larger.
    """
    left, top, right, bottom = box
    x, y = (found.boxes[:, :2] - np.array(place, np.float32)).T
    inside = (x >= left - slack_px) & (x <= right + slack_px)
    inside &= (y >= top - slack_px) & (y <= bottom + slack_px)
    indices = np.flatnonzero(inside)
    return indices[np.argsort(found.boxes[indices, 0], kind="stable")]
