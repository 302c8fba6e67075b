"""Digits drawn clearly, without chance, and numbers of them: what tests of reading look at."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.strokes import STROKE_TEMPLATES, catmull_rom, parse_template

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two exclusive
Colour = int | tuple[int, int, int]
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def clear_digit(
    digit: int, height: int = 100, *, way: int = 0, pen: float = 0.11, margin: float = 0.3
) -> Floats:
    """Draw a template of the strokes as it is: float32[h, w], foreground 1 and paper exactly 0.

    The pen and the margin, beyond the pen's own width, are in heights.
    """
    thickness = max(1, round(pen * height))
    around = round(margin * height) + thickness
    strokes = [
        catmull_rom(points) * (0.65 * height, height)
        for points in parse_template(STROKE_TEMPLATES[digit][way])
    ]
    canvas = np.zeros((height + 2 * around, round(0.65 * height) + 2 * around), np.uint8)
    lines = [np.rint((points + around) * 16).astype(np.int32) for points in strokes]
    cv2.polylines(canvas, lines, False, 255, thickness, cv2.LINE_AA, shift=4)  # noqa: FBT003
    return np.asarray(canvas / 255, np.float32)


def cropped(foreground: Floats) -> Floats:
    """Cut off what is paper on all four sides."""
    rows, columns = np.flatnonzero(foreground.any(axis=1)), np.flatnonzero(foreground.any(axis=0))
    return foreground[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def number(
    digits: str, height: int = 60, *, gap: float = 0.25, margin: float = 0.5
) -> tuple[Floats, list[Box]]:
    """Write digits in a line, gaps and margin in heights; return the foreground and a box each."""
    glyphs = [cropped(clear_digit(int(digit), height)) for digit in digits]
    space, around = round(gap * height), round(margin * height)
    widths = [glyph.shape[1] for glyph in glyphs]
    canvas = np.zeros(
        (
            max(glyph.shape[0] for glyph in glyphs) + 2 * around,
            sum(widths) + space * (len(glyphs) - 1) + 2 * around,
        ),
        np.float32,
    )
    boxes, left = [], around
    for glyph in glyphs:
        h, w = glyph.shape
        window = canvas[around : around + h, left : left + w]
        np.maximum(window, glyph, out=window)
        boxes.append((left, around, left + w, around + h))
        left += w + space
    return canvas, boxes


def on_paper(foreground: Floats, pen: Colour, paper: Colour) -> Pixels:
    """Blend a pen's colour over paper: uint8[h, w], or [h, w, 3] if they are in colour."""
    share = foreground if isinstance(paper, int) else foreground[..., None]
    blended = np.asarray(paper) * (1 - share) + np.asarray(pen) * share
    pixels: Pixels = np.rint(blended).astype(np.uint8)
    return pixels


def overlap(found: Floats, drawn: Floats) -> float:
    """Return the intersection of two inks' bodies over their union."""
    a, b = found > 0.5, drawn > 0.5
    return float((a & b).sum() / (a | b).sum())


def stacked(lines: Sequence[Floats], gap: int) -> Floats:
    """Put lines below each other, left edges aligned."""
    width = max(line.shape[1] for line in lines)
    wide = [
        np.pad(foreground, ((0, gap), (0, width - foreground.shape[1]))) for foreground in lines
    ]
    return np.concatenate(wide)
