"""Digits drawn from stroke templates, as smooth or as coarse as mice and tablets record them.

Each digit has several templates, one for each common way to write it. A template is strokes of
points (x, y) in a unit box, y downwards; a point given twice is a corner. The points are shifted at
random and joined by a spline or by straight lines. Some drawings keep a few points only, as coarse
tablets do, and some forget where the pen was lifted.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.sampling import Random, bernoulli

Points = npt.NDArray[np.float64]
Strokes = list[Points]
Canvas = npt.NDArray[np.uint8]

CANVAS_SIDE_PX = 96
UNIT_BOX_PX = 64

_TEMPLATES_TOML = Path(__file__).with_name("stroke_templates.toml").read_text(encoding="utf-8")
STROKE_TEMPLATES: dict[int, tuple[str, ...]] = {
    int(digit): tuple(templates) for digit, templates in tomllib.loads(_TEMPLATES_TOML).items()
}


def draw_digit(digit: int, random: Random) -> Canvas:
    """Draw a digit from one of its templates; see `draw_template`."""
    templates = STROKE_TEMPLATES[digit]
    return draw_template(parse_template(templates[random.integers(len(templates))]), random)


def draw_template(template: Strokes, random: Random) -> Canvas:
    """Draw strokes in the unit box as people and tablets vary them: uint8[96, 96], 255 on 0."""
    strokes = [jitter_points(points, random) for points in template]
    if bernoulli(random, 0.6):
        strokes = [catmull_rom(points) for points in strokes]
    if bernoulli(random, 0.5):
        count = int(random.integers(7, 13))
        strokes = resample_strokes(strokes, count, joined=bernoulli(random, 0.6))
    shape = np.array([random.uniform(0.45, 1.0), 1.0])
    slant = random.normal(0, 0.2)
    strokes = [points * shape + np.outer(0.5 - points[:, 1], [slant, 0]) for points in strokes]
    if bernoulli(random, 0.3):  # as some tablets do, scale the writing to a square
        every = np.concatenate(strokes)
        extent = np.maximum(np.ptp(every, axis=0), 0.15)
        aspect = np.array([random.uniform(0.8, 1.1), 1.0])
        strokes = [(points - every.min(axis=0)) / extent * aspect for points in strokes]
    margin = (CANVAS_SIDE_PX - UNIT_BOX_PX) / 2
    lines = [points * UNIT_BOX_PX + margin for points in strokes]
    return draw_polylines(lines, (CANVAS_SIDE_PX, CANVAS_SIDE_PX), int(random.integers(2, 11)))


def draw_polylines(lines: Sequence[Points], shape: tuple[int, int], width: int) -> Canvas:
    """Draw polylines of points [k, 2], in pixels, with a round pen: uint8[h, w], lines 255 on 0."""
    canvas = np.zeros(shape, np.uint8)
    fixed = [np.rint(points * 16).astype(np.int32) for points in lines]  # sixteenths of a pixel
    cv2.polylines(
        canvas, fixed, isClosed=False, color=255, thickness=width, lineType=cv2.LINE_AA, shift=4
    )
    return canvas


def parse_template(template: str) -> Strokes:
    """Parse an entry of `STROKE_TEMPLATES`: strokes of points float64[k, 2] in the unit box."""
    return [
        np.array([point.split(",") for point in stroke.split()], np.float64) / 100
        for stroke in template.split("/")
    ]


def jitter_points(points: Points, random: Random) -> Points:
    """Shift each point at random (the two of a corner alike), and bend the whole stroke."""
    wobble = random.normal(0, 0.045, points.shape)
    same = np.flatnonzero((np.diff(points, axis=0) == 0).all(axis=1))
    wobble[same + 1] = wobble[same]
    bend = random.normal(0, 0.12, (2, 2))
    warped: Points = points + wobble + np.sin(np.pi * points) @ bend * 0.5
    return warped


def catmull_rom(points: Points, steps: int = 10) -> Points:
    """Interpolate points [k, 2] by a Catmull-Rom spline; a point given twice is a corner.

    Returns:
        float64[(k - 1)·steps, 2].
    """
    before, after = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
    return catmull_rom_interior(np.concatenate([before, points, after]), steps)


def catmull_rom_interior(points: Points, steps: int) -> Points:
    """Interpolate points [k, 2] but the first and the last: float64[(k - 3)·steps, 2]."""
    a, b, c, d = points[:-3, None], points[1:-2, None], points[2:-1, None], points[3:, None]
    t = np.linspace(0, 1, steps)[None, :, None]
    smooth: Points = b + t / 2 * (
        c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
    )
    return smooth.reshape(-1, 2)


def resample_strokes(strokes: Strokes, count: int, *, joined: bool) -> Strokes:
    """Resample strokes to about `count` points at equal distances; joined, as a single stroke."""
    if joined:
        strokes = [np.concatenate(strokes)]
    lengths = [float(np.hypot(*np.diff(points, axis=0).T).sum()) for points in strokes]
    resampled = []
    for points, length in zip(strokes, lengths, strict=True):
        positions = np.r_[0, np.hypot(*np.diff(points, axis=0).T).cumsum()]
        wanted = np.linspace(0, positions[-1], max(2, round(count * length / sum(lengths))))
        axes = [np.interp(wanted, positions, points[:, axis]) for axis in (0, 1)]
        resampled.append(np.stack(axes, axis=1))
    return resampled
