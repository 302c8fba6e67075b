"""From the pixels of any picture to its ink: paper exactly 0, the darkest strokes 1.

Nothing is binarised: a stroke keeps its soft edge. Steps, each a function of its own: `contrast`
finds what stands out from the paper and in which direction, `levels` sets the two ends, `lines`
finds printed lines, `without` takes them out and mends the strokes that cross them.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

WORKING_SIDE = 1600  # pixels: larger pictures are scaled down first, which also averages noise out

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]

_FLAT = 0.25  # share of pixels of one and the same grey that makes a paper flat
_FAINTEST = 0.06  # of full contrast: fainter ink is none
_LINE = 0.15  # of the ink's darkness: printed lines may be faint
_DARKER = 0.25  # than a line: a stroke on top of it
_SMALLEST = 36  # pixels: in smaller pictures a stroke can be as long and thin as a line
_STEEPEST = 0.26  # radians that a line may be off level: 15 degrees
_STEP = 0.01
_MOST_SLOPES = 12
_PARTS = 12  # of the width, looked at apart


class Found(NamedTuple):
    """Ink and the steps to it, all float32[h, w]."""

    contrast: Floats
    levelled: Floats
    ink: Floats


def find_ink(picture: Pixels) -> Found:
    """Find the ink in uint8[h, w] or uint8[h, w, 3].

    Returns:
        contrast, the same between the two ends, and that without printed lines; in [0, 1].
    """
    found = contrast(picture)
    levelled = levels(found)
    return Found(found, levelled, without(levelled, lines(levelled)))


def fit(picture: Pixels) -> tuple[Pixels, float]:
    """Scale a large picture down to `WORKING_SIDE`; return it and the factor."""
    factor = min(1.0, WORKING_SIDE / max(picture.shape[:2]))
    if factor == 1:
        return picture, 1.0
    size = tuple(max(1, round(side * factor)) for side in picture.shape[1::-1])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), factor


def contrast(picture: Pixels) -> Floats:
    """Return how far each pixel is from the paper around it, 0 … 1, in the direction of the ink."""
    planes = np.atleast_3d(picture).astype(np.float32) / 255
    flat = _is_flat(picture)
    if light_ink(planes.mean(axis=2), flat=flat):
        planes = 1 - planes
    away = np.empty_like(planes)
    for channel in range(planes.shape[2]):
        plane = planes[..., channel]
        paper = _flat_paper(plane) if flat else _shaded_paper(plane)
        away[..., channel] = (paper - plane).clip(0) / np.maximum(paper, 0.2)
    strongest: Floats = np.sqrt(np.square(away).mean(axis=2))
    return strongest


def light_ink(grey: Floats, *, flat: bool) -> bool:
    """Whether the ink is lighter than the paper.

    Ink is the minority. On flat paper that is counted, with the border and the corners, where
    digits seldom are, counting as much as all the rest; else the side of the paper's own light on
    which the far-off pixels lie decides.
    """
    h, w = grey.shape
    if not flat:
        away = grey - cv2.GaussianBlur(grey, (0, 0), max(h, w) / 6)
        return float(np.mean((away - np.median(away)) ** 3)) > 0
    light = (grey > _otsu(grey)).astype(np.float32)
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]]).mean()
    k = max(1, min(h, w) // 8)
    corners = np.mean([light[:k, :k], light[:k, -k:], light[-k:, :k], light[-k:, -k:]])
    return bool(light.mean() + border + corners < 1.5)  # noqa: PLR2004 - half of three shares


def levels(found: Floats) -> Floats:
    """Stretch contrast so that paper and its noise are 0 and the body of the ink is 1.

    All 0 where nothing stands out.
    """
    middle = _otsu(found)
    body = found[found > middle]
    if body.size == 0:
        return np.zeros_like(found)
    rest = found[found <= middle]
    high = float(np.quantile(body, 0.9))
    paper = float(np.median(rest))
    noise = paper + 4 * float(np.median(np.abs(rest - paper)))
    if high < max(_FAINTEST, 1.5 * noise):
        return np.zeros_like(found)
    low = min(noise, 0.45 * high)
    stretched: Floats = ((found - low) / (high - low)).clip(0, 1)
    return stretched


def lines(ink: Floats) -> Mask:
    """Return a mask of printed lines: straight, thin, from one edge of the picture to the other."""
    found = _level_lines(ink)
    return np.maximum(found, _level_lines(np.ascontiguousarray(ink.T)).T)


def without(ink: Floats, mask: Mask) -> Floats:
    """Take lines out of ink, but not the strokes that cross them.

    What is clearly darker than its line is a stroke, and so is what has ink on both sides.
    """
    if not mask.any():
        return ink
    printed = ink[(mask > 0) & (ink > _LINE)]
    level = float(np.median(printed)) + _DARKER if printed.size else 1.0
    kept = np.where((mask == 0) | (ink > level), ink, 0).astype(np.float32)
    inner = cv2.distanceTransform(mask, cv2.DIST_L1, 3)
    reach = 2 * int(np.ceil(float(inner.max()))) + 3
    mended = kept
    for shape in ((1, reach), (reach, 1)):
        closed = cv2.morphologyEx(kept, cv2.MORPH_CLOSE, np.ones(shape, np.uint8))
        mended = np.maximum(mended, np.where(mask > 0, np.minimum(closed, ink), 0))
    return mended.astype(np.float32)


def _level_lines(ink: Floats) -> Mask:
    """Find lines that are nearly level: rows, full of ink, of a picture that is sheared level."""
    h, w = ink.shape
    found = np.zeros((h, w), np.uint8)
    mask = ink > _LINE
    k = max(1, w // 32)
    if min(h, w) < _SMALLEST or not (mask[:, :k].any() and mask[:, -k:].any()):
        return found
    thickest = max(2, round(0.05 * min(h, w)))
    columns = np.arange(w)
    for slope in _slopes(mask.astype(np.uint8)):
        rows, inked = np.nonzero(mask & (found == 0))
        drop = np.rint((columns - w / 2) * slope).astype(int)
        margin = int(np.abs(drop).max())
        level = rows - drop[inked] + margin
        bins = (level * _PARTS) + inked * _PARTS // w
        shares = np.bincount(bins, minlength=(h + 2 * margin) * _PARTS).reshape(-1, _PARTS)
        full = shares / (w / _PARTS)
        # In most parts of the width there is a line, and in those at both edges.
        line = (np.median(full, axis=1) > 0.75) & (np.minimum(full[:, 0], full[:, -1]) > 0.5)  # noqa: PLR2004
        for start, end in _runs(line):
            if end - start > thickest:
                continue
            while start > 0 and np.median(full[start - 1]) > 0.2:  # noqa: PLR2004 - its soft edge
                start -= 1
            while end < len(full) and np.median(full[end]) > 0.2:  # noqa: PLR2004
                end += 1
            for row in range(start - 1 - margin, end + 1 - margin):
                place = row + drop
                inside = (place >= 0) & (place < h)
                found[place[inside], columns[inside]] = 1
    return found


def _slopes(mask: Mask) -> list[float]:
    """Return the slopes at which many inked pixels lie on one line, by the Hough transform."""
    level = np.pi / 2  # the angle of a level line's normal
    enough = int(0.6 * mask.shape[1])
    found = cv2.HoughLines(
        mask, 1, _STEP, enough, min_theta=level - _STEEPEST, max_theta=level + _STEEPEST
    )
    if found is None:
        return []
    angles = dict.fromkeys(float(theta) for theta in np.atleast_3d(found)[:, 0, 1])  # most first
    return [-np.cos(angle) / np.sin(angle) for angle in list(angles)[:_MOST_SLOPES]]


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where runs of True begin and end, the end exclusive."""
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(np.int8), 0]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _is_flat(picture: Pixels) -> bool:
    """Whether the paper is one and the same grey all over, as in drawings and clean scans."""
    grey = picture if picture.ndim == 2 else picture[..., 1]  # noqa: PLR2004
    counts = np.bincount(grey.ravel(), minlength=256)
    return bool(counts.max() >= _FLAT * grey.size)


def _flat_paper(plane: Floats) -> Floats:
    """Return the commonest brightness above the ink's."""
    above = plane[plane > _otsu(plane)]
    values, counts = np.unique(above if above.size else plane, return_counts=True)
    return values[counts.argmax()]


def _shaded_paper(plane: Floats) -> Floats:
    """Estimate the paper's brightness under the ink: closing, wider than strokes, then smoothing.

    Worked out on a small copy: paper changes slowly.
    """
    h, w = plane.shape
    factor = min(1.0, 128 / max(h, w))
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    small = cv2.medianBlur(small, 3)
    k = max(3, round(max(size) / 5) | 1)
    # Light that fades towards an edge goes on fading beyond it.
    reach = min(k, min(size) - 1)
    wider = np.pad(small, reach, mode="reflect", reflect_type="odd")
    closed = cv2.morphologyEx(wider, cv2.MORPH_CLOSE, np.ones((k, k), np.uint8))
    smooth = cv2.GaussianBlur(closed, (0, 0), k / 3)[reach:-reach, reach:-reach]
    paper: Floats = np.asarray(cv2.resize(smooth, (w, h), interpolation=cv2.INTER_LINEAR))
    return paper


def _otsu(plane: Floats) -> float:
    """Return the threshold between two classes that are each most alike (Otsu 1979)."""
    scaled = np.rint(plane * 255).clip(0, 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (float(level) + 0.5) / 255
