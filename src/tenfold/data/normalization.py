"""MNIST normalisation: scale a digit into a box of 20 pixels, then centre its mass in 28 x 28.

Source: LeCun, Bottou, Bengio & Haffner (1998), section III.A. Resizing is written as two small
matrix products, so that the page's JavaScript computes the same.

Shapes: `foreground_hw` is float32[h, w], 1 on a stroke and exactly 0 on paper.
"""

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import SIDE

DIGIT_SIDE = 20  # pixels of the longer side of a normalised digit
MIN_STROKE_WIDTH_PX = 1.7  # after scaling; thinner strokes would fade away
MAX_RADIUS_PX = 16  # of the kernel that widens strokes; larger digits are made smaller first
STROKE_BODY_OF_MAX = 0.4  # pixels darker than this share of the darkest are a stroke's body

# Half a grey level rounds up, also when a sum of floats falls slightly short of the half.
_ROUND_HALF_UP = 0.5 + 1e-3

Foreground = npt.NDArray[np.float32]


def normalize_digit(foreground_hw: Foreground) -> npt.NDArray[np.uint8]:
    """Normalise one digit as MNIST's digits are.

    Args:
        foreground_hw: float32[h, w] in [0, 1]; a stroke is 1, paper is exactly 0.

    Returns:
        uint8[28, 28], white on black; all 0 where there is no foreground.
    """
    top, left, bottom, right = foreground_box(foreground_hw)
    if bottom == 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    digit = widen_thin_strokes(foreground_hw[top:bottom, left:right])
    h, w = digit.shape
    scale = DIGIT_SIDE / max(h, w)
    rows, columns = max(1, round(h * scale)), max(1, round(w * scale))
    small = resize_matrix(rows, h) @ digit @ resize_matrix(columns, w).T
    small *= 255 / max(float(small.max()), 1e-6)
    return center_by_mass(small.astype(np.float32, copy=False))


def foreground_box(foreground_hw: Foreground) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of the pixels above 0, the ends exclusive; 0s if none is."""
    left, top, w, h = cv2.boundingRect((foreground_hw > 0).view(np.uint8))
    return top, left, top + h, left + w


def widen_thin_strokes(foreground_hw: Foreground) -> Foreground:
    """Widen strokes that would be thinner than `MIN_STROKE_WIDTH_PX` once scaled down."""
    scale = DIGIT_SIDE / max(foreground_hw.shape)
    if scale >= 1:
        return foreground_hw
    width = stroke_width(foreground_hw > STROKE_BODY_OF_MAX * foreground_hw.max())
    radius = round((MIN_STROKE_WIDTH_PX / scale - width) / 2)
    if radius < 1:
        return foreground_hw
    factor = math.ceil(radius / MAX_RADIUS_PX)
    if factor > 1:
        foreground_hw, radius = _max_pool(foreground_hw, factor), round(radius / factor)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(np.pad(foreground_hw, radius), kernel), np.float32)


def _max_pool(foreground_hw: Foreground, factor: int) -> Foreground:
    """Make a foreground smaller by the maximum over squares of `factor` pixels a side."""
    h, w = foreground_hw.shape
    padded = np.pad(foreground_hw, ((0, -h % factor), (0, -w % factor)))
    squares = padded.reshape(-1, factor, padded.shape[1] // factor, factor)
    return np.asarray(squares.max(axis=(1, 3)), np.float32)


def stroke_width(strokes_hw: npt.NDArray[np.bool_]) -> float:
    """Return the mean width of strokes in pixels.

    A stroke of length l and width w covers l * w pixels and has an outline of 2 * l pixels.
    """
    strokes = strokes_hw.astype(np.uint8)
    area = int(strokes.sum())
    inner = cv2.erode(strokes, np.ones((3, 3), np.uint8), borderValue=0)
    return 2 * area / max(area - int(inner.sum()), 1)


def center_by_mass(small_hw: Foreground) -> npt.NDArray[np.uint8]:
    """Place an image of at most 20 x 20 grey levels into 28 x 28 by its centre of mass.

    The image moves by whole pixels, as MNIST's digits did, so nothing is blurred. The centre of
    mass falls in [13.5, 14.5), counting pixels from 0, as in MNIST. A symmetric digit's centre is
    often exactly 13.5; it is computed from integers, so that no rounding error moves the digit.
    """
    h, w = small_hw.shape
    pixels = (small_hw + _ROUND_HALF_UP).clip(0, 255).astype(np.uint8)  # truncates
    moments = cv2.moments(pixels)  # sums of integers, so they are exact
    mass = max(moments["m00"], 1.0)
    y, x = moments["m01"] / mass, moments["m10"] / mass
    top, left = (math.ceil((SIDE - 1) / 2 - center) for center in (y, x))
    top, left = min(max(top, 0), SIDE - h), min(max(left, 0), SIDE - w)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + h, left : left + w] = pixels
    return image


@functools.lru_cache(maxsize=4096)
def resize_matrix(outputs: int, inputs: int) -> npt.NDArray[np.float32]:
    """Return the matrix float32[outputs, inputs] that resizes one axis.

    It averages areas to make the axis shorter, and interpolates linearly to make it longer.
    """
    ratio = inputs / outputs
    if ratio >= 1:
        edges = np.arange(outputs + 1) * ratio
        low, high = edges[:-1, None], edges[1:, None]
        pixels = np.arange(inputs)[None]
        weights = (np.minimum(high, pixels + 1) - np.maximum(low, pixels)).clip(0) / ratio
    else:
        centers = ((np.arange(outputs) + 0.5) * ratio - 0.5).clip(0, inputs - 1)[:, None]
        weights = (1 - np.abs(centers - np.arange(inputs)[None])).clip(0)
    matrix: npt.NDArray[np.float32] = weights.astype(np.float32)
    return matrix
