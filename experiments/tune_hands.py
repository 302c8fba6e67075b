"""Measure what `tenfold tune` is worth to hands whose 1s and 7s are misread.

python experiments/tune_hands.py --out experiments/records/tune-hands.json

A hand writes every digit in one form, with its own proportions, slant and pen. Its 1 has a long
upstroke; its 7 is hooked or crossed. Hands are drawn until ten are found of whose 1s and 7s the
bundle misreads a fifth. Each corrects 20 digits that were misread, and is measured on 1,000 others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.digits import Digits
from tenfold.data.normalization import normalize_digit
from tenfold.rendering.strokes import (
    CANVAS_SIDE_PX,
    STROKE_TEMPLATES,
    UNIT_BOX_PX,
    Strokes,
    catmull_rom,
    draw_polylines,
    jitter_points,
    parse_template,
)

MISREAD_FORMS = {
    1: ("0,32 62,0 62,0 58,100", "0,45 66,0 66,0 55,100"),
    7: (
        "5,45 8,2 8,2 45,14 92,0 92,0 62,50 45,100 / 20,52 92,48",
        "0,50 15,8 15,8 50,14 90,2 90,2 62,50 50,100",
        "12,40 12,5 12,5 88,5 88,5 70,50 62,100 / 40,55 98,50",
    ),
}
FORMS = {digit: MISREAD_FORMS.get(digit, forms) for digit, forms in STROKE_TEMPLATES.items()}
CORRECTED = (1, 7)
MIN_MISREAD_SHARE = 0.2
CORRECTIONS = 20
TEST_DIGITS = 1_000
WOBBLE = 0.02  # of the unit box: how two digits of one hand differ


@dataclass(frozen=True)
class Hand:
    """How one person writes: the strokes of each digit, slant and width, and the pen in pixels."""

    strokes: dict[int, Strokes]
    shape: npt.NDArray[np.float64]
    slant: float
    pen_px: int

    def draw(self, digit: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Write a digit: uint8[28, 28], normalised as MNIST's are."""
        lines = []
        for points in self.strokes[digit]:
            moved = points + random.normal(0, WOBBLE, points.shape)
            corner = np.flatnonzero((np.diff(points, axis=0) == 0).all(axis=1))
            moved[corner + 1] = moved[corner]
            slant = self.slant + random.normal(0, 0.04)
            moved = catmull_rom(moved) * self.shape
            moved += np.outer(0.5 - moved[:, 1], [slant, 0])
            lines.append(moved * UNIT_BOX_PX + (CANVAS_SIDE_PX - UNIT_BOX_PX) / 2)
        canvas = draw_polylines(lines, (CANVAS_SIDE_PX, CANVAS_SIDE_PX), self.pen_px)
        return normalize_digit(np.divide(canvas, 255, dtype=np.float32))


def sample_hand(random: np.random.Generator) -> Hand:
    """Draw how a person writes."""
    strokes = {}
    for digit, forms in FORMS.items():
        strokes[digit] = parse_template(forms[random.integers(len(forms))])
        for _ in range(2 if digit in MISREAD_FORMS else 1):
            strokes[digit] = [jitter_points(points, random) for points in strokes[digit]]
    shape = np.array([random.uniform(0.5, 0.95), 1.0])
    return Hand(strokes, shape, random.normal(0, 0.15), int(random.integers(4, 9)))


def write(hand: Hand, digits: npt.NDArray[np.int64], random: np.random.Generator) -> Digits:
    """Write some digits."""
    images = np.stack([hand.draw(int(digit), random) for digit in digits])
    return Digits(torch.from_numpy(images), torch.from_numpy(digits), "hand", "rendered")


def misread(classifier: OnnxClassifier, digits: Digits) -> npt.NDArray[np.bool_]:
    """Tell which digits are misread: bool[n]."""
    found = classifier.probabilities(digits.images.numpy()).argmax(axis=1)
    wrong: npt.NDArray[np.bool_] = found != digits.labels.numpy()
    return wrong
