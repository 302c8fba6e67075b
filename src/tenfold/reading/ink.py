"""From the pixels of any picture to its ink: paper exactly 0, the darkest strokes 1.

Nothing is binarised: a stroke keeps its soft edge. Steps, each a function of its own: `contrast`
finds what stands out from the paper and in which direction, `levels` sets the two ends, `lines`
finds printed lines, `without` takes them out and mends the strokes that cross them.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

WORKING_SIDE = 1600  # pixels: larger pictures are scaled down first, which also averages noise out

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]

_GREYS = 255

_FLAT = 0.25  # share of pixels of one and the same grey that makes a paper flat
_FAINTEST = 0.06  # of full contrast: fainter ink is none
_VISIBLE = 5.0  # standard deviations of noise: fainter ink is none
_LINE = 0.15  # of the ink's darkness: printed lines may be faint
_BODY = 0.25  # ink that is more than a soft edge
_CLINGING = 0.8  # of a piece beside lines: it is their soft edge
_DARKER = 0.25  # than a line: a stroke on top of it
_BARE = 0.2  # of a line: so much at least is crossed by no stroke
_FEW = 3  # lines: with more of them, it is ruled paper
_AS_DARK = 0.7  # of the ink's darkness
_AS_THICK = 0.6  # of the strokes' width
_SMALLEST = 36  # pixels: in smaller pictures a stroke can be as long and thin as a line
_STEEPEST = 0.26  # radians that a line may be off level: 15 degrees
_STEP = 0.01
_MOST_SLOPES = 12
_SOFT = 0.2  # of a row inked: beyond a line's soft edge
_THIN = 0.2  # of a line's pixels: there no stroke crosses it
_PARTS = 12  # of the width, looked at apart
_CORNER_PARTS = 3  # of a line that leaves through a corner, at least


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
    planes = _planes(picture)
    channels = planes.shape[2]
    grey: Floats = planes[..., 0] if channels == 1 else np.asarray(planes.mean(axis=2), np.float32)
    flat = _is_flat(picture)
    if light_ink(grey, flat=flat):
        planes, grey = _planes(255 - picture), np.subtract(1, grey)
    bare = np.abs(grey - _flat_paper(grey)) < 1 / _GREYS if flat else None
    away = np.empty_like(planes)
    for channel in range(channels):
        plane = planes[..., channel]
        paper: Any = _shaded_paper(plane) if bare is None else _commonest(plane[bare])
        away[..., channel] = (paper - plane).clip(0) / np.maximum(paper, 0.2)
    if channels == 1:
        return away[..., 0]
    strongest: Floats = np.sqrt(np.square(away).mean(axis=2))
    return strongest


def light_ink(grey: Floats, *, flat: bool) -> bool:
    """Whether the ink is lighter than the paper.

    Ink is the minority. On flat paper that is counted, with the border and the corners, where
    digits seldom are, counting as much as all the rest. On shaded paper the side decides on which
    pixels lie far from the median of what is around them.
    """
    h, w = grey.shape
    if not flat:
        small, k = _shrunk(grey)
        away = small - _median(small, 2 * k + 1)
        return float(np.mean(away**3)) > 0
    light = (grey > _otsu(grey)[0]).astype(np.float32)
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]]).mean()
    k = max(1, min(h, w) // 8)
    corners = np.mean([light[:k, :k], light[:k, -k:], light[-k:, :k], light[-k:, -k:]])
    return bool(light.mean() + border + corners < 1.5)  # noqa: PLR2004 - half of three shares


def levels(found: Floats) -> Floats:
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
    if high < max(_FAINTEST, 1.5 * noise, paper + _VISIBLE * grain(found)):
        return np.zeros_like(found)
    low = min(noise, 0.45 * high)
    stretched: Floats = ((found - low) / (high - low)).clip(0, 1)
    return stretched


def grain(found: Floats) -> float:
    """Return the standard deviation of the paper's noise, in spite of strokes (Immerkær 1996).

    A second difference both ways knows nothing of slow shading. Its pixels are a few apart, where
    noise that has been blurred is new; half of them have no stroke near. In a small picture most
    have, and its noise counts as 0.
    """
    if min(found.shape) < _SMALLEST:
        return 0.0
    k = min(max(1, min(found.shape) // 16), 3)
    kernel = np.zeros((2 * k + 1, 2 * k + 1), np.float32)
    kernel[::k, ::k] = np.outer([1, -2, 1], [1, -2, 1])
    differences = np.abs(cv2.filter2D(found, cv2.CV_32F, kernel))
    return float(np.median(differences)) / (6 * 0.6745)  # 6²: the sum of the squared weights


def lines(ink: Floats) -> Mask:
    """Return a mask of printed lines: straight, thin, from one edge of the picture to the other.

    The strokes of a digit that fills its picture are no lines.
    """
    level, upright = _level_lines(ink), _level_lines(np.ascontiguousarray(ink.T)).T
    mask = np.maximum(level, upright)
    return np.zeros_like(mask) if _may_be_strokes(ink, level, upright) else mask


def without(ink: Floats, mask: Mask) -> Floats:
    """Take lines out of ink, but not the strokes that cross them.

    What is clearly darker than its line and near other ink is a stroke, and so is what has ink on
    both sides.
    """
    if not mask.any():
        return ink
    reach = _across(mask) + 2
    rest = np.where(mask > 0, 0, ink).astype(np.float32)
    rest = np.where(_strokes(rest > _BODY, mask, 2 * reach), rest, 0).astype(np.float32)
    wide = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.dilate((rest > _BODY).astype(np.uint8), wide)
    level = _darkness(ink, mask) + _DARKER
    kept = np.where((mask > 0) & (near > 0) & (ink > level), ink, rest)
    mended = kept
    for shape in ((1, reach), (reach, 1)):
        closed = cv2.morphologyEx(kept, cv2.MORPH_CLOSE, np.ones(shape, np.uint8))
        mended = np.maximum(mended, np.where(mask > 0, np.minimum(closed, ink), 0))
    return mended.astype(np.float32)


def _across(mask: Mask) -> int:
    """Return how many pixels lines are wide, crossings left out; an odd number."""
    inner = cv2.distanceTransform(mask, cv2.DIST_L1, 3)
    thick = min(float(np.quantile(inner[inner > 0], 0.9)), 0.05 * min(mask.shape))
    return 2 * int(np.ceil(thick)) + 1


def _darkness(ink: Floats, mask: Mask) -> float:
    """Return how dark lines are: across all of their width, where no stroke crosses them."""
    across = _across(mask)
    lined = np.where(mask > 0, ink, 0)
    darkest = np.minimum(
        cv2.dilate(lined, np.ones((across, 1), np.uint8)),
        cv2.dilate(lined, np.ones((1, across), np.uint8)),
    )
    printed = darkest[(mask > 0) & (darkest > _LINE)]
    return float(np.quantile(printed, _BARE)) if printed.size else 1.0


def _may_be_strokes(ink: Floats, level: Mask, upright: Mask) -> bool:
    """Whether lines are so few, so dark and so thick, or the ink so close to all edges, as strokes.

    The bar of a 7 goes from one edge to the other of a picture that ends where the digit does.
    """
    counts = [cv2.connectedComponents(mask)[0] - 1 for mask in (level, upright)]
    if not 0 < sum(counts) <= _FEW:
        return False
    mask = np.maximum(level, upright)
    if _darkness(ink, mask) < _AS_DARK:
        return False
    y, x = (max(1, side // 32) for side in ink.shape)
    if all((edge > _LINE).any() for edge in (ink[:y], ink[-y:], ink[:, :x], ink[:, -x:])):
        return True
    body = ink > 0.5  # noqa: PLR2004
    thick = min(
        float(np.quantile((body & (found > 0)).sum(axis=axis), _BARE)) / count
        for axis, (found, count) in enumerate(zip((level, upright), counts, strict=True))
        if count
    )
    rest = (body & (mask == 0)).astype(np.uint8)
    outline = rest.sum() - cv2.erode(rest, np.ones((3, 3), np.uint8), borderValue=0).sum()
    return bool(thick * outline >= _AS_THICK * 2 * rest.sum() > 0)  # area = width · outline / 2


def _strokes(body: npt.NDArray[np.bool_], mask: Mask, least: int) -> npt.NDArray[np.bool_]:
    """Return the pieces of `body` that are no specks and no soft edges of lines, dilated."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        body.astype(np.uint8), connectivity=8
    )
    k = max(3, least // 6 | 1)
    beside = cv2.dilate(mask, np.ones((k, k), np.uint8))
    area = stats[:, cv2.CC_STAT_AREA]
    clinging = np.bincount(labels.ravel(), weights=beside.ravel(), minlength=count)
    chosen = (area >= least) & (clinging < _CLINGING * area)
    chosen[0] = False
    return cv2.dilate(chosen[labels].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _level_lines(ink: Floats) -> Mask:
    """Find lines that are nearly level: rows, full of ink, of a picture that is sheared level.

    Beside a line from edge to edge, one that leaves through a corner is a line too.
    """
    h, w = ink.shape
    found = np.zeros((h, w), np.uint8)
    mask = ink > _LINE
    k = max(1, w // 32)
    if min(h, w) < _SMALLEST or not (mask[:, :k].any() and mask[:, -k:].any()):
        return found
    thickest = max(2, round(0.05 * min(h, w))) + 2
    columns = np.arange(w)
    least = _PARTS
    # A pixel thicker at both sides, since a line steps from row to row where its shear does not.
    thicker = cv2.dilate(mask.astype(np.uint8), np.ones((3, 1), np.uint8)) > 0
    column = np.ones((thickest + 1 | 1, 1), np.uint8)  # an even one would shift by half a pixel
    thin = mask & (cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, column) == 0)
    for slope in _slopes(mask.astype(np.uint8)):
        drop = np.rint((columns - w / 2) * slope).astype(int)
        margin = int(np.abs(drop).max())
        full, inside = _levelled_rows(thicker & (found == 0), drop, margin)
        if _line_rows(full, inside, _PARTS, thickest):
            least = _CORNER_PARTS
        for first, end in _line_rows(full, inside, least, thickest):
            band = np.arange(first, end)[:, None] - margin + drop
            there = (band >= 0) & (band < h)
            places = band.clip(0, h - 1)
            slim = (thin[places, columns] & there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
            if slim.max() >= _THIN:  # else a slice of a thick bar
                found[places[there], np.broadcast_to(columns, band.shape)[there]] = 1
    return found


def _levelled_rows(
    mask: npt.NDArray[np.bool_], drop: Counts, margin: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Shear a mask level: for each row the share inked of each of its parts.

    And whether most of the part lies inside the picture; the share is 0 where it does not.
    """
    h, w = mask.shape
    height = h + 2 * margin

    def count(levels: Counts, columns: Counts) -> Counts:
        places = levels * _PARTS + columns * _PARTS // w
        return np.bincount(places, minlength=(height + 1) * _PARTS).reshape(-1, _PARTS)

    rows, inked = np.nonzero(mask)
    columns, top = np.arange(w), margin - drop
    shares = count(rows + top[inked], inked)
    pixels = np.cumsum(count(top, columns) - count(top + h, columns), axis=0)
    inside = 2 * pixels >= w / _PARTS
    return np.where(inside, shares / np.maximum(pixels, 1), 0)[:height], inside[:height]


def _line_rows(
    full: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_], least: int, thickest: int
) -> list[tuple[int, int]]:
    """Return from which row to which, the end exclusive, lines of `least` parts and more lie."""
    parts = inside.sum(axis=1)
    rows = np.arange(len(full))
    left, right = inside.argmax(axis=1), _PARTS - 1 - inside[:, ::-1].argmax(axis=1)
    ends = np.minimum(full[rows, left], full[rows, right])
    # In most parts of the width there is a line, and in those at both edges.
    line = (parts >= least) & (ends > 0.5) & (2 * (full > 0.75).sum(axis=1) > parts)  # noqa: PLR2004
    soft = 2 * (full > _SOFT).sum(axis=1) > parts
    found = []
    for start, end in _runs(line):
        reach = end - start + 1  # digits on a line are no soft edge of it
        if reach <= thickest + 1:
            above = _leading(soft[max(0, start - reach) : start][::-1])
            found.append((start - 1 - above, end + 1 + _leading(soft[end : end + reach])))
    return found


def _leading(flags: npt.NDArray[np.bool_]) -> int:
    """Return how many flags are set before the first that is not."""
    return int(np.r_[flags, False].argmin())


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


def _planes(picture: Pixels) -> Floats:
    """Return the channels float32[h, w, c] in [0, 1]; equal greys are equal to the last bit."""
    return np.asarray(np.atleast_3d(picture).astype(np.float32) / _GREYS, np.float32)


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
    h, w = plane.shape
    factor = min(1.0, 128 / max(h, w))
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = cv2.medianBlur(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), 3)
    wider = min(max(size) / 5, min(size) / 2.5)  # than strokes; a number is much longer than high
    return np.asarray(small, np.float32), max(3, round(wider) | 1)


def _median(plane: Floats, k: int) -> Floats:
    """Return the median of the k × k pixels around each, in steps of a grey."""
    grey = np.rint(plane * _GREYS).clip(0, _GREYS).astype(np.uint8)
    return (cv2.medianBlur(grey, k) / np.float32(_GREYS)).astype(np.float32)


def _otsu(plane: Floats) -> tuple[float, Counts]:
    """Return the threshold between two classes that are each most alike (Otsu 1979).

    And how often each of the 256 greys occurs.
    """
    scaled = np.rint(plane * _GREYS).clip(0, _GREYS).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (float(level) + 0.5) / _GREYS, np.bincount(scaled.ravel(), minlength=256)


def _quantile(counts: npt.NDArray[Any], share: float) -> float:
    """Return the grey, 0 … 1 from the first, below which `share` of the counted pixels lie."""
    total = np.cumsum(counts)
    return float(np.searchsorted(total, share * total[-1])) / _GREYS
