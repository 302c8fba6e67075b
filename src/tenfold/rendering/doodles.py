"""Pictures of blank pages, scribbles and doodles, none of which shows a digit.

They have the pens and papers of the rendered documents. Shapes that a person could read as digits
are left out: rings (0, 8), single and parallel lines (1), bends of few strokes (2, 7).

Legend: a line is float64[k, 2], x and y from -1 to 1, y downwards; a doodle is a list of lines.
"""

import functools
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.data.seeds import derive_seed
from tenfold.rendering.camera import Coverage, Page, photograph
from tenfold.rendering.documents import (
    DOCUMENTS_VERSION,
    Composed,
    compose_legibly,
    sample_picture_shape,
)
from tenfold.rendering.paper import sample_appearance
from tenfold.rendering.pen import crop
from tenfold.rendering.sampling import Random, bernoulli, log_uniform
from tenfold.rendering.strokes import catmull_rom_interior

BLANK_SHARE = 0.35
MIN_DOODLE_PX = 24.0
BLANK_PIXELS_PER_MM = (2.0, 30.0)
STROKE_PER_DOODLE_SIZE = (0.03, 0.1)
# Lines are drawn larger and scaled down, so that their widths need not be whole pixels.
SUPERSAMPLING = 3
SPLINE_STEPS = 12
JITTER_STEP = 0.02

Line = npt.NDArray[np.float64]
Doodle = Callable[[Random], list[Line]]


def blanks_and_scribbles(n: int) -> Iterator[tuple[Pixels, str]]:
    """Photograph n pages without a digit, about a third of them blank.

    Yields:
        uint8[h, w] or uint8[h, w, 3] (RGB), and "".
    """
    for index in range(n):
        random = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, "negative", index))
        if bernoulli(random, BLANK_SHARE):
            yield compose_blank(random), ""
        else:
            doodle = DOODLES[random.integers(len(DOODLES))]
            compose = functools.partial(compose_doodle, doodle)
            yield compose_legibly(compose, "doodle", index), ""


def compose_blank(random: Random) -> Pixels:
    """Photograph an empty page, which may have printed lines."""
    shape = sample_picture_shape(random)
    page = Page(np.zeros(shape, np.float32), log_uniform(random, BLANK_PIXELS_PER_MM))
    picture, _ = photograph(page, sample_appearance(random), shape, random)
    return picture


def compose_doodle(doodle: Doodle, random: Random) -> Composed:
    """Draw a doodle with the lines of a human hand and photograph it."""
    shape = sample_picture_shape(random)
    size = max(MIN_DOODLE_PX, min(shape) * random.uniform(0.3, 0.75))
    strokes_hw = rasterize([_jitter(line, random) for line in doodle(random)], size, random)
    page = Page(strokes_hw, size / random.uniform(8, 25))
    return photograph(page, sample_appearance(random), shape, random)


def rasterize(lines: list[Line], size: float, random: Random) -> Coverage:
    """Draw lines with one pen: float32[h, w], cropped to the strokes.

    Args:
        lines: see the legend; they may reach a little beyond the box.
        size: pixels from -1 to 1.
        random: source of the pen's width.
    """
    side = round(1.5 * size)
    canvas = np.zeros((side * SUPERSAMPLING, side * SUPERSAMPLING), np.uint8)
    width = max(1.2, size * random.uniform(*STROKE_PER_DOODLE_SIZE))
    for line in lines:
        points = (line * size + side) / 2 * SUPERSAMPLING
        cv2.polylines(
            canvas,
            [np.rint(points).astype(np.int32)],
            isClosed=False,
            color=255,
            thickness=round(width * SUPERSAMPLING),
        )
    coverage = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    return crop(coverage.astype(np.float32) / np.float32(255))


def scribble(random: Random) -> list[Line]:
    """Draw a curve to and fro that crosses itself many times."""
    return [
        catmull_rom_interior(random.uniform(-1, 1, (int(random.integers(16, 31)), 2)), SPLINE_STEPS)
    ]


def crossed_out(random: Random) -> list[Line]:
    """Draw a slanted zigzag, so narrow that it nearly fills an area."""
    legs = int(random.integers(9, 18))
    x = np.linspace(-0.9, 0.9, legs) + random.normal(0, 0.05, legs)
    y = np.where(np.arange(legs) % 2, 0.6, -0.6) + random.normal(0, 0.1, legs)
    corners = np.stack([x + 0.3 * y, y], 1)
    return [catmull_rom_interior(corners, SPLINE_STEPS) if bernoulli(random, 0.5) else corners]


def hatching(random: Random) -> list[Line]:
    """Draw crossing strokes, three to five in each direction."""
    lines = []
    for turn in (random.uniform(25, 65), random.uniform(115, 155)):
        along = np.array([np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))])
        for shift in np.linspace(-0.5, 0.5, random.integers(3, 6)):
            middle = shift * along[::-1] * (1, -1)
            lines.append(np.stack([middle - 0.75 * along, middle + 0.75 * along]))
    return lines


def dots(random: Random) -> list[Line]:
    """Scatter dots and short dashes, four to twelve."""
    centres = random.uniform(-0.9, 0.9, (int(random.integers(4, 13)), 2))
    dash = np.array([0.06 if bernoulli(random, 0.5) else 0.005, 0.0])
    return [np.stack([centre - dash, centre + dash]) for centre in centres]


def star(random: Random) -> list[Line]:
    """Draw a star of five or seven points in one go."""
    points = 5 if bernoulli(random, 0.7) else 7
    angles = np.arange(points + 1) * 2 * np.pi * (points // 2) / points - np.pi / 2
    return [_on_circle(angles)]


def spiral(random: Random) -> list[Line]:
    """Draw a spiral of three to five turns; one of fewer turns could be a 6 or a 9."""
    angles = np.linspace(0, 2 * np.pi * random.uniform(3, 5), 200)
    return [_on_circle(angles + random.uniform(0, 6)) * np.linspace(0.05, 1, 200)[:, None]]


def heart(random: Random) -> list[Line]:
    """Draw a heart with a deep notch."""
    t = np.linspace(0, 2 * np.pi, 90)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [np.stack([16 * np.sin(t), -y * random.uniform(0.9, 1.1) - 2], 1) / 16]


def triangle(random: Random) -> list[Line]:
    """Draw a triangle, its tip up or down."""
    corners = _on_circle(np.arange(4) * 2 * np.pi / 3 - np.pi / 2)
    return [corners * (1, 1 if bernoulli(random, 0.7) else -1)]


def square(random: Random) -> list[Line]:
    """Draw a square, in two cases of three with diagonals: without them it resembles a 0."""
    corners = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * 0.8
    diagonals = [corners[[0, 2]], corners[[1, 3]]]
    return [corners, *diagonals[: random.integers(3)]]


def tick(random: Random) -> list[Line]:
    """Draw a tick: a short stroke down and a long one up."""
    return [np.array([[-0.9, 0.1], [random.uniform(-0.5, -0.3), 0.8], [0.9, -0.9]])]


def cross(random: Random) -> list[Line]:
    """Draw a cross: x, +, or both at once."""
    upright = [np.array([[0.0, -1], [0, 1]]), np.array([[-1.0, 0], [1, 0]])]
    slanting = [line @ np.array([[1, 1], [-1, 1]]) * 0.75 for line in upright]
    return (upright, slanting, upright + slanting)[random.integers(3)]


def wave(random: Random) -> list[Line]:
    """Draw a wave of three to five periods."""
    x = np.linspace(-1, 1, 120)
    return [np.stack([x, 0.3 * np.sin(x * np.pi * random.uniform(3, 5))], 1)]


def house(_: Random) -> list[Line]:
    """Draw the house that children draw without lifting the pen."""
    corners = [(-0.7, 1), (-0.7, -0.2), (0.7, -0.2), (-0.7, 1), (0.7, 1), (0.7, -0.2), (0, -1)]
    return [np.array([*corners, (-0.7, -0.2), (0.7, 1)], dtype=np.float64)]


DOODLES: tuple[Doodle, ...] = (
    *(scribble, scribble, scribble, crossed_out, crossed_out, hatching, hatching, dots),
    *(star, spiral, heart, triangle, square, tick, cross, wave, house),
)


def _jitter(line: Line, random: Random) -> Line:
    """Resample a line densely and shift its points a little, neighbours alike."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    positions = np.concatenate([[0.0], np.cumsum(lengths)])
    end = positions[-1]
    dense = np.linspace(0, end, 2 + int(end / JITTER_STEP))
    shifts = random.normal(0, 0.04, (2 + int(end / 0.5), 2))
    coarse = np.linspace(0, end, len(shifts))
    points = [np.interp(dense, positions, line[:, axis]) for axis in (0, 1)]
    moves = [np.interp(dense, coarse, shifts[:, axis]) for axis in (0, 1)]
    jittered: Line = np.stack(points, 1) + np.stack(moves, 1)
    return jittered


def _on_circle(angles: npt.NDArray[np.float64]) -> Line:
    return np.stack([np.cos(angles), np.sin(angles)], 1)
