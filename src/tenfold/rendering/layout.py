"""What every layout of `layouts.py` needs."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from tenfold.rendering.glyphs import Form, GlyphSource, Hand
from tenfold.rendering.sampling import Random, bernoulli
from tenfold.rendering.scene import Scene
from tenfold.rendering.writing import FORMS, sample_hand

# How many hands write as evenly as print, so that a 1 looks like the wall of a box.
EVEN_HANDS = 0.12
EVEN_HAND_UNEVENNESS = 0.1


@dataclass(frozen=True, eq=False)
class Layout:
    """What a layout needs: the scene, the shapes of digits, and the height of a digit, pixels."""

    scene: Scene
    source: GlyphSource
    height_px: float

    @property
    def random(self) -> Random:
        """The source of all draws."""
        return self.scene.random

    def hand(self, forms: tuple[tuple[Form, float], ...] = FORMS) -> Hand:
        """Draw how a number is written."""
        hand = sample_hand(self.height_px, self.scene.tilt, self.random, forms)
        return self.even(hand) if bernoulli(self.random, EVEN_HANDS) else hand

    def even(self, hand: Hand) -> Hand:
        """Return the hand, upright and as even as print."""
        cos, sin = self.scene.tilt
        upright = np.array([[cos, -sin], [sin, cos]])
        return dataclasses.replace(hand, linear=upright, unevenness=EVEN_HAND_UNEVENNESS)
