"""How a picture of handwriting looks: paper, pen, light and camera, drawn once for each picture.

Four in five pictures are photographs or scans of paper. The rest are blackboards and drawings on a
screen, most of them light on dark.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np

from tenfold.rendering.sampling import Random, Range, bernoulli, weighted_choice

RGB = tuple[float, float, float]
Ruling = Literal["none", "ruled", "squared", "margin"]

MAX_TILT_DEG = 8.0
# From the first number to below the second. With a lower quality, the blocks of a JPEG destroy the
# strokes of small digits.
PHOTO_JPEG_QUALITY = (40, 96)
SCAN_JPEG_QUALITY = (60, 96)
SCREEN_JPEG_QUALITY = (80, 96)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Appearance:
    """How a picture looks. Colours are RGB, each channel 0 … 255.

    Args:
        paper_colour: the background.
        paper_texture: standard deviation of the background, grey levels.
        pen_colour: the strokes.
        pen_opacity: share of the background that a stroke covers at its darkest, 0 … 1.
        pen_grain: share of the opacity that varies along a stroke, 0 … 1.
        pen_grain_px: size of these variations, pixels.
        ruling: which lines are printed on the paper.
        ruling_colour: their colour.
        ruling_opacity: as `pen_opacity`.
        light_falloff: share of the light that is lost from one side to the other.
        vignette: share of the light that is lost in the corners.
        shadow: share of the light that is lost beyond the edge of a shadow; 0 for no shadow.
        warmth: share by which red is brighter and blue darker.
        tilt_deg: rotation of the page about the axes x, y and z.
        blur_mm: standard deviation of the blur, millimetres on the paper.
        noise: standard deviation of the sensor's noise, grey levels.
        jpeg_quality: None for no JPEG.
        grey: whether the picture has one channel.
    """

    paper_colour: RGB
    paper_texture: float = 0.0
    pen_colour: RGB
    pen_opacity: float = 1.0
    pen_grain: float = 0.0
    pen_grain_px: float = 2.0
    ruling: Ruling = "none"
    ruling_colour: RGB = (0.0, 0.0, 0.0)
    ruling_opacity: float = 0.0
    light_falloff: float = 0.0
    vignette: float = 0.0
    shadow: float = 0.0
    warmth: float = 0.0
    tilt_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    blur_mm: float = 0.0
    noise: float = 0.0
    jpeg_quality: int | None = None
    grey: bool = False

    @property
    def print_colour(self) -> RGB:
        """The colour of printed cells: near black, or pale where strokes are light on dark."""
        level = 40.0 if sum(self.pen_colour) < sum(self.paper_colour) else 200.0
        return (level, level, level)


@dataclasses.dataclass(frozen=True)
class Pen:
    """A kind of pen: its colour, and ranges of `Appearance.pen_opacity` and the fields after it."""

    colour: RGB
    opacity: Range
    grain: Range
    grain_px: Range


BLUE_BALL_PEN = Pen((35, 52, 150), (0.75, 1), (0.05, 0.3), (2, 6))
BLACK_BALL_PEN = Pen((28, 28, 34), (0.8, 1), (0.05, 0.25), (2, 6))
PENCIL = Pen((70, 72, 76), (0.55, 0.85), (0.25, 0.5), (1, 2))
RED_BALL_PEN = Pen((190, 38, 46), (0.75, 1), (0.05, 0.25), (2, 6))
WHITE_CHALK = Pen((235, 235, 228), (0.75, 0.95), (0.2, 0.5), (1, 2))
YELLOW_CHALK = dataclasses.replace(WHITE_CHALK, colour=(235, 225, 140))
RED_CHALK = dataclasses.replace(WHITE_CHALK, colour=(240, 180, 170))

PENS = ((BLUE_BALL_PEN, 0.35), (BLACK_BALL_PEN, 0.3), (PENCIL, 0.2), (RED_BALL_PEN, 0.15))
CHALKS = ((WHITE_CHALK, 0.8), (YELLOW_CHALK, 0.12), (RED_CHALK, 0.08))
PAPER_COLOURS: dict[str, tuple[RGB, float]] = {
    "white": ((246, 246, 244), 0.5),
    "cream": ((245, 238, 217), 0.18),
    "recycled grey": ((214, 213, 209), 0.12),
    "yellow note": ((250, 240, 160), 0.06),
    "pink": ((247, 214, 220), 0.05),
    "light blue": ((206, 226, 242), 0.05),
    "light green": ((212, 236, 208), 0.04),
}
RULING_COLOURS: dict[str, tuple[RGB, float]] = {
    "blue": ((150, 185, 225), 0.55),
    "grey": ((168, 170, 174), 0.3),
    "violet": ((120, 120, 190), 0.15),
}
RULINGS: tuple[tuple[Ruling, float], ...] = (
    ("none", 0.45),
    ("ruled", 0.23),
    ("squared", 0.22),
    ("margin", 0.1),
)


def sample_appearance(random: Random, max_rotation_deg: float = 10.0) -> Appearance:
    """Draw how a picture looks.

    Args:
        random: source of the draws.
        max_rotation_deg: largest rotation in the plane of the picture, either way.
    """
    samplers: tuple[tuple[Callable[[], Appearance], float], ...] = (
        (functools.partial(_sample_photo, random, max_rotation_deg), 0.72),
        (functools.partial(_sample_scan, random, max_rotation_deg), 0.12),
        (functools.partial(_sample_blackboard, random, max_rotation_deg), 0.07),
        (functools.partial(_sample_screen, random), 0.09),
    )
    return weighted_choice(random, samplers)()


def _sample_pen_on_paper(random: Random, texture: Range) -> Appearance:
    """Draw a pen and a paper; light and lens are left to the caller."""
    ruling_colour, ruling_opacity = _sample_ruling_ink(random)
    pen = weighted_choice(random, PENS)
    return Appearance(
        paper_colour=_vary(random, weighted_choice(random, tuple(PAPER_COLOURS.values())), 4),
        paper_texture=random.uniform(*texture),
        pen_colour=_vary(random, pen.colour, 14),
        pen_opacity=random.uniform(*pen.opacity),
        pen_grain=random.uniform(*pen.grain),
        pen_grain_px=random.uniform(*pen.grain_px),
        ruling=weighted_choice(random, RULINGS),
        ruling_colour=ruling_colour,
        ruling_opacity=ruling_opacity,
    )


def _sample_photo(random: Random, max_rotation_deg: float) -> Appearance:
    return dataclasses.replace(
        _sample_pen_on_paper(random, (0.5, 4.5)),
        light_falloff=random.uniform(0, 0.4),
        vignette=random.uniform(0, 0.25),
        shadow=random.uniform(0.1, 0.4) if bernoulli(random, 0.35) else 0.0,
        warmth=random.uniform(-0.06, 0.08),
        tilt_deg=_sample_tilt(random, max_rotation_deg),
        blur_mm=random.uniform(0.02, 0.18),
        noise=random.uniform(0.5, 6),
        jpeg_quality=int(random.integers(*PHOTO_JPEG_QUALITY)),
        grey=bernoulli(random, 0.15),
    )


def _sample_scan(random: Random, max_rotation_deg: float) -> Appearance:
    return dataclasses.replace(
        _sample_pen_on_paper(random, (0.3, 2)),
        tilt_deg=(0.0, 0.0, random.uniform(-max_rotation_deg, max_rotation_deg) / 2),
        blur_mm=random.uniform(0.01, 0.06),
        noise=random.uniform(0, 2),
        jpeg_quality=int(random.integers(*SCAN_JPEG_QUALITY)),
        grey=bernoulli(random, 0.5),
    )


def _sample_blackboard(random: Random, max_rotation_deg: float) -> Appearance:
    level = random.uniform(30, 75)
    green = 1.25 if bernoulli(random, 0.6) else 1.0
    chalk = weighted_choice(random, CHALKS)
    return Appearance(
        paper_colour=_vary(random, (level, level * green, level * (1 + green) / 2), 3),
        paper_texture=random.uniform(2, 6),
        pen_colour=_vary(random, chalk.colour, 8),
        pen_opacity=random.uniform(*chalk.opacity),
        pen_grain=random.uniform(*chalk.grain),
        pen_grain_px=random.uniform(*chalk.grain_px),
        light_falloff=random.uniform(0, 0.35),
        vignette=random.uniform(0, 0.2),
        tilt_deg=_sample_tilt(random, max_rotation_deg),
        blur_mm=random.uniform(0.02, 0.15),
        noise=random.uniform(1, 5),
        jpeg_quality=int(random.integers(*PHOTO_JPEG_QUALITY)),
        grey=bernoulli(random, 0.2),
    )


def _sample_screen(random: Random) -> Appearance:
    """Draw flat colours without a camera; half of these pictures are light on dark."""
    light, dark = random.uniform(225, 255), random.uniform(0, 50)
    paper, pen = (dark, light) if bernoulli(random, 0.5) else (light, dark)
    return Appearance(
        paper_colour=(paper, paper, paper),
        pen_colour=_vary(random, (pen, pen, pen), 25 if bernoulli(random, 0.4) else 0),
        jpeg_quality=int(random.integers(*SCREEN_JPEG_QUALITY)) if bernoulli(random, 0.4) else None,
        grey=bernoulli(random, 0.3),
    )


def _sample_ruling_ink(random: Random) -> tuple[RGB, float]:
    """Draw colour and opacity of printed lines: usually pale, sometimes as dark as a pen."""
    if bernoulli(random, 0.12):
        return _vary(random, (85, 95, 140), 20), random.uniform(0.75, 0.95)
    colour = weighted_choice(random, tuple(RULING_COLOURS.values()))
    return _vary(random, colour, 10), random.uniform(0.35, 0.8)


def _sample_tilt(random: Random, max_rotation_deg: float) -> tuple[float, float, float]:
    limits = (MAX_TILT_DEG, MAX_TILT_DEG, max_rotation_deg)
    x, y, z = (random.uniform(-1, 1, 3) * limits).tolist()
    return (x, y, z)


def _vary(random: Random, colour: RGB, std: float) -> RGB:
    r, g, b = np.clip(np.array(colour) + random.normal(0, std, 3), 0, 255).tolist()
    return (r, g, b)
