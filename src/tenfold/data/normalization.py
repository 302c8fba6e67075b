"""MNIST's form: a digit scaled into a box of 20 pixels, its centre of mass in the middle of 28.

LeCun, Bottou, Bengio & Haffner (1998), section III.A. Written as two small matrix products, so that
another language can do just the same.
"""

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import SIDE

BOX = 20
THINNEST = 1.7  # pixels in MNIST's form: a thinner stroke would fade away when it is scaled down

_HALF = 0.5 + 1e-3  # grey levels: a half is rounded up, also when a sum of floats falls short of it
_PLACES = np.arange(SIDE)

Ink = npt.NDArray[np.float32]


def to_form(ink_hw: Ink) -> npt.NDArray[np.uint8]:
    """Bring the ink of one digit to MNIST's form.

    Args:
        ink_hw: float32[h, w] in [0, 1], ink is 1 and paper exactly 0.

    Returns:
        uint8[28, 28], white on black; all 0 where there is no ink.
    """
    top, left, bottom, right = ink_box(ink_hw)
    return cropped_to_form(ink_hw[top:bottom, left:right])


def cropped_to_form(ink_hw: Ink) -> npt.NDArray[np.uint8]:
    """Do as `to_form` does with ink that has been cropped to its `ink_box`."""
    if ink_hw.size == 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    ink = keep_strokes(ink_hw)
    h, w = ink.shape
    scale = BOX / max(h, w)
    rows, columns = max(1, round(h * scale)), max(1, round(w * scale))
    small = resample(rows, h) @ ink @ resample(columns, w).T
    small *= 255 / max(float(small.max()), 1e-6)
    return centred(small.astype(np.float32, copy=False))


def ink_box(ink_hw: Ink) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of what is not 0, the last two exclusive; 0s if all is 0."""
    left, top, w, h = cv2.boundingRect((ink_hw > 0).view(np.uint8))
    return top, left, top + h, left + w


def keep_strokes(ink_hw: Ink) -> Ink:
    """Widen strokes that would be thinner than `THINNEST` once scaled down."""
    scale = BOX / max(ink_hw.shape)
    if scale >= 1:
        return ink_hw
    width = stroke_width(ink_hw > 0.4 * ink_hw.max())  # the body of a stroke
    grow = round((THINNEST / scale - width) / 2)
    if grow < 1:
        return ink_hw
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    padded = np.pad(ink_hw, grow)
    grown: Ink = cv2.dilate(padded, kernel).astype(np.float32, copy=False)
    return grown


def stroke_width(strokes_hw: npt.NDArray[np.bool_]) -> float:
    """Measure strokes: of length l and width w one covers l·w pixels and has an outline of 2·l."""
    strokes = strokes_hw.astype(np.uint8)
    area = int(strokes.sum())
    inner = cv2.erode(strokes, np.ones((3, 3), np.uint8), borderValue=0)
    return 2 * area / max(area - int(inner.sum()), 1)


def centred(small_hw: Ink) -> npt.NDArray[np.uint8]:
    """Lay an image of at most 20 pixels a side into 28, its centre of mass in the middle.

    By whole pixels, as MNIST's own were: none is blurred by a move of half a pixel. MNIST's centres
    of mass lie in [13.5, 14.5), counting pixels from 0, and so do these. A symmetric digit's is
    often right at 13.5, so it is found in whole numbers: no rounding error moves a digit.
    """
    h, w = small_hw.shape
    pixels = (small_hw + _HALF).clip(0, 255).astype(np.int64)  # which rounds down
    down, across = pixels.sum(axis=1), pixels.sum(axis=0)
    mass = max(int(down.sum()), 1)
    y, x = int(down @ _PLACES[:h]) / mass, int(across @ _PLACES[:w]) / mass
    top, left = (math.ceil((SIDE - 1) / 2 - centre) for centre in (y, x))
    top, left = min(max(top, 0), SIDE - h), min(max(left, 0), SIDE - w)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + h, left : left + w] = pixels
    return image


@functools.lru_cache(maxsize=4096)
def resample(outputs: int, inputs: int) -> Ink:
    """Return the matrix [outputs, inputs] that resizes a line: areas down, bilinear up."""
    ratio = inputs / outputs
    if ratio >= 1:
        edges = np.arange(outputs + 1) * ratio
        low, high = edges[:-1, None], edges[1:, None]
        pixels = np.arange(inputs)[None]
        weights = (np.minimum(high, pixels + 1) - np.maximum(low, pixels)).clip(0) / ratio
    else:
        centres = ((np.arange(outputs) + 0.5) * ratio - 0.5).clip(0, inputs - 1)[:, None]
        weights = (1 - np.abs(centres - np.arange(inputs)[None])).clip(0)
    matrix: Ink = weights.astype(np.float32)
    return matrix
