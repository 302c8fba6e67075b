"""What lies under and beside the writing: the edge of the paper, a desk, folds."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.sampling import Random, bernoulli, log_uniform
from tenfold.rendering.scene import Scene
from tenfold.rendering.typefaces import WORDS, printed_text, sample_typeface

ATTEMPTS = 4
MIDDLE_LEVEL = 128
DESK_MARGIN_PX = 2.0
WOVEN_SHARE, WOODEN_SHARE = 0.15, 0.45


def add_desk(scene: Scene, random: Random) -> None:
    """Let the paper end within the crop, on one side or two; nothing if characters are everywhere.

    Beyond the edge is a dark or light desk, wood, or another sheet; a shadow or a bright rim may
    run along the edge.
    """
    h, w = scene.shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    inside = np.full((h, w), np.float32(np.inf))
    for _ in range(2 if bernoulli(random, 0.25) else 1):
        distance = _edge(scene, x, y, random)
        if distance is not None:
            inside = np.minimum(inside, distance)
    if not (inside < 0).any():
        return
    level = random.uniform(5, 120) if bernoulli(random, 0.75) else random.uniform(120, 250)
    scene.desk = np.where(inside < 0, desk_levels(x, y, level, random), np.float32(-1))
    if bernoulli(random, 0.3):
        _print_on_desk(scene.desk, level, random)
    if bernoulli(random, 0.4):
        rim, depth = random.uniform(1, 6), random.uniform(0.1, 0.5)
        fold = 1 - np.float32(depth) * np.exp(-inside.clip(0) / np.float32(rim))
        scene.fold = np.where(inside < 0, np.float32(1), fold).astype(np.float32)


def _print_on_desk(desk: npt.NDArray[np.float32], level: float, random: Random) -> None:
    """Print a word beyond the edge, as on another sheet or on a coloured area of a page."""
    word = printed_text(WORDS[random.integers(len(WORDS))], sample_typeface(random))
    scale = log_uniform(random, (10, 50)) / word.shape[0]
    word = cv2.resize(word, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
        np.float32, copy=False
    )
    contrast = random.uniform(30, 120) * (1 if level < MIDDLE_LEVEL else -1)
    beyond = np.argwhere(desk >= 0)
    top, left = beyond[random.integers(len(beyond))] - random.integers(0, word.shape)
    y, x = max(top, 0), max(left, 0)
    target = desk[y : max(y, top + word.shape[0]), x : max(x, left + word.shape[1])]
    part = word[y - top :, x - left :][: target.shape[0], : target.shape[1]]
    target += np.where(target >= 0, np.float32(contrast) * part, np.float32(0))
    np.maximum(target, 0, out=target, where=target > -1)


def _edge(
    scene: Scene, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], random: Random
) -> npt.NDArray[np.float32] | None:
    """Return each pixel's distance to an edge that no character crosses, negative beyond it."""
    h, w = scene.shape
    for _ in range(ATTEMPTS):
        side = int(random.integers(4))
        angle = math.radians(90 * side + random.normal(0, 6))
        normal = (math.cos(angle), math.sin(angle))
        extent = abs(normal[0]) * w / 2 + abs(normal[1]) * h / 2
        offset = extent * (1 - random.uniform(0.05, 0.7))

        def inside(
            x: float, y: float, normal: tuple[float, float] = normal, offset: float = offset
        ) -> float:
            return offset - normal[0] * (x - w / 2) - normal[1] * (y - h / 2)

        corners = [(bx, by) for box in scene.occupied for bx in box[::2] for by in box[1::2]]
        if all(inside(*corner) > DESK_MARGIN_PX for corner in corners):
            return (offset - normal[0] * (x - w / 2) - normal[1] * (y - h / 2)).astype(np.float32)
    return None


def desk_levels(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], level: float, random: Random
) -> npt.NDArray[np.float32]:
    """Return the grey levels of a desk about a level: plain, wood with its grain, or woven.

    x and y are the positions float32[h, w] of the pixels.
    """
    levels = np.full(x.shape, np.float32(level))
    kind = random.random()
    if kind < WOVEN_SHARE:
        wave, slope = random.uniform(0.8, 2.5), random.normal(0, 0.3)
        threads = np.sin((x + slope * y) / wave) * np.sin((y - slope * x) / wave)
        levels += np.float32(random.uniform(5, 50)) * threads.astype(np.float32)
    elif kind < WOVEN_SHARE + WOODEN_SHARE:
        angle, wave = random.uniform(0, math.pi), random.uniform(2, 9)
        across = math.cos(angle) * x + math.sin(angle) * y
        coarse = random.normal(0, 1, (4, 7)).astype(np.float32)
        warp = cv2.resize(coarse, x.shape[::-1], interpolation=cv2.INTER_CUBIC)
        grain = np.sin(across / np.float32(wave) + 2 * warp) + np.float32(0.6) * warp
        levels += np.float32(random.uniform(2, 18)) * grain
    return levels.clip(0, 255)


def add_fold(scene: Scene, random: Random) -> None:
    """Fold the paper: a straight line, dark on one side and bright on the other."""
    h, w = scene.shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    angle = random.uniform(0, math.pi)
    across = math.cos(angle) * (x - random.uniform(0, w)) + math.sin(angle) * (
        y - random.uniform(0, h)
    )
    width, depth = random.uniform(0.8, 4), random.uniform(0.04, 0.22)
    profile = (
        np.exp(-((across / width) ** 2)) * np.sign(across)
        if bernoulli(random, 0.6)
        else (-np.exp(-((across / width) ** 2)))
    )
    step = np.float32(random.uniform(0, 0.08)) * (across > 0)
    fold = (1 + depth * profile - step).astype(np.float32)
    scene.fold = fold if scene.fold is None else scene.fold * fold
