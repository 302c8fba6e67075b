"""Connected components of the foreground, and boxes."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats

STROKE_BODY_LEVEL = 0.25  # fainter pixels are soft edges: they connect nothing

Flags = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; the last two exclusive


def connected_components(mask: Flags) -> tuple[Labels, Labels]:
    """Label connected pixels, diagonal neighbours included.

    Returns:
        labels int32[h, w], 0 outside the mask; of each label left, top, right, bottom and number of
        pixels, int32[n, 5]. Row 0 is what lies outside.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes: Labels = np.asarray(stats, np.int32)
    boxes[:, 2:4] += boxes[:, :2]  # width and height become right and bottom
    return np.asarray(labels, np.int32), boxes


def with_soft_edge(body: Flags) -> Flags:
    """Add the neighbouring pixels of a stroke's body: its soft edge, below the body's level."""
    return cv2.dilate(body.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def scale_box(box: Box, factor: float, shape: Sequence[int]) -> Box:
    """Scale a box about the origin, outwards to whole pixels, and clip it to the picture."""
    left, top, right, bottom = box
    h, w = shape[:2]
    return (
        int(left * factor),
        int(top * factor),
        min(w, int(np.ceil(right * factor))),
        min(h, int(np.ceil(bottom * factor))),
    )


def corners_of(box: Sequence[float]) -> Floats:
    """Return the corners of left, top, right, bottom, clockwise from top left: float32[4, 2]."""
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def box_in_picture(box: Sequence[float], shape: Sequence[int]) -> Box:
    """Return the pixels of a picture of `shape` in a box: centre x, centre y, width, height.

    There is at least one, even if the box lies in the margin around the picture.
    """
    h, w = shape[:2]
    x, y, width, height = box
    left, top = min(max(0, int(x - width / 2)), w - 1), min(max(0, int(y - height / 2)), h - 1)
    right, bottom = math.ceil(x + width / 2), math.ceil(y + height / 2)
    return left, top, min(w, max(right, left + 1)), min(h, max(bottom, top + 1))
