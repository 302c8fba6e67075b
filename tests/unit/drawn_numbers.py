"""Digits and numbers to draw on the page, and what the reader makes of them."""

import io
from typing import Any

import numpy as np
from PIL import Image

from tenfold.rendering.strokes import (
    STROKE_TEMPLATES,
    Strokes,
    catmull_rom,
    draw_polylines,
    parse_template,
)

TIME = np.linspace(0, 1, 60)
SCRIBBLE = [
    np.stack([1.1 * TIME + 0.12 * np.cos(40 * TIME), np.sin(23 * TIME + 2 * TIME**2)], axis=1)
]


def strokes_of(digit: int, number: int = 0) -> Strokes:
    return [catmull_rom(s) * [0.7, 1] for s in parse_template(STROKE_TEMPLATES[digit][number])]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def picture_of(digits: str) -> np.ndarray:
    """Draw a number in blue on yellowish paper."""
    foreground = np.zeros((160, 100 * len(digits) + 60), np.uint8)
    for place, digit in enumerate(digits):
        lines = [s * 90 + [40 + 100 * place, 35] for s in strokes_of(int(digit))]
        foreground = np.maximum(foreground, draw_polylines(lines, foreground.shape, 9))
    opacity = foreground[..., None] / 255
    return np.rint([250, 246, 225] * (1 - opacity) + [20, 30, 120] * opacity).astype(np.uint8)


def same(shown: list[dict[str, Any]], expected: list[Any]) -> None:
    """Compare what a page shows with the reader's readings."""
    assert [(r["digit"], r["reason"], r["box"]) for r in shown] == [
        (r.digit, r.reason, list(r.box)) for r in expected
    ]
    for one, other in zip(shown, expected, strict=True):
        np.testing.assert_allclose(one["probabilities"], other.probabilities, atol=2e-3)
