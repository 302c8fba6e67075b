"""From the pixels of any picture to its foreground: paper exactly 0, the darkest strokes 1.

Nothing is binarised: a stroke keeps its soft edge. `subtract_background` finds what stands out from
the paper, and `stretch_levels` sets the two ends.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Pixels

T = TypeVar("T", np.uint8, np.float32)

_MAX_GREY = 255
_UNIT_LEVELS = np.arange(256, dtype=np.float32) / np.float32(_MAX_GREY)


@dataclass(frozen=True, kw_only=True)
class ForegroundConfig:
    """Sizes and thresholds of background subtraction and level stretching.

    Contrast is the share of the paper's brightness by which a pixel differs from the paper.
    """

    max_side_px: int = 1600  # larger pictures are scaled down, which also averages noise out
    background_side_px: int = 128  # shading is slow, so a small copy shows it
    min_share_of_flat_paper: float = 0.25  # pixels of one grey, in drawings and clean scans
    min_paper_brightness: float = 0.2
    min_contrast: float = 0.06
    min_contrast_of_noise: float = 5.0  # in standard deviations
    min_contrast_of_paper_spread: float = 1.5
    paper_spread_deviations: float = 4.0  # in median absolute deviations
    max_paper_level_of_stroke: float = 0.45
    stroke_quantile: float = 0.9
    min_noise_side_px: int = 36  # smaller pictures have strokes nearly everywhere


CONFIG = ForegroundConfig()


def find_foreground(picture: Pixels) -> Floats:
    """Find the foreground float32[h, w] of uint8[h, w] or uint8[h, w, 3]."""
    return stretch_levels(subtract_background(picture))


def to_grey(pixels: Pixels) -> Pixels:
    """Return grey levels uint8[h, w] of a picture uint8[h, w] or uint8[h, w, 3]."""
    if pixels.ndim == 2:  # noqa: PLR2004
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def downscale(
    picture: npt.NDArray[T], max_side: int = CONFIG.max_side_px
) -> tuple[npt.NDArray[T], float]:
    """Scale a picture down until its longer side is `max_side` pixels; return it and the factor."""
    factor = min(1.0, max_side / max(picture.shape[:2]))
    return resize(picture, factor), factor


def resize(picture: npt.NDArray[T], scale: float) -> npt.NDArray[T]:
    """Return the picture in another size, of at least one pixel."""
    if scale == 1:
        return picture
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), picture.dtype)


def subtract_background(picture: Pixels) -> Floats:
    """Return the contrast of each pixel to the paper around it, float32[h, w] in [0, 1].

    Only differences in the direction of the strokes count, darker or lighter than the paper. In
    colour pictures it is the root mean square over the channels.
    """
    flat = _has_flat_paper(picture)
    channels, grey = _to_unit(picture)
    if is_foreground_light(grey, flat=flat):
        channels, grey = _to_unit(255 - picture)
    paper = _flat_paper_level(grey) if flat else None
    if channels.shape[2] == 1:
        return _contrast(grey, _shaded_paper(grey) if paper is None else paper)
    is_paper = None if paper is None else np.abs(grey - paper) < 1 / _MAX_GREY
    contrasts = np.empty_like(channels)
    for index in range(channels.shape[2]):
        channel = channels[..., index]
        level = _shaded_paper(channel) if is_paper is None else _most_common(channel[is_paper])
        contrasts[..., index] = _contrast(channel, level)
    root_mean_square: Floats = np.sqrt(np.square(contrasts).mean(axis=2))
    return root_mean_square


def _contrast(channel: Floats, paper: Floats | float) -> Floats:
    brightness: Floats = np.asarray(paper, np.float32)
    least = np.float32(CONFIG.min_paper_brightness)
    contrast: Floats = np.maximum(brightness - channel, 0) / np.maximum(brightness, least)
    return contrast


def is_foreground_light(grey: Floats, *, flat: bool) -> bool:
    """Return whether strokes are lighter than the paper.

    Strokes are the minority. On flat paper light pixels are counted; the border and the corners,
    where digits seldom are, count as much as the whole picture. On shaded paper the side decides
    on which pixels lie far from the median of their surroundings.
    """
    h, w = grey.shape
    if not flat:
        small, k = _small_copy(grey)
        away = small - _median(small, 2 * k + 1)
        return float(np.mean(away * away * away)) > 0  # pow() of negative numbers is slow
    light = grey > _otsu(grey)[0]
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    k = max(1, min(h, w) // 8)
    corners = np.concatenate([light[:k, :k], light[:k, -k:], light[-k:, :k], light[-k:, -k:]])
    parts = (light, border, corners)
    return bool(sum(np.count_nonzero(part) / part.size for part in parts) < len(parts) / 2)


def stretch_levels(contrast: Floats) -> Floats:
    """Stretch contrast until paper and its noise are 0 and the body of a stroke is 1.

    All is 0 where nothing stands out from the noise.
    """
    threshold, counts = _otsu(contrast)
    split = int(threshold * _MAX_GREY) + 1
    if not counts[split:].any():
        return np.zeros_like(contrast)
    high = split / _MAX_GREY + _quantile(counts[split:], CONFIG.stroke_quantile)
    paper = _quantile(counts[:split], 0.5)
    deviations = np.abs(np.arange(split) - round(paper * _MAX_GREY))
    median_deviation = _quantile(np.bincount(deviations, weights=counts[:split]), 0.5)
    spread = paper + CONFIG.paper_spread_deviations * median_deviation
    visible = paper + CONFIG.min_contrast_of_noise * noise_deviation(contrast)
    if high < max(CONFIG.min_contrast, CONFIG.min_contrast_of_paper_spread * spread, visible):
        return np.zeros_like(contrast)
    low = min(spread, CONFIG.max_paper_level_of_stroke * high)
    stretched: Floats = ((contrast - low) / (high - low)).clip(0, 1)
    return stretched


def noise_deviation(contrast: Floats) -> float:
    """Return the standard deviation of the paper's noise, in spite of strokes.

    Source: Immerkær (1996). A second difference in both directions ignores slow shading. Its
    pixels are up to 3 apart, so that blurred noise is independent. Half of the pixels have no
    stroke nearby; in a small picture they do, and its noise counts as 0.
    """
    if min(contrast.shape) < CONFIG.min_noise_side_px:
        return 0.0
    k = min(max(1, min(contrast.shape) // 16), 3)
    kernel = np.zeros((2 * k + 1, 2 * k + 1), np.float32)
    kernel[::k, ::k] = np.outer([1, -2, 1], [1, -2, 1])
    differences = np.abs(cv2.filter2D(contrast, cv2.CV_32F, kernel))
    # 0.6745 is the median of a normal's absolute value; the kernel's squared weights sum to 6².
    return float(np.median(differences)) / (6 * 0.6745)


def _to_unit(picture: Pixels) -> tuple[Floats, Floats]:
    """Return the channels float32[h, w, c] in [0, 1], and their mean; equal greys stay equal."""
    channels = _UNIT_LEVELS[picture]
    if channels.ndim == 2:  # noqa: PLR2004
        return channels[..., None], channels
    return channels, np.asarray(channels.mean(axis=2), np.float32)


def _has_flat_paper(picture: Pixels) -> bool:
    """Return whether paper has the same grey everywhere, as in drawings and clean scans."""
    grey = picture if picture.ndim == 2 else picture[..., 1]  # noqa: PLR2004
    counts = np.bincount(grey.ravel(), minlength=256)
    return bool(counts.max() >= CONFIG.min_share_of_flat_paper * grey.size)


def _flat_paper_level(grey: Floats) -> float:
    """Return the most common brightness above that of the strokes."""
    threshold, counts = _otsu(grey)
    split = int(threshold * _MAX_GREY) + 1
    above = counts[split:]
    return (split + int(above.argmax())) / _MAX_GREY if above.any() else float(grey.max())


def _most_common(values: Floats) -> float:
    """Return the most common of the 256 greys, as a float in [0, 1]."""
    return int(np.bincount(np.rint(values * _MAX_GREY).astype(np.uint8)).argmax()) / _MAX_GREY


def _shaded_paper(channel: Floats) -> Floats:
    """Estimate the paper's brightness under the strokes, float32[h, w].

    A closing wider than strokes fills them, a median and a blur smooth the result.
    """
    h, w = channel.shape
    small, k = _small_copy(channel)
    # Light that fades towards an edge continues to fade beyond it.
    border = min(k, min(small.shape) - 1)
    padded = np.pad(small, border, mode="reflect", reflect_type="odd")
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((k, k), np.uint8))
    # A median, unlike a mean, leaves the edge of a shadow where it is.
    smooth = cv2.GaussianBlur(_median(np.asarray(closed, np.float32), k), (0, 0), 1)
    inner = smooth[border : border + small.shape[0], border : border + small.shape[1]]
    return np.asarray(cv2.resize(inner, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)


def _small_copy(channel: Floats) -> tuple[Floats, int]:
    """Return a small copy without noise, and an odd number of its pixels wider than any stroke."""
    small = cv2.medianBlur(downscale(channel, CONFIG.background_side_px)[0], 3)
    # A row of digits is much longer than a digit is high.
    wider_than_strokes = min(max(small.shape) / 5, min(small.shape) / 2.5)
    return np.asarray(small, np.float32), max(3, round(wider_than_strokes) | 1)


def _median(channel: Floats, k: int) -> Floats:
    """Return the median of the k x k pixels around each pixel, rounded to one of 256 greys."""
    median: Floats = _UNIT_LEVELS[cv2.medianBlur(_to_bytes(channel), k)]
    return median


def _to_bytes(channel: Floats) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(channel, alpha=_MAX_GREY), np.uint8)


def _otsu(channel: Floats) -> tuple[float, npt.NDArray[np.int64]]:
    """Return the threshold of Otsu (1979) in [0, 1], and the counts of the 256 greys."""
    greys = _to_bytes(channel)
    level, _ = cv2.threshold(greys, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (float(level) + 0.5) / _MAX_GREY, np.bincount(greys.ravel(), minlength=256)


def _quantile(counts: npt.NDArray[Any], share: float) -> float:
    """Return the level, relative to the first, below which `share` of the counted pixels lie."""
    total = counts.cumsum()
    return float(total.searchsorted(share * total[-1])) / _MAX_GREY
