"""From the pixels of any picture to its ink: paper exactly 0, the darkest strokes 1.

Nothing is binarised: a stroke keeps its soft edge. Steps, each a function of its own:
`subtract_background` finds what stands out from the paper and in which direction, `stretch_levels`
sets the two ends; `line_removal.py` finds printed lines and removes them.
"""

from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.line_removal import SMALLEST, Counts, Floats, find_lines, remove_lines

MAX_SIDE_PX = 1600  # pixels: larger pictures are scaled down first, which also averages noise out

T = TypeVar("T", np.uint8, np.float32)
Pixels = npt.NDArray[np.uint8]

_GREYS = 255
_UNIT = np.arange(256, dtype=np.float32) / np.float32(_GREYS)  # of each grey
_COPY = 128  # pixels: paper changes slowly, and is looked at on a small copy

_FLAT = 0.25  # share of pixels of one and the same grey that makes a paper flat
_FAINTEST = 0.06  # of full contrast: fainter ink is none
_VISIBLE = 5.0  # standard deviations of noise: fainter ink is none


class ForegroundSteps(NamedTuple):
    """Foreground and the steps to it, all float32[h, w]."""

    subtracted: Floats
    stretched: Floats
    foreground: Floats


def find_foreground(picture: Pixels) -> ForegroundSteps:
    """Find the ink in uint8[h, w] or uint8[h, w, 3].

    Returns:
        contrast, the same between the two ends, and that without printed lines; in [0, 1].
    """
    found = subtract_background(picture)
    levelled = stretch_levels(found)
    return ForegroundSteps(found, levelled, remove_lines(levelled, find_lines(levelled)))


def downscale(picture: npt.NDArray[T], longest: int = MAX_SIDE_PX) -> tuple[npt.NDArray[T], float]:
    """Scale a picture down until its longer side is `longest`; return it and the factor."""
    factor = min(1.0, longest / max(picture.shape[:2]))
    if factor == 1:
        return picture, 1.0
    size = tuple(max(1, round(side * factor)) for side in picture.shape[1::-1])
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, picture.dtype), factor


def subtract_background(picture: Pixels) -> Floats:
    """Return how far each pixel is from the paper around it, 0 … 1, in the direction of the ink."""
    flat = _is_flat(picture)
    planes, grey = _planes(picture)
    if is_foreground_light(grey, flat=flat):
        planes, grey = _planes(255 - picture)
    common = _flat_paper(grey) if flat else None
    if planes.shape[2] == 1:
        return _away(grey, _shaded_paper(grey) if common is None else common)
    bare = None if common is None else np.abs(grey - common) < 1 / _GREYS
    away = np.empty_like(planes)
    for channel in range(planes.shape[2]):
        plane = planes[..., channel]
        paper = _shaded_paper(plane) if bare is None else _commonest(plane[bare])
        away[..., channel] = _away(plane, paper)
    strongest: Floats = np.sqrt(np.square(away).mean(axis=2))
    return strongest


def _away(plane: Floats, paper: Floats | float) -> Floats:
    """Return by what share of the paper's brightness a channel is darker than the paper."""
    bright: Floats = np.asarray(paper, np.float32)
    darker: Floats = np.maximum(bright - plane, 0) / np.maximum(bright, np.float32(0.2))
    return darker


def is_foreground_light(grey: Floats, *, flat: bool) -> bool:
    """Whether the ink is lighter than the paper.

    Ink is the minority. On flat paper that is counted, with the border and the corners, where
    digits seldom are, counting as much as all the rest. On shaded paper the side decides on which
    pixels lie far from the median of what is around them.
    """
    h, w = grey.shape
    if not flat:
        small, k = _shrunk(grey)
        away = small - _median(small, 2 * k + 1)
        return float(np.mean(away * away * away)) > 0  # pow() of negative numbers is slow
    light = grey > _otsu(grey)[0]
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    k = max(1, min(h, w) // 8)
    corners = np.concatenate([light[:k, :k], light[:k, -k:], light[-k:, :k], light[-k:, -k:]])
    shares = [np.count_nonzero(part) / part.size for part in (light, border, corners)]
    return bool(sum(shares) < 1.5)  # noqa: PLR2004 - half of three


def stretch_levels(found: Floats) -> Floats:
    """Stretch contrast so that paper and its noise are 0 and the body of the ink is 1.

    All 0 where nothing stands out.
    """
    middle, counts = _otsu(found)
    split = int(middle * _GREYS) + 1
    if not counts[split:].any():
        return np.zeros_like(found)
    high = split / _GREYS + _quantile(counts[split:], 0.9)
    paper = _quantile(counts[:split], 0.5)
    away = np.abs(np.arange(split) - round(paper * _GREYS))
    noise = paper + 4 * _quantile(np.bincount(away, weights=counts[:split]), 0.5)
    if high < max(_FAINTEST, 1.5 * noise, paper + _VISIBLE * noise_deviation(found)):
        return np.zeros_like(found)
    low = min(noise, 0.45 * high)
    stretched: Floats = ((found - low) / (high - low)).clip(0, 1)
    return stretched


def noise_deviation(found: Floats) -> float:
    """Return the standard deviation of the paper's noise, in spite of strokes (Immerkær 1996).

    A second difference both ways knows nothing of slow shading. Its pixels are a few apart, where
    noise that has been blurred is new; half of them have no stroke near. In a small picture most
    have, and its noise counts as 0.
    """
    if min(found.shape) < SMALLEST:
        return 0.0
    k = min(max(1, min(found.shape) // 16), 3)
    kernel = np.zeros((2 * k + 1, 2 * k + 1), np.float32)
    kernel[::k, ::k] = np.outer([1, -2, 1], [1, -2, 1])
    differences = np.abs(cv2.filter2D(found, cv2.CV_32F, kernel))
    return float(np.median(differences)) / (6 * 0.6745)  # 6²: the sum of the squared weights


def _planes(picture: Pixels) -> tuple[Floats, Floats]:
    """Return the channels float32[h, w, c] in [0, 1], and their mean; equal greys stay equal."""
    planes = _UNIT[picture]
    if planes.ndim == 2:  # noqa: PLR2004
        return planes[..., None], planes
    return planes, np.asarray(planes.mean(axis=2), np.float32)


def _is_flat(picture: Pixels) -> bool:
    """Whether the paper is one and the same grey all over, as in drawings and clean scans."""
    grey = picture if picture.ndim == 2 else picture[..., 1]  # noqa: PLR2004
    counts = np.bincount(grey.ravel(), minlength=256)
    return bool(counts.max() >= _FLAT * grey.size)


def _flat_paper(plane: Floats) -> float:
    """Return the commonest brightness above the ink's."""
    middle, counts = _otsu(plane)
    split = int(middle * _GREYS) + 1
    above = counts[split:]
    return (split + int(above.argmax())) / _GREYS if above.any() else float(plane.max())


def _commonest(values: Floats) -> float:
    """Return the commonest of the 256 greys."""
    return int(np.bincount(np.rint(values * _GREYS).astype(np.uint8)).argmax()) / _GREYS


def _shaded_paper(plane: Floats) -> Floats:
    """Estimate the paper's brightness under the ink: closing, wider than strokes, then smoothing.

    Worked out on a small copy: paper changes slowly.
    """
    h, w = plane.shape
    small, k = _shrunk(plane)
    # Light that fades towards an edge goes on fading beyond it.
    reach = min(k, min(small.shape) - 1)
    wider = np.pad(small, reach, mode="reflect", reflect_type="odd")
    kernel = np.ones((k, k), np.uint8)
    closed = np.asarray(cv2.morphologyEx(wider, cv2.MORPH_CLOSE, kernel), np.float32)
    # A median, unlike a mean, leaves the edge of a shadow where it is.
    calm = cv2.GaussianBlur(_median(closed, k), (0, 0), 1)
    smooth = calm[reach : reach + small.shape[0], reach : reach + small.shape[1]]
    paper: Floats = np.asarray(cv2.resize(smooth, (w, h), interpolation=cv2.INTER_LINEAR))
    return paper


def _shrunk(plane: Floats) -> tuple[Floats, int]:
    """Return a small copy without its noise, and an odd number of its pixels wider than strokes."""
    small = cv2.medianBlur(downscale(plane, _COPY)[0], 3)
    wider = min(
        max(small.shape) / 5, min(small.shape) / 2.5
    )  # than strokes; a number is much longer than high
    return np.asarray(small, np.float32), max(3, round(wider) | 1)


def _median(plane: Floats, k: int) -> Floats:
    """Return the median of the k × k pixels around each, in steps of a grey."""
    calm: Floats = _UNIT[cv2.medianBlur(_greys(plane), k)]
    return calm


def _greys(plane: Floats) -> Pixels:
    """Return the nearest of the 256 greys."""
    return np.asarray(cv2.convertScaleAbs(plane, alpha=_GREYS), np.uint8)


def _otsu(plane: Floats) -> tuple[float, Counts]:
    """Return the threshold between two classes that are each most alike (Otsu 1979).

    And how often each of the 256 greys occurs.
    """
    scaled = _greys(plane)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (float(level) + 0.5) / _GREYS, np.bincount(scaled.ravel(), minlength=256)


def _quantile(counts: npt.NDArray[Any], share: float) -> float:
    """Return the grey, 0 … 1 from the first, below which `share` of the counted pixels lie."""
    total = counts.cumsum()
    return float(total.searchsorted(share * total[-1])) / _GREYS
