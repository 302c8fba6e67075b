"""The boxes of a page in one picture, side by side: they are looked at together."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.bundle.detector_runtime import Detections
from tenfold.forms.corners import Grey

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
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(part, size, interpolation=interpolation)
    edges = (left - x, top - y, left + width - x, top + height - y)
    first, second, third, fourth = (edge * scale for edge in edges)
    return BoxPicture(np.asarray(small, np.uint8), (first, second, third, fourth))


def arrange(pictures: Sequence[Grey], width_px: int, gap_px: int) -> tuple[Grey, list[Place]]:
    """Return pictures in rows, with paper between them, and the place of each.

    Args:
        pictures: uint8[h, w] each.
        width_px: of a row, if no picture is wider.
        gap_px: between pictures and around them.
    """
    places: list[Place] = []
    x, y, row_height, right = gap_px, gap_px, 0, 0
    for picture in pictures:
        h, w = picture.shape
        if x > gap_px and x + w + gap_px > width_px:
            x, y, row_height = gap_px, y + row_height + gap_px, 0
        places.append((x, y))
        x, row_height, right = x + w + gap_px, max(row_height, h), max(right, x + w)
    shape = (y + row_height + gap_px, right + gap_px)
    paper = int(np.median(np.concatenate([picture.ravel() for picture in pictures])))
    atlas = np.full(shape, paper, np.uint8)
    for picture, (left, top) in zip(pictures, places, strict=True):
        h, w = picture.shape
        atlas[top : top + h, left : left + w] = picture
    return atlas, places


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
