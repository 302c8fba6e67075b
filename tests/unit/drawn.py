"""Digits as strokes, to be drawn on the page by a hand that nobody has.

`templates` are tenfold's ways to write digits, varied: the network was trained on the same ways,
varied otherwise. `traced` are MNIST test digits, thinned to lines that a pen follows: people's own
shapes, which no network was trained on. `tablet` are what 44 people wrote on a tablet (UCI
pen-based digits, Alpaydin & Alimoglu 1998), of which only eight points are left of each digit.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.strokes import (
    STROKE_TEMPLATES,
    Points,
    Strokes,
    catmull_rom,
    jitter_points,
    parse_template,
)

Drawn = tuple[Strokes, int]
Bits = npt.NDArray[np.bool_]

_SCALE = 4  # MNIST's pixels are traced on a finer grid
_SHORT = 0.12  # of a digit's height: shorter lines are spurs of the thinning


def templates(count: int, seed: int) -> Iterator[Drawn]:
    """Vary the ways to write digits: moved points, turned, slanted, stretched, fast or slow."""
    random = np.random.default_rng(seed)
    for number in range(count):
        digit = number % 10
        ways = STROKE_TEMPLATES[digit]
        strokes = parse_template(ways[random.integers(len(ways))])
        steps = int(random.integers(4, 14))  # a fast hand leaves few points
        angle, slant = random.normal(0, 0.08), random.normal(0, 0.15)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        lean = np.array([[1, 0], [-slant, 1]])
        shape = np.array([random.uniform(0.5, 0.95), 1.0])
        yield (
            fitted(
                [
                    catmull_rom(jitter_points(s, random), steps) * shape @ lean @ turn
                    for s in strokes
                ]
            ),
            digit,
        )


def traced(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Iterator[Drawn]:
    """Follow the middle of the strokes of uint8[n, 28, 28]."""
    for image, label in zip(images, labels.tolist(), strict=True):
        yield fitted(trace(image)), label


def tablet(path: Path) -> Iterator[Drawn]:
    """Read lines of 16 numbers, x and y upwards in turn, and a digit."""
    for line in path.read_text().splitlines():
        if line and not line.startswith("@"):
            *numbers, digit = map(int, line.split(","))
            points = np.array(numbers, np.float64).reshape(8, 2) * [0.8, -1]
            yield fitted([points]), digit


def fitted(strokes: Strokes) -> Strokes:
    """Bring strokes into a box of height 1 whose top left corner is the origin."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    return [(s - low) / max(high[1] - low[1], 0.4 * (high[0] - low[0])) for s in strokes]


def trace(image: npt.NDArray[np.uint8]) -> Strokes:
    """Follow the middle of an image's strokes, from end to end."""
    side = image.shape[0] * _SCALE
    large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    left = {(int(x), int(y)) for y, x in np.argwhere(thinned(large > 110))}
    ways = []
    while left:
        ends = [p for p in left if len(_around(p, left)) == 1]
        ways.append(_walk(min(ends or left, key=lambda p: (p[1], p[0])), left))
    tall = max(np.ptp(np.concatenate(ways), axis=0))
    kept = [way for way in ways if len(way) > _SHORT * tall] or [max(ways, key=len)]
    return [_calm(np.array(way, np.float64)) for way in kept]


def thinned(body: Bits) -> Bits:
    """Thin to lines of one pixel (Zhang & Suen 1984)."""
    body = np.pad(body, 1)
    while True:
        before = int(body.sum())
        for first in (True, False):
            p = [
                np.roll(body, (dy, dx), axis=(0, 1))
                for dy, dx in [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)]
            ]  # north, north-east and on round
            count = sum(q.astype(int) for q in p)
            turns = sum(((~a) & b).astype(int) for a, b in zip(p, [*p[1:], p[0]], strict=True))
            north, east, south, west = p[0], p[2], p[4], p[6]
            if first:
                free = ~(north & east & south) & ~(east & south & west)
            else:
                free = ~(north & east & west) & ~(north & south & west)
            body = body & ~((count >= 2) & (count <= 6) & (turns == 1) & free)
        if int(body.sum()) == before:
            return np.asarray(body[1:-1, 1:-1])


def _around(point: tuple[int, int], left: set[tuple[int, int]]) -> list[tuple[int, int]]:
    x, y = point
    return [
        (x + dx, y + dy)
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
        if (dx or dy) and (x + dx, y + dy) in left
    ]


def _walk(point: tuple[int, int], left: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Go on as straight as possible until there is no way, taking away what is passed."""
    way = [point]
    left.discard(point)
    while ahead := _around(way[-1], left):
        x, y = way[-1]
        back = way[max(len(way) - 6, 0)]
        heading = np.array([x - back[0], y - back[1]], np.float64)

        def bend(p: tuple[int, int], x: int = x, y: int = y, h: Points = heading) -> float:
            step = np.array([p[0] - x, p[1] - y], np.float64)
            return -float(step @ h) / float(np.linalg.norm(step) * (np.linalg.norm(h) or 1))

        way.append(min(ahead, key=bend))
        left.discard(way[-1])
    return way


def _calm(points: Points) -> Points:
    """Smooth the steps from pixel to pixel, and keep every third point."""
    if len(points) < 5:
        return points
    padded = np.pad(points, ((2, 2), (0, 0)), mode="edge")
    calm = np.mean([padded[i : i + len(points)] for i in range(5)], axis=0)
    return np.concatenate([calm[:-1:3], calm[-1:]])
