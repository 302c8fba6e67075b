"""MNIST's digits drawn again: larger, with strokes of another width, and arranged on a line.

Legend: `_hw` is float32[h, w], the coverage of each pixel by strokes, 0 … 1; `_h` is one number
for each row.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import foreground_box, stroke_width
from tenfold.rendering.sampling import Random

Coverage = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MAX_WIDTH_OVER_HEIGHT = 1.15
THRESHOLDS = tuple(0.3 + 0.05 * step for step in range(12))
# Shares of MNIST's white. Faint pixels still connect strokes; a stroke's edge is at half.
FAINT, EDGE = 0.25, 0.5
# Fraction of all stroke pixels. The bar of a 5 has more.
MAX_SPECK_AREA = 0.06


def redraw_digit(
    image: npt.NDArray[np.uint8], height_px: float, stroke_px: float, slant: float
) -> Coverage:
    """Draw a digit again, larger and with strokes of another width.

    The image is enlarged smoothly and divided by the brightness of the nearest stroke's middle, so
    that faint strokes get the same edges as dark ones. Then it is thresholded. The threshold is
    the one whose strokes come nearest to the wanted width without breaking a stroke, closing a gap
    (a 5 would turn into a 9) or filling a loop.

    Args:
        image: uint8[28, 28], white on black.
        height_px: approximate height of the digit.
        stroke_px: wanted width of the strokes.
        slant: shift to the right for each pixel upwards.

    Returns:
        float32[h, w], cropped to the strokes; one pixel of 0 if there are none.
    """
    small = image.astype(np.float32) / 255
    rows, columns = np.nonzero(small > 0.2)  # noqa: PLR2004
    if not len(rows):
        return np.zeros((1, 1), np.float32)
    scale = height_px / max(np.ptp(rows) + 1, (np.ptp(columns) + 1) / MAX_WIDTH_OVER_HEIGHT)
    side = math.ceil(scale * len(small))
    lean = slant * side / 2
    size = (side + 2 * math.ceil(abs(lean)), side)
    # Pixels are squares: the map keeps the image's corner, not the centre of its first pixel.
    corner = (scale - 1) / 2
    right = corner + math.ceil(abs(lean)) + lean
    affine = np.array([[scale, -slant * scale, right], [0, scale, corner]])
    middle = cv2.dilate(cv2.GaussianBlur(small, (0, 0), 0.5), np.ones((5, 5), np.uint8))
    middle = cv2.warpAffine(cv2.GaussianBlur(middle, (0, 0), 1), affine, size)
    smooth = cv2.warpAffine(small, affine, size, flags=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(smooth, (0, 0), 0.55 * scale)
    relative: Coverage = (smooth / np.maximum(middle, 0.4 * middle.max())).astype(np.float32)
    stride = max(1, int(scale / 3))
    threshold = _choose_threshold(relative, smooth.astype(np.float32), stroke_px, stride)
    # In MNIST, an edge falls by about half within a pixel. Here it takes 1.3 pixels.
    edged = ((relative - threshold) * max(1.5, 1.5 * scale) + 0.5).clip(0, 1).astype(np.float32)
    strokes, _ = remove_specks(relative > threshold)
    with_edges = cv2.dilate(strokes, np.ones((5, 5), np.uint8))
    return crop(edged * with_edges)


def remove_specks(mask_hw: Mask) -> tuple[npt.NDArray[np.uint8], int]:
    """Remove small connected components, which could be mistaken for a character.

    Returns:
        uint8[h, w], 1 on strokes, and the number of connected components that are left.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask_hw.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the background
    strokes = areas >= max(1, MAX_SPECK_AREA * areas.sum())
    return strokes.astype(np.uint8)[labels], int(strokes.sum())


def arrange_line(
    glyphs: Sequence[Coverage], gap_px: float, baseline_px: float, random: Random, *, kerned: bool
) -> Coverage:
    """Arrange digits side by side on a line, so that their strokes do not touch.

    Args:
        glyphs: float32[h, w] each.
        gap_px: mean distance between two digits.
        baseline_px: standard deviation of their distance from the line.
        random: source of both.
        kerned: measure gaps from stroke to stroke, so that a digit may reach under the next one;
            else from the rightmost pixel of a digit to the leftmost pixel of the next.

    Returns:
        float32[h, w], cropped to the strokes.
    """
    tallest, reach = max(len(glyph) for glyph in glyphs), math.ceil(gap_px)
    spare = reach + math.ceil(3 * baseline_px)
    widest = sum(glyph.shape[1] + 2 * reach for glyph in glyphs)
    line_hw = np.zeros((tallest + 2 * spare, widest), np.float32)
    end_h = np.zeros(len(line_hw))
    for number, glyph in enumerate(glyphs):
        h, w = glyph.shape
        drop = np.clip(random.normal(0, baseline_px), -3 * baseline_px, 3 * baseline_px)
        top = spare + tallest - h + round(float(drop))
        gap = gap_px * random.uniform(0.8, 1.2)
        left = math.inf
        if kerned:
            left = _leftmost(glyph, end_h[top - reach : top + h + reach], reach)
        # However far a digit could reach under the last one, it begins right of its middle.
        left = min(max(left, end_h.max() - w / 2), end_h.max())
        column = math.ceil(left + gap) if number else 0
        line_hw[top : top + h, column : column + w] += glyph
        last = column + w - (glyph[:, ::-1] > 0).argmax(1)
        end_h[top : top + h] = np.where(glyph.any(1), last, end_h[top : top + h])
    return crop(line_hw)


def crop(coverage_hw: Coverage) -> Coverage:
    """Crop to the pixels above 0; one pixel of 0 if there are none."""
    top, left, bottom, right = foreground_box(coverage_hw)
    return coverage_hw[top:bottom, left:right] if bottom else np.zeros((1, 1), np.float32)


def _choose_threshold(
    relative_hw: Coverage, smooth_hw: Coverage, stroke_px: float, stride: int
) -> float:
    """Choose a threshold that keeps components and loops; then the nearest to `stroke_px`.

    It looks at every `stride`-th pixel: widths change little from one threshold to the next.
    """
    relative_hw, smooth_hw = relative_hw[::stride, ::stride], smooth_hw[::stride, ::stride]
    components, _ = _components_and_loops(smooth_hw > FAINT)
    _, loops = _components_and_loops(smooth_hw > EDGE)
    nearest = sorted(
        (abs(stride * stroke_width(relative_hw > threshold) - stroke_px), threshold)
        for threshold in THRESHOLDS
    )
    candidates = []
    for error, threshold in nearest:
        found = _components_and_loops(relative_hw > threshold)
        changes = abs(found[0] - components) + abs(found[1] - loops)
        if not changes:
            return threshold
        candidates.append((changes, error, threshold))
    return min(candidates)[2]


def _components_and_loops(mask_hw: Mask) -> tuple[int, int]:
    strokes, components = remove_specks(mask_hw)
    background = np.pad(1 - strokes, 1, constant_values=1)
    labels, _ = cv2.connectedComponents(background, connectivity=4)
    # Without the label of the strokes and that of the background around them.
    return components, labels - 2


def _leftmost(glyph: Coverage, end_h: npt.NDArray[np.float64], reach: int) -> float:
    """Find the leftmost column for a glyph at which it covers nothing that is taken.

    `end_h` is where each row is taken up to. The glyph counts in the `reach` rows above and below
    as well: digits keep their distance in all directions.
    """
    padded = np.pad((glyph > 0).astype(np.uint8), ((reach, reach), (0, 0)))
    spread = cv2.dilate(padded, np.ones((2 * reach + 1, 1), np.uint8))
    start_h = np.where(spread.any(axis=1), spread.argmax(axis=1), math.inf)
    return float(np.max(end_h - start_h))
