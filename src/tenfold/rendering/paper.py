"""Papers and pens: everything about a picture of writing that is drawn once for the whole picture.

Four in five are photographs or scans of paper; the rest are blackboards and canvases on a screen,
most of those light on dark.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

Random = np.random.Generator
Colour = tuple[float, float, float]  # RGB, 0 … 255
Lines = Literal["none", "ruled", "squared", "margin"]

T = TypeVar("T")

TILT = 8.0  # degrees, ±: the camera is held by hand
_JPEG = (40, 96)  # qualities: below, blocks eat the strokes of small digits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """How a picture looks.

    Args:
        paper: its colour.
        texture: of the paper, grey levels standard deviation.
        ink: its colour.
        strength: share of the paper's light that the ink covers at its darkest, 0 … 1.
        grain: share of the strength that varies along a stroke, 0 … 1.
        fineness: pixels across a grain.
        lines: what is printed on the paper.
        line: its colour.
        line_strength: as `strength`.
        slope: share of the light that is lost across the picture.
        vignette: share that is lost in the corners.
        shadow: share that is lost beyond the edge of a shadow; 0 for none.
        warmth: share by which red is brighter and blue darker.
        tilt: degrees about the axes x, y and z.
        blur: millimetres on the paper, standard deviation.
        noise: grey levels standard deviation.
        quality: of the JPEG; None for none.
        grey: whether the picture has one channel.
    """

    paper: Colour
    texture: float = 0.0
    ink: Colour
    strength: float = 1.0
    grain: float = 0.0
    fineness: float = 2.0
    lines: Lines = "none"
    line: Colour = (0.0, 0.0, 0.0)
    line_strength: float = 0.0
    slope: float = 0.0
    vignette: float = 0.0
    shadow: float = 0.0
    warmth: float = 0.0
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)
    blur: float = 0.0
    noise: float = 0.0
    quality: int | None = None
    grey: bool = False

    @property
    def print(self) -> Colour:
        """The colour of a printed form: near black, or pale where ink is lighter than paper."""
        level = 40.0 if sum(self.ink) < sum(self.paper) else 200.0
        return (level, level, level)


@dataclasses.dataclass(frozen=True)
class Pen:
    """What writes: ranges of `Look.strength`, `grain` and `fineness`."""

    colour: Colour
    strength: tuple[float, float]
    grain: tuple[float, float]
    fineness: tuple[float, float]


# Each with its share.
_PENS = (
    (Pen((35, 52, 150), (0.75, 1), (0.05, 0.3), (2, 6)), 0.35),  # blue ball pen
    (Pen((28, 28, 34), (0.8, 1), (0.05, 0.25), (2, 6)), 0.3),  # black pen
    (Pen((70, 72, 76), (0.55, 0.85), (0.25, 0.5), (1, 2)), 0.2),  # pencil: paper shows through
    (Pen((190, 38, 46), (0.75, 1), (0.05, 0.25), (2, 6)), 0.15),  # red pen
)
_CHALKS = (
    (Pen((235, 235, 228), (0.75, 0.95), (0.2, 0.5), (1, 2)), 0.8),
    (Pen((235, 225, 140), (0.75, 0.95), (0.2, 0.5), (1, 2)), 0.12),
    (Pen((240, 180, 170), (0.75, 0.95), (0.2, 0.5), (1, 2)), 0.08),
)
_PAPERS: tuple[tuple[Colour, float], ...] = (
    ((246, 246, 244), 0.5),  # white
    ((245, 238, 217), 0.18),  # cream
    ((214, 213, 209), 0.12),  # grey, recycled
    ((250, 240, 160), 0.06),  # a yellow note
    ((247, 214, 220), 0.05),  # pink
    ((206, 226, 242), 0.05),  # light blue
    ((212, 236, 208), 0.04),  # light green
)
_PRINTS: tuple[tuple[Colour, float], ...] = (
    ((150, 185, 225), 0.55),
    ((168, 170, 174), 0.3),
    ((120, 120, 190), 0.15),
)
_LINES: tuple[tuple[Lines, float], ...] = (
    ("none", 0.45),
    ("ruled", 0.23),
    ("squared", 0.22),
    ("margin", 0.1),
)


def draw_look(random: Random, turn: float = 10.0) -> Look:
    """Draw a look.

    Args:
        random: source of the draws.
        turn: degrees, ±, about the camera's axis.
    """
    makers: tuple[tuple[Callable[[], Look], float], ...] = (
        (functools.partial(_photographed, random, turn), 0.72),
        (functools.partial(_scanned, random, turn), 0.12),
        (functools.partial(_blackboard, random, turn), 0.07),
        (functools.partial(_canvas, random), 0.09),
    )
    return pick(random, makers)()


def pick(random: Random, shares: Sequence[tuple[T, float]]) -> T:
    """Draw one of the things, each with its share; the shares add up to 1."""
    place = int(random.choice(len(shares), p=[share for _, share in shares]))
    return shares[place][0]


def chance(random: Random, share: float) -> bool:
    """Draw whether something that happens in this share of cases does."""
    return bool(random.random() < share)


def _written(random: Random, texture: tuple[float, float]) -> Look:
    """Draw a pen on a paper, before anything is made of light and lens."""
    line, line_strength = _print(random)
    pen = pick(random, _PENS)
    return Look(
        paper=_jitter(random, pick(random, _PAPERS), 4),
        texture=random.uniform(*texture),
        ink=_jitter(random, pen.colour, 14),
        strength=random.uniform(*pen.strength),
        grain=random.uniform(*pen.grain),
        fineness=random.uniform(*pen.fineness),
        lines=pick(random, _LINES),
        line=line,
        line_strength=line_strength,
    )


def _photographed(random: Random, turn: float) -> Look:
    return dataclasses.replace(
        _written(random, (0.5, 4.5)),
        slope=random.uniform(0, 0.4),
        vignette=random.uniform(0, 0.25),
        shadow=random.uniform(0.1, 0.4) if chance(random, 0.35) else 0.0,
        warmth=random.uniform(-0.06, 0.08),  # daylight to lamp
        tilt=_tilt(random, turn),
        blur=random.uniform(0.02, 0.18),
        noise=random.uniform(0.5, 6),
        quality=int(random.integers(*_JPEG)),
        grey=chance(random, 0.15),
    )


def _scanned(random: Random, turn: float) -> Look:
    """Draw paper that lay flat under an even light."""
    return dataclasses.replace(
        _written(random, (0.3, 2)),
        tilt=(0.0, 0.0, random.uniform(-turn, turn) / 2),
        blur=random.uniform(0.01, 0.06),
        noise=random.uniform(0, 2),
        quality=int(random.integers(60, _JPEG[1])),
        grey=chance(random, 0.5),
    )


def _blackboard(random: Random, turn: float) -> Look:
    level = random.uniform(30, 75)
    green = 1.25 if chance(random, 0.6) else 1.0
    chalk = pick(random, _CHALKS)
    return Look(
        paper=_jitter(random, (level, level * green, level * (1 + green) / 2), 3),
        texture=random.uniform(2, 6),  # chalk that was wiped away
        ink=_jitter(random, chalk.colour, 8),
        strength=random.uniform(*chalk.strength),
        grain=random.uniform(*chalk.grain),
        fineness=random.uniform(*chalk.fineness),
        slope=random.uniform(0, 0.35),
        vignette=random.uniform(0, 0.2),
        tilt=_tilt(random, turn),
        blur=random.uniform(0.02, 0.15),
        noise=random.uniform(1, 5),
        quality=int(random.integers(*_JPEG)),
        grey=chance(random, 0.2),
    )


def _canvas(random: Random) -> Look:
    """Draw a canvas on a screen: flat and sharp, without a camera; half of them dark."""
    light, dark = random.uniform(225, 255), random.uniform(0, 50)
    paper, ink = (dark, light) if chance(random, 0.5) else (light, dark)
    return Look(
        paper=(paper, paper, paper),
        ink=_jitter(random, (ink, ink, ink), 25 if chance(random, 0.4) else 0),
        quality=int(random.integers(80, _JPEG[1])) if chance(random, 0.4) else None,
        grey=chance(random, 0.3),
    )


def _print(random: Random) -> tuple[Colour, float]:
    """Draw colour and strength of printed lines: pale, or in a minority as dark as ink."""
    if chance(random, 0.12):
        return _jitter(random, (85, 95, 140), 20), random.uniform(0.75, 0.95)
    return _jitter(random, pick(random, _PRINTS), 10), random.uniform(0.35, 0.8)


def _tilt(random: Random, turn: float) -> tuple[float, float, float]:
    x, y, z = (random.uniform(-1, 1, 3) * (TILT, TILT, turn)).tolist()
    return (x, y, z)


def _jitter(random: Random, colour: Colour, by: float) -> Colour:
    r, g, b = np.clip(np.array(colour) + random.normal(0, by, 3), 0, 255).tolist()
    return (r, g, b)
