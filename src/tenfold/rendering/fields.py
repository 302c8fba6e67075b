"""Crops of forms, tables and notes with numbers, and the label of each character: training data.

A crop is a pure function of (seed, index). With other versions of OpenCV, Pillow or scikit-image it
may have other bytes.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tenfold.data.seeds import derive_seed
from tenfold.rendering import clutter
from tenfold.rendering.exposure import add_border, expose, sample_exposure
from tenfold.rendering.glyphs import GlyphSource, Hand
from tenfold.rendering.ground import add_desk, add_fold
from tenfold.rendering.layout import Layout
from tenfold.rendering.layouts import compose
from tenfold.rendering.sampling import Random, bernoulli, log_uniform
from tenfold.rendering.scene import Scene

if TYPE_CHECKING:  # it imports torch, which reading needs not
    from tenfold.data.digits import Digits


@dataclass(frozen=True)
class FieldConfig:
    """What is rendered.

    Args:
        height: of the crop, pixels.
        width: of the crop, pixels.
        digit_height_px: least and greatest height of a digit that fills MNIST's box.
        max_labels: most characters in a crop.
        only_images: see `GlyphSource`.
    """

    height: int = 64
    width: int = 192
    digit_height_px: tuple[float, float] = (14.0, 46.0)
    max_labels: int = 16
    only_images: bool = False


@dataclass(frozen=True, eq=False)
class Field:
    """A rendered crop.

    Args:
        pixels: uint8[height, width], grey levels as a camera gives them.
        labels: float32[n, 6]: index in `DETECTED_CLASSES`, x and y of the middle, width and
            height, in pixels of the crop, and 1 if it is printed, 0 if it is handwritten; the box
            is tight around the visible strokes.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]


class FieldRenderer:
    """Renders crops.

    Args:
        digits: images of handwritten digits to write with.
        seed: another seed gives other crops.
        config: size of the crops and of the digits.
    """

    def __init__(self, digits: "Digits", seed: int, config: FieldConfig = FieldConfig()) -> None:
        self.source = GlyphSource(digits, only_images=config.only_images)
        self.seed = seed
        self.config = config

    def render(self, index: int) -> Field:
        """Render one crop, the same for the same index in every process and order."""
        random = np.random.default_rng(derive_seed(self.seed, "field", index))
        config = self.config
        scene = Scene(
            (config.height, config.width), _sample_tilt(random), random, config.max_labels
        )
        if bernoulli(random, 0.3):
            scene.bend = random.normal(0, 2)
            scene.keystone = (random.normal(0, 3e-4), random.normal(0, 6e-4))
        height_px = log_uniform(random, config.digit_height_px)
        hand = compose(Layout(scene, self.source, height_px))
        self._add_clutter(scene, hand, random)
        _add_traces(scene, random)
        exposure = sample_exposure(scene, height_px, random)
        pixels = expose(scene, exposure, random)
        if bernoulli(random, 0.06):
            add_border(pixels, scene.labels, random)
        return Field(pixels, np.array(scene.labels, np.float32).reshape(-1, 6))

    def _add_clutter(self, scene: Scene, hand: Hand, random: Random) -> None:
        if bernoulli(random, 0.12):
            clutter.neighbouring_line(scene, self.source, hand, random)
        if bernoulli(random, 0.22):
            clutter.print_words(scene, random)
        if bernoulli(random, 0.06):
            clutter.print_paragraph(scene, random)
        if bernoulli(random, 0.16):
            clutter.write_letters(scene, self.source, hand, random)
        if bernoulli(random, 0.05):
            clutter.stamp(scene, random)
        if bernoulli(random, 0.08):
            clutter.doodle(scene, random)


def _add_traces(scene: Scene, random: Random) -> None:
    """Add what lies about a page and what happened to its paper."""
    if bernoulli(random, 0.15):
        add_desk(scene, random)
    if bernoulli(random, 0.05):
        add_fold(scene, random)
    if bernoulli(random, 0.25):
        clutter.specks(scene, random)
    if bernoulli(random, 0.12):
        clutter.show_through(scene, random)


def _sample_tilt(random: Random) -> tuple[float, float]:
    """Draw the page's rotation, mostly next to none: cosine and sine of the angle."""
    degrees = random.uniform(-10, 10) if bernoulli(random, 0.15) else random.normal(0, 1.5)
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
