"""Ink on a page: MNIST's digits drawn again, larger, with other strokes, and set on a line.

Legend: `_hw` is float32[h, w], ink being 1 and nothing 0; `_h` is a number a row.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import foreground_box, stroke_width

Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SQUEEZE = 1.15  # a digit is at most this many times as wide as its line is high
_LEVELS = tuple(0.3 + 0.05 * step for step in range(12))
_FAINT, _HALF = 0.25, 0.5  # of MNIST's white: what holds strokes together; where they end
_SPECK = 0.06  # share of the ink: the bar of a 5 has more


def write(image: npt.NDArray[np.uint8], tall: float, stroke: float, slant: float) -> Field:
    """Draw a digit again, larger and with a stroke of another width.

    The image is enlarged smoothly and divided by the ink in the middle of the nearest stroke, so
    that faint strokes end where dark ones do: where that share falls below a level. The level is
    the one that brings the strokes nearest to the wanted width without breaking a stroke, closing
    a gap (a 5 would turn into a 9) or filling a loop.

    Args:
        image: uint8[28, 28], white on black.
        tall: pixels from its top to its bottom, about.
        stroke: pixels across a stroke.
        slant: pixels to the right a pixel up.

    Returns:
        float32[h, w], cut to the ink; a pixel of 0 if there is none.
    """
    small = image.astype(np.float32) / 255
    rows, columns = np.nonzero(small > 0.2)  # noqa: PLR2004 - a faint rim is no height
    if not len(rows):
        return np.zeros((1, 1), np.float32)
    scale = tall / max(np.ptp(rows) + 1, (np.ptp(columns) + 1) / _SQUEEZE)
    side = math.ceil(scale * len(small))
    lean = slant * side / 2
    size = (side + 2 * math.ceil(abs(lean)), side)
    # Pixels are squares: their corners, not their centres, keep their places.
    corner = (scale - 1) / 2
    right = corner + math.ceil(abs(lean)) + lean
    move = np.array([[scale, -slant * scale, right], [0, scale, corner]])
    middle = cv2.dilate(cv2.GaussianBlur(small, (0, 0), 0.5), np.ones((5, 5), np.uint8))
    middle = cv2.warpAffine(cv2.GaussianBlur(middle, (0, 0), 1), move, size)
    smooth = cv2.warpAffine(small, move, size, flags=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(smooth, (0, 0), 0.55 * scale)
    share: Field = (smooth / np.maximum(middle, 0.4 * middle.max())).astype(np.float32)
    level = _level(share, smooth.astype(np.float32), stroke, max(1, int(scale / 3)))
    # An edge falls by about half in a pixel of MNIST; here it shall take 1.3 pixels.
    ink_hw = ((share - level) * max(1.5, 1.5 * scale) + 0.5).clip(0, 1).astype(np.float32)
    strokes, _ = without_specks(share > level)
    soft = cv2.dilate(strokes, np.ones((5, 5), np.uint8))  # their edges too
    return cut(ink_hw * soft)


def without_specks(ink_hw: Mask) -> tuple[npt.NDArray[np.uint8], int]:
    """Leave out what is not connected with a stroke: it could be taken for a sign of its own.

    Returns:
        uint8[h, w], 1 on strokes, and in how many pieces they are.
    """
    _, places, stats, _ = cv2.connectedComponentsWithStats(ink_hw.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the paper
    strokes = areas >= max(1, _SPECK * areas.sum())
    return strokes.astype(np.uint8)[places], int(strokes.sum())


def set_line(
    glyphs: Sequence[Field], gap: float, wobble: float, random: np.random.Generator, *, close: bool
) -> Field:
    """Set digits side by side on a line, so that their ink does not meet.

    Args:
        glyphs: float32[h, w] each.
        gap: pixels between two of them, on average.
        wobble: pixels by which they leave the line, standard deviation.
        random: source of both.
        close: measure gaps from ink to ink, so that one may reach under another's roof; else
            from the rightmost ink of one to the leftmost of the next.

    Returns:
        float32[h, w], cut to the ink.
    """
    tallest, reach = max(len(glyph) for glyph in glyphs), math.ceil(gap)
    spare = reach + math.ceil(3 * wobble)
    widest = sum(glyph.shape[1] + 2 * reach for glyph in glyphs)
    line_hw = np.zeros((tallest + 2 * spare, widest), np.float32)
    end_h = np.zeros(len(line_hw))  # where the ink of each row ends so far
    for number, glyph in enumerate(glyphs):
        h, w = glyph.shape
        drop = np.clip(random.normal(0, wobble), -3 * wobble, 3 * wobble)
        top = spare + tallest - h + round(float(drop))
        after = gap * random.uniform(0.8, 1.2)
        left = _left_of(glyph, end_h[top - reach : top + h + reach], reach) if close else math.inf
        # However far it could reach under a roof, it begins right of the last one's middle.
        left = min(max(left, end_h.max() - w / 2), end_h.max())
        column = math.ceil(left + after) if number else 0
        line_hw[top : top + h, column : column + w] += glyph
        has_ink = glyph.any(1)
        last = column + w - (glyph[:, ::-1] > 0).argmax(1)
        end_h[top : top + h] = np.where(has_ink, last, end_h[top : top + h])
    return cut(line_hw)


def cut(ink_hw: Field) -> Field:
    """Cut a page to where there is ink; a pixel of 0 if there is none."""
    top, left, bottom, right = foreground_box(ink_hw)
    return ink_hw[top:bottom, left:right] if bottom else np.zeros((1, 1), np.float32)


def _level(share_hw: Field, smooth_hw: Field, stroke: float, step: int) -> float:
    """Choose the level that keeps pieces and loops, then the width nearest to `stroke`.

    Every `step`-th pixel is looked at: widths change little from one level to the next.
    """
    share_hw, smooth_hw = share_hw[::step, ::step], smooth_hw[::step, ::step]
    pieces, _ = _pieces_and_loops(smooth_hw > _FAINT)
    _, loops = _pieces_and_loops(smooth_hw > _HALF)
    nearest = sorted(
        (abs(step * stroke_width(share_hw > level) - stroke), level) for level in _LEVELS
    )
    changes = []
    for away, level in nearest:
        found = _pieces_and_loops(share_hw > level)
        changed = abs(found[0] - pieces) + abs(found[1] - loops)
        if not changed:
            return level
        changes.append((changed, away, level))
    return min(changes)[2]


def _pieces_and_loops(ink_hw: Mask) -> tuple[int, int]:
    strokes, pieces = without_specks(ink_hw)
    papers, _ = cv2.connectedComponents(np.pad(1 - strokes, 1, constant_values=1), connectivity=4)
    return pieces, papers - 2  # but for the strokes themselves and the paper around them


def _left_of(glyph: Field, end_h: npt.NDArray[np.float64], reach: int) -> float:
    """Find the leftmost place at which no ink lies left of where its row's ink ends.

    Ink counts in the `reach` rows above and below it too: digits keep apart in all directions.
    """
    padded = np.pad((glyph > 0).astype(np.uint8), ((reach, reach), (0, 0)))
    spread = cv2.dilate(padded, np.ones((2 * reach + 1, 1), np.uint8))
    start_h = np.where(spread.any(axis=1), spread.argmax(axis=1), math.inf)
    return float(np.max(end_h - start_h))
