"""Crops of rows of digits, and of one digit, of one height and level: what networks see."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.model.line_config import (
    LINE_DIGIT_PX,
    LINE_HEIGHT_PX,
    LINE_WIDTH_MULTIPLE_PX,
    MAX_LINE_WIDTH_PX,
)


@dataclass(frozen=True)
class LineCropConfig:
    """How a line is cropped.

    Attributes:
        margin: on the left and right, in heights of a digit.
        least_height: of the line, as a share of its highest digit.
        digits_of_slope, length_of_slope: a line of fewer digits, or that is shorter in heights of a
            digit, is taken to be level.
        max_slope: of a line.
    """

    margin: float = 0.4
    least_height: float = 0.6
    digits_of_slope: int = 3
    length_of_slope: float = 2.5
    max_slope: float = 0.5


class Line(NamedTuple):
    """Where a line lies in a picture, in its pixels.

    Attributes:
        x, y: its middle.
        height: of its digits.
        left, right: how far it reaches from its middle, along it.
        slope: rise of y over x.
    """

    x: float
    y: float
    height: float
    left: float
    right: float
    slope: float


def line_of(
    boxes: Floats, is_digit: npt.NDArray[np.bool_], config: LineCropConfig = LineCropConfig()
) -> Line:
    """Return the line on which characters stand.

    Args:
        boxes: float32[n, 4]: centre x, centre y, width, height.
        is_digit: bool[n], which are no marks: their heights and places tell those of the line.
        config: margins.
    """
    digits = boxes[is_digit] if is_digit.any() else boxes
    heights = digits[:, 3]
    height = max(float(np.median(heights)), config.least_height * float(heights.max()), 1.0)
    first = float((boxes[:, 0] - boxes[:, 2] / 2).min())
    last = float((boxes[:, 0] + boxes[:, 2] / 2).max())
    slope = 0.0
    is_long = last - first > config.length_of_slope * height
    if len(digits) >= config.digits_of_slope and is_long:
        x, y = (digits[:, :2] - digits[:, :2].mean(axis=0)).T
        slope = float((x * y).sum() / max((x * x).sum(), 1e-6))
        slope = min(max(slope, -config.max_slope), config.max_slope)
    middle = (first + last) / 2
    y_middle = float(np.median(digits[:, 1] + slope * (middle - digits[:, 0])))
    reach = (last - first) / 2 * math.hypot(1, slope) + config.margin * height
    return Line(middle, y_middle, height, reach, reach, slope)


def crop_boxes(grey: Grey, boxes: Floats) -> Grey:
    """Return the squares around digits of uint8[h, w]: uint8[n, 32, 32], digits 20 pixels high.

    Args:
        grey: the picture.
        boxes: float32[n, 4], centre x, centre y, width, height.
    """
    crops = np.empty((len(boxes), LINE_HEIGHT_PX, LINE_HEIGHT_PX), np.uint8)
    for crop, (x, y, _, h) in zip(crops, boxes.tolist(), strict=True):
        height = max(h, 1.0)
        reach = height * LINE_HEIGHT_PX / LINE_DIGIT_PX / 2
        crop[:] = _crop(grey, Line(x, y, height, reach, reach, 0.0), LINE_HEIGHT_PX)
    return crops


def crop_line(grey: Grey, line: Line) -> Grey | None:
    """Return a line of uint8[h, w] as uint8[32, m], or None if it is too long.

    Beyond the picture, its edge goes on.
    """
    scale = LINE_DIGIT_PX / line.height
    width_px = (line.left + line.right) * scale
    width = math.ceil(width_px / LINE_WIDTH_MULTIPLE_PX) * LINE_WIDTH_MULTIPLE_PX
    return _crop(grey, line, width) if 0 < width <= MAX_LINE_WIDTH_PX else None


def _crop(grey: Grey, line: Line, width: int) -> Grey:
    """Return a line of uint8[h, w] as uint8[32, width]; what lies at its left end comes first."""
    scale = LINE_DIGIT_PX / line.height
    cos = 1 / math.hypot(1, line.slope)
    turn = np.array([[cos, -line.slope * cos], [line.slope * cos, cos]])
    half = LINE_HEIGHT_PX / 2 / scale
    reach = np.array([(x, y) for x in (-line.left, line.right) for y in (-half, half)])
    part, corner, factor = _scaled_part(grey, reach @ turn.T + (line.x, line.y), min(scale, 1.0))
    # Each pixel of the crop looks up its place in the part of the picture.
    first = turn @ np.array([0.5 / scale - line.left, 0.5 / scale - half])
    first = (first + np.array([line.x, line.y]) - corner) * factor - 0.5
    crop = cv2.warpAffine(
        part,
        np.column_stack([turn / scale * factor[:, None], first]),
        (width, LINE_HEIGHT_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop, np.uint8)


def _scaled_part(
    grey: Grey, corners: npt.NDArray[np.float64], scale: float
) -> tuple[Grey, npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the part of a picture that holds some points, scaled down.

    Returns:
        the part, x and y of its top left corner, and by what it was scaled across and down.
    """
    limits = np.array(grey.shape[::-1])
    first = np.clip(np.floor(corners.min(axis=0)) - 2, 0, limits - 1).astype(int)
    last = np.clip(np.ceil(corners.max(axis=0)) + 2, first + 1, limits).astype(int)
    size = np.maximum(1, np.round((last - first) * scale).astype(int))
    part = grey[first[1] : last[1], first[0] : last[0]]
    part = np.asarray(cv2.resize(part, size.tolist(), interpolation=cv2.INTER_AREA), np.uint8)
    return part, first, size / (last - first)
