"""Printed lines: straight, thin, from one edge of a picture to the other.

`find_lines` finds them, `remove_lines` takes them out and mends the strokes that cross them.
"""

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import stroke_width

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]

_LINE = 0.15  # of the ink's darkness: printed lines may be faint
BODY = 0.25  # ink that is more than a soft edge: it connects what belongs together
_CLINGING = 0.8  # of a piece beside lines: it is their soft edge
_DARKER = 0.25  # than a line: a stroke on top of it
_BARE = 0.2  # of a line: so much at least is crossed by no stroke
_PLAIN = 0.35  # of its pixels: as many are fainter, at its soft edge
_FEW = 3  # lines: with more of them, it is ruled paper
_AS_DARK = 0.7  # of the ink's darkness
_AS_THICK = 0.6  # of the strokes' width
SMALLEST = 36  # pixels: in smaller pictures a stroke can be as long and thin as a line
_STEEPEST = 0.26  # radians that a line may be off level: 15 degrees
_STEP = 0.01
_MOST_SLOPES = 12
_SOFT = 0.2  # of a row inked: beyond a line's soft edge
_THIN = 0.2  # of a line's pixels: there no stroke crosses it
_EDGE = 0.4  # of the pixels in a line's fullest row: with fewer a row is beyond its edge
_PARTS = 12  # of the width, looked at apart
_CORNER_PARTS = 3  # of a line that leaves through a corner, at least


def find_lines(ink: Floats) -> Mask:
    """Return a mask of printed lines: straight, thin, from one edge of the picture to the other.

    The strokes of a digit that fills its picture are no lines.
    """
    if min(ink.shape) < SMALLEST:
        return np.zeros(ink.shape, np.uint8)
    bands, level = _level_lines(ink)
    columns, upright = (mask.T for mask in _level_lines(np.ascontiguousarray(ink.T)))
    if _may_be_strokes(ink, bands, columns):
        return np.zeros(ink.shape, np.uint8)
    thin = np.maximum(_thin(ink, level), _thin(ink.T, upright.T).T)
    mask: Mask = np.maximum(thin, level & upright)
    return mask


def _thin(ink: Floats, band: Mask) -> Mask:
    """Leave out of a band of level lines what is higher than a line: there a stroke crosses it."""
    column = np.ones((_thickest(ink) + 1 | 1, 1), np.uint8)
    high = cv2.morphologyEx((ink > _LINE).astype(np.uint8), cv2.MORPH_OPEN, column)
    return np.asarray(np.where(high > 0, 0, band), np.uint8)


def _thickest(ink: Floats) -> int:
    """Return how many pixels a line may be thick."""
    shorter: int = min(ink.shape)
    return max(2, round(0.05 * shorter)) + 2


def remove_lines(ink: Floats, mask: Mask) -> Floats:
    """Take lines out of ink, but not the strokes that cross them.

    What is clearly darker than its line and near other ink is a stroke, and so is what has ink on
    both sides.
    """
    if not mask.any():
        return ink
    across = _across(mask)
    reach = across + 2
    rest = np.where(mask > 0, 0, ink).astype(np.float32)
    rest = np.where(_strokes(rest > BODY, mask, 2 * reach), rest, 0).astype(np.float32)
    wide = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.dilate((rest > BODY).astype(np.uint8), wide)
    level = _darkness(ink, mask, across) + _DARKER
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


def _darkness(ink: Floats, mask: Mask, across: int) -> float:
    """Return how dark lines are: across all of their width, where no stroke crosses them."""
    lined = np.where(mask > 0, ink, 0)
    darkest = np.minimum(
        cv2.dilate(lined, np.ones((across, 1), np.uint8)),
        cv2.dilate(lined, np.ones((1, across), np.uint8)),
    )
    printed = darkest[(mask > 0) & (darkest > _LINE)]
    return float(np.quantile(printed, _PLAIN)) if printed.size else 1.0


def _may_be_strokes(ink: Floats, level: Mask, upright: Mask) -> bool:
    """Whether lines are so few, so dark and so thick, or the ink so close to all edges, as strokes.

    The bar of a 7 goes from one edge to the other of a picture that ends where the digit does.
    """
    counts = [cv2.connectedComponents(mask)[0] - 1 for mask in (level, upright)]
    if not 0 < sum(counts) <= _FEW:
        return False
    mask = np.maximum(level, upright)
    if _darkness(ink, mask, _across(mask)) < _AS_DARK:
        return False
    y, x = (max(2, side // 32) for side in ink.shape)  # the outermost pixel may be a soft edge
    if all((edge > _LINE).any() for edge in (ink[:y], ink[-y:], ink[:, :x], ink[:, -x:])):
        return True
    body = ink > 0.5  # noqa: PLR2004
    thick = min(
        float(np.quantile((body & (found > 0)).sum(axis=axis), _BARE)) / count
        for axis, (found, count) in enumerate(zip((level, upright), counts, strict=True))
        if count
    )
    rest = body & (mask == 0)
    return bool(rest.any()) and thick >= _AS_THICK * stroke_width(rest)


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
    return with_edge(chosen[labels])


def with_edge(body: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Add the pixels around: there lies the soft edge of a stroke, below the level of its body."""
    return cv2.dilate(body.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _level_lines(ink: Floats) -> tuple[Mask, Mask]:
    """Find lines that are nearly level: rows, full of ink, of a picture that is sheared level.

    Returns bands of such rows, and of these what is close around the lines. Beside a line from
    edge to edge, one that leaves through a corner is a line too.
    """
    h, w = ink.shape
    found, close = np.zeros((2, h, w), np.uint8)
    mask = ink > _LINE
    k = max(1, w // 32)
    if not (mask[:, :k].any() and mask[:, -k:].any()):
        return found, close
    thickest = _thickest(ink)
    columns = np.arange(w)
    least = _PARTS
    # A pixel thicker at both sides, since a line steps from row to row where its shear does not.
    inked = mask.astype(np.uint8)
    thicker = cv2.dilate(inked, np.ones((3, 1), np.uint8)) > 0
    column = np.ones((thickest + 1 | 1, 1), np.uint8)  # an even one would shift by half a pixel
    thin = mask & (cv2.morphologyEx(inked, cv2.MORPH_OPEN, column) == 0)
    for slope in _slopes(inked):
        drop = np.rint((columns - w / 2) * slope).astype(int)
        margin = int(np.abs(drop).max())
        full, inside = _levelled_rows(thicker & (found == 0), drop, margin)
        bands = _line_rows(full, inside, least, thickest)
        if bands and least == _PARTS:
            least = _CORNER_PARTS
            bands = _line_rows(full, inside, least, thickest)
        for first, end in bands:
            band = np.arange(first, end)[:, None] - margin + drop
            there = (band >= 0) & (band < h)
            places = band.clip(0, h - 1)
            bare = thin[places, columns] & there
            slim = bare.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
            if slim.max() >= _THIN:  # else a slice of a thick bar
                every = np.broadcast_to(columns, band.shape)
                found[places[there], every[there]] = 1
                near = there & _around_line(bare)
                close[places[near], every[near]] = 1
    return found, close


def _around_line(bare: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Narrow a band of rows, part by part, to where its line is: no line is quite straight.

    Where strokes hide all of the line, the band stays as it is.
    """
    starts = np.arange(_PARTS) * bare.shape[1] // _PARTS
    counts = np.add.reduceat(bare.astype(np.int64), starts, axis=1)
    rows = np.arange(len(bare))[:, None]
    near = np.ones(counts.shape, bool)
    for part, count in enumerate(counts.T):
        peak = int(count.argmax())
        weak = np.flatnonzero(count < _EDGE * count[peak])
        above, below = weak[weak < peak], weak[weak > peak]
        low = above[-1] if above.size else -1
        high = below[0] if below.size else len(count)
        near[:, part] = ((rows >= low) & (rows <= high))[:, 0] | (count[peak] == 0)
    return np.repeat(near, np.diff([*starts, bare.shape[1]]), axis=1)


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
