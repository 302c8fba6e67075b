"""From what is drawn to the grey levels of a camera, a scanner or a screen.

Faster than `camera`, for small crops: paper, desk, light, blur, coarse pixels, noise and JPEG, each
present or not.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.rendering.glyph_raster import blur
from tenfold.rendering.sampling import Random, bernoulli, log_uniform, weighted_choice
from tenfold.rendering.scene import Label, Scene

Levels = npt.NDArray[np.float32]

# Grey levels between the faintest labelled pen and the paper, in the darkest shadow.
MIN_CONTRAST = 20.0
NOISE_SIDE_PX = 1024
# Width of a pen, in heights of a digit.
TYPICAL_STROKE = 0.08
LEAST_BLUR_PX = 0.2
MAX_NOISE_SHARE, MAX_TEXTURE_SHARE = 0.22, 0.1


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How a crop looks.

    Args:
        paper: grey level of blank paper in full light.
        black: grey level of what takes all light away.
        texture: standard deviation of the paper's texture, grey levels.
        darkest: share of the light that arrives in the darkest corner.
        shadow: whether the light has an edge.
        glare: grey levels that a reflection adds at most.
        grain: share of the pens' darkness that varies.
        blur_px: standard deviation of the lens's blur.
        coarse: side of a coarse pixel; 1 for none.
        noise: standard deviation of the noise, grey levels.
        noise_px: standard deviation of the blur of that noise; 0 for none.
        jpeg_quality: None for no JPEG.
        negative: whether light ink is on dark ground.
    """

    paper: float
    black: float
    texture: float = 0.0
    darkest: float = 1.0
    shadow: bool = False
    glare: float = 0.0
    grain: float = 0.0
    blur_px: float = 0.0
    coarse: float = 1.0
    noise: float = 0.0
    noise_px: float = 0.0
    jpeg_quality: int | None = None
    negative: bool = False


def sample_exposure(scene: Scene, height_px: float, random: Random) -> Exposure:
    """Draw how a crop looks, so that its faintest labelled pen can be seen.

    Args:
        scene: what is drawn.
        height_px: height of the digits: smaller ones are blurred less.
        random: source of the draws.
    """
    if bernoulli(random, 0.12):
        return _sample_screen(height_px, random)
    photographed = bernoulli(random, 0.6)
    paper = random.uniform(120, 250) if photographed else random.uniform(205, 255)
    darkest = random.uniform(0.45, 1) if photographed and bernoulli(random, 0.6) else 1.0
    share = random.uniform(0.2, 0.6) if bernoulli(random, 0.22) else random.uniform(0.6, 0.98)
    blur_px = _sample_blur(height_px, random)
    # A blur spreads a stroke over more pixels.
    spread = 1 + 2 * blur_px / (TYPICAL_STROKE * height_px)
    visible = scene.faintest / spread
    darkest = max(darkest, min(1.0, MIN_CONTRAST / (visible * paper)))
    least = MIN_CONTRAST / (visible * darkest)
    contrast = min(max(paper * share, least), paper)
    noisy = random.uniform(0, 0.14) if bernoulli(random, 0.14) else random.uniform(0, 0.04)
    faintest = contrast * visible * darkest
    return Exposure(
        paper=paper,
        black=paper - contrast,
        texture=min(_sample_texture(random), MAX_TEXTURE_SHARE * faintest),
        darkest=darkest,
        shadow=bernoulli(random, 0.3),
        glare=255 - paper + 0.3 * faintest if photographed and bernoulli(random, 0.08) else 0.0,
        grain=random.uniform(0.1, 0.5) if bernoulli(random, 0.35) else 0.0,
        blur_px=blur_px,
        coarse=_sample_coarse(height_px, random) if bernoulli(random, 0.12) else 1.0,
        noise=min(noisy * contrast, MAX_NOISE_SHARE * faintest),
        noise_px=random.uniform(0.6, 1.2) if bernoulli(random, 0.4) else 0.0,
        jpeg_quality=int(random.integers(20, 90)) if bernoulli(random, 0.3) else None,
        negative=bernoulli(random, 0.03),
    )


def _sample_screen(height_px: float, random: Random) -> Exposure:
    """Draw the flat levels of a drawing program; some are enlarged, some are light on dark."""
    white = random.uniform(235, 255)
    return Exposure(
        paper=white,
        black=random.uniform(0, 60),
        coarse=_sample_coarse(height_px, random) if bernoulli(random, 0.4) else 1.0,
        jpeg_quality=int(random.integers(60, 95)) if bernoulli(random, 0.25) else None,
        negative=bernoulli(random, 0.2),
    )


def _sample_texture(random: Random) -> float:
    """Draw the texture of smooth or of rough paper, grey levels."""
    return random.uniform(0, 20 if bernoulli(random, 0.12) else 4)


def _sample_blur(height_px: float, random: Random) -> float:
    if bernoulli(random, 0.35):
        return 0.0
    strongest = weighted_choice(random, ((0.032, 0.5), (0.055, 0.2), (0.15, 0.3)))
    return max(0.0, random.uniform(0.008, strongest) * height_px)


def _sample_coarse(height_px: float, random: Random) -> float:
    """Draw a size of coarse pixels that leaves a digit at least 9 of them."""
    return max(1.0, log_uniform(random, (1.2, max(1.3, height_px / 9))))


def expose(scene: Scene, exposure: Exposure, random: Random) -> Pixels:
    """Return the picture of a scene: uint8[h, w]."""
    levels = _reflected(scene, exposure, random)
    if exposure.glare:
        levels += exposure.glare * _spot(scene.shape, random)
    if exposure.blur_px > LEAST_BLUR_PX:
        levels = blur(levels, exposure.blur_px)
    if exposure.coarse > 1:
        levels = _coarsen(levels, exposure.coarse, random)
    if exposure.noise:
        levels += exposure.noise * _noise(scene.shape, exposure.noise_px, random)
    pixels: Pixels = np.rint(levels.clip(0, 255)).astype(np.uint8)
    if exposure.negative:
        pixels = np.uint8(255) - pixels
    if exposure.jpeg_quality is not None:
        pixels = _compress(pixels, exposure.jpeg_quality)
    return pixels


def _reflected(scene: Scene, exposure: Exposure, random: Random) -> Levels:
    """Return the light that the page and the desk reflect."""
    absorption = scene.absorption()
    if exposure.grain:
        grains = _noise(scene.shape, random.uniform(0.5, 1.2), random)
        absorption *= (1 - exposure.grain * (0.4 + 0.5 * grains)).clip(0.3, 1)
    levels: Levels = exposure.paper - (exposure.paper - exposure.black) * absorption
    if scene.desk is not None:
        levels = np.where(scene.desk >= 0, scene.desk, levels)
    if exposure.texture:
        levels += exposure.texture * _noise(scene.shape, random.uniform(0.8, 4), random)
    if exposure.darkest < 1:
        levels *= _light(scene.shape, exposure, random)
    if scene.fold is not None:
        levels *= scene.fold
    return levels


@functools.lru_cache(maxsize=2)
def _noise_field(down: int, across: int) -> Levels:
    shape = (NOISE_SIDE_PX, NOISE_SIDE_PX)
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    return np.tile(noise, (down, across))


def _noise(shape: tuple[int, int], blur_px: float, random: Random) -> Levels:
    """Cut noise of about unit variance out of a field that repeats: float32[h, w].

    Drawing noise anew for each crop would take longer than the rest of its exposure.
    """
    h, w = shape
    field = _noise_field(h // NOISE_SIDE_PX + 1, w // NOISE_SIDE_PX + 1)
    top, left = random.integers(field.shape[0] - h), random.integers(field.shape[1] - w)
    noise = field[top : top + h, left : left + w]
    if blur_px:
        # A Gaussian blur of white noise divides its deviation by 2 √π sigma.
        noise = blur(noise, blur_px) * np.float32(max(1.0, 2 * math.sqrt(math.pi) * blur_px))
    return noise


def _light(shape: tuple[int, int], exposure: Exposure, random: Random) -> Levels:
    """Return the share of the light at each pixel: a slope, smooth patches, or a shadow's edge."""
    h, w = shape
    if exposure.shadow:
        y, x = np.mgrid[:h, :w].astype(np.float32)
        angle = random.uniform(0, 2 * math.pi)
        across = math.cos(angle) * (x - random.uniform(0, w)) + math.sin(angle) * (
            y - random.uniform(0, h)
        )
        softness = log_uniform(random, (1.5, 40))
        lit = 0.5 + across / np.float32(2 * softness)
        light: Levels = np.float32(exposure.darkest) + np.float32(1 - exposure.darkest) * lit.clip(
            0, 1
        )
        return light
    count = (int(random.integers(2, 4)), int(random.integers(2, 5)))
    coarse = random.uniform(exposure.darkest, 1, count).astype(np.float32)
    smooth = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    return smooth.clip(exposure.darkest, 1).astype(np.float32)


def _spot(shape: tuple[int, int], random: Random) -> Levels:
    """Return a bright spot, 0 … 1."""
    h, w = shape
    y, x = np.ogrid[:h, :w]
    across, down = log_uniform(random, (15, 80)), log_uniform(random, (10, 50))
    left, top = random.uniform(0, w), random.uniform(0, h)
    return np.exp(-(((x - left) / across) ** 2) - ((y - top) / down) ** 2).astype(np.float32)


def _coarsen(levels: Levels, side: float, random: Random) -> Levels:
    """Scale down and up again, as a small canvas that is shown large."""
    h, w = levels.shape
    size = (max(1, round(w / side)), max(1, round(h / side)))
    small = cv2.resize(levels, size, interpolation=cv2.INTER_AREA)
    back = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(random.integers(3))]
    return cv2.resize(small, (w, h), interpolation=back).astype(np.float32, copy=False)


def _compress(pixels: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def add_border(pixels: Pixels, labels: Sequence[Label], random: Random) -> None:
    """Paint a border in place, as around a small picture: white, black, or the paper's level.

    It leaves out a rectangle around all labelled characters.
    """
    h, w = pixels.shape
    boxes = np.array([(x - a / 2, y - b / 2, x + a / 2, y + b / 2) for _, x, y, a, b, _ in labels])
    left, top = boxes[:, :2].min(axis=0) if len(boxes) else (w / 2, h / 2)
    right, bottom = boxes[:, 2:].max(axis=0) if len(boxes) else (w / 2, h / 2)
    level = (0, 255, int(np.median(pixels)))[random.integers(3)]
    # Half of the borders are narrow: characters are seldom near the edge of a picture.
    shares = random.uniform(0, 1, 4) ** (2 if bernoulli(random, 0.5) else 0.7)
    near = np.maximum([left, top, w - right, h - bottom], 0)
    widths = np.floor(shares * np.maximum(near - 1, 0)).astype(int)
    pixels[:, : widths[0]] = level
    pixels[: widths[1]] = level
    pixels[:, w - widths[2] :] = level
    pixels[h - widths[3] :] = level


def plain_exposure(random: Random, height_px: float) -> Exposure:
    """Draw how a good photograph or scan looks."""
    paper = random.uniform(170, 250)
    return Exposure(
        paper=paper,
        black=paper * random.uniform(0.05, 0.4),
        texture=random.uniform(0, 2.5),
        darkest=random.uniform(0.65, 1),
        shadow=bernoulli(random, 0.3),
        blur_px=random.uniform(0, 0.03) * height_px,
        noise=random.uniform(0, 4),
        jpeg_quality=int(random.integers(50, 95)) if bernoulli(random, 0.5) else None,
    )
