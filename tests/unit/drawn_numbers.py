"""Digits and numbers to draw on the page, and what the reader makes of them."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tenfold.reading.page import Page
from tenfold.rendering.strokes import (
    STROKE_TEMPLATES,
    Strokes,
    catmull_rom,
    draw_polylines,
    parse_template,
)

# Of probabilities: 0.0000012 on 1,000 pictures. Sums are in another order, and a grey level may
# differ by one after resizing.
MAX_DIFFERENCE = 1e-4

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


def same(shown: list[dict[str, Any]], expected: Page) -> int:
    """Compare the numbers of the page's reader with a page of tenfold's; return their count."""
    assert [(n["text"], n["reason"], tuple(n["box"])) for n in shown] == [
        (n.text, n.reason, n.box) for n in expected.numbers
    ]
    for one, other in zip(shown, expected.numbers, strict=True):
        assert one["accepted"] == other.accepted
        assert one["printed"] == pytest.approx(other.printed, abs=MAX_DIFFERENCE)
        assert one["probability"] == pytest.approx(other.probability, abs=MAX_DIFFERENCE)
        assert [(d["digit"], d["runner_up"], tuple(d["box"])) for d in one["digits"]] == [
            (d.digit, d.runner_up, d.box) for d in other.digits
        ]
        for digit, expected_digit in zip(one["digits"], other.digits, strict=True):
            np.testing.assert_allclose(
                digit["probabilities"], expected_digit.probabilities, atol=MAX_DIFFERENCE
            )
    return len(shown)
