"""Printed lines: straight, thin, from one edge of a picture to the other.

`find_lines` finds them. `remove_lines` removes them and mends the strokes that cross them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import stroke_width
from tenfold.reading.components import (
    STROKE_BODY_LEVEL,
    Flags,
    Floats,
    connected_components,
    with_soft_edge,
)

Mask = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LineRemovalConfig:
    """Thresholds of line removal.

    A level is a share of the darkest foreground. `x_of_y` is x as a share of y. A line is searched
    in a picture that is sheared until the line is level, and in `part_count` parts of the width.
    """

    min_picture_side_px: int = 36  # in smaller pictures a stroke is as long and thin as a line
    line_level: float = 0.15  # printed lines may be faint
    max_angle_rad: float = 0.26  # 15 degrees
    angle_step_rad: float = 0.01
    max_slopes: int = 12
    min_votes_of_width: float = 0.6
    part_count: int = 12
    min_parts_at_corner: int = 3  # of a line that leaves the picture through a corner
    min_foreground_of_end_part: float = 0.5
    min_foreground_of_line_part: float = 0.75
    min_foreground_of_soft_edge_part: float = 0.2
    max_thickness_of_side: float = 0.05
    min_uncrossed_of_row: float = 0.2
    min_row_of_fullest_row: float = 0.4
    max_count_as_strokes: int = 3  # more lines are ruled paper
    min_stroke_level: float = 0.7
    min_stroke_thickness_of_stroke_width: float = 0.6
    stroke_core_level: float = 0.5
    uncrossed_quantile: float = 0.2  # strokes cross the rest of a line
    darkness_quantile: float = 0.35  # paler pixels of a line are its soft edge
    min_crossing_level_above_line: float = 0.25
    max_beside_line_of_component: float = 0.8  # above, a component is a line's soft edge


CONFIG = LineRemovalConfig()


def find_lines(foreground: Floats) -> Mask:
    """Find printed lines: straight, thin, from one edge of the picture to the other.

    Returns:
        uint8[h, w], 1 on a line. The strokes of a digit that fills its picture are not lines.
    """
    if min(foreground.shape) < CONFIG.min_picture_side_px:
        return np.zeros(foreground.shape, np.uint8)
    turned = np.ascontiguousarray(foreground.T)
    rows, horizontal = _find_level_lines(foreground)
    columns, vertical = (mask.T for mask in _find_level_lines(turned))
    if _may_be_strokes(foreground, rows, columns):
        return np.zeros(foreground.shape, np.uint8)
    uncrossed = np.maximum(
        _without_crossings(foreground, horizontal), _without_crossings(turned, vertical.T).T
    )
    lines: Mask = np.maximum(uncrossed, horizontal & vertical)
    return lines


def remove_lines(foreground: Floats, lines: Mask) -> Floats:
    """Remove lines, but not the strokes that cross them.

    A pixel of a line belongs to a stroke if it is clearly darker than the line and near other
    foreground, or if it has foreground on both sides.
    """
    if not lines.any():
        return foreground
    on_line = lines > 0
    thickness = _thickness(lines)
    reach = thickness + 2
    rest = np.where(on_line, 0, foreground).astype(np.float32)
    strokes = _strokes(rest > STROKE_BODY_LEVEL, lines, min_area=2 * reach)
    rest = np.where(strokes, rest, 0).astype(np.float32)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.dilate((rest > STROKE_BODY_LEVEL).astype(np.uint8), kernel)
    level = _darkness(foreground, lines, thickness) + CONFIG.min_crossing_level_above_line
    kept = np.where(on_line & (near > 0) & (foreground > level), foreground, rest)
    mended = kept
    for shape in ((1, reach), (reach, 1)):
        closed = cv2.morphologyEx(kept, cv2.MORPH_CLOSE, np.ones(shape, np.uint8))
        mended = np.maximum(mended, np.where(on_line, np.minimum(closed, foreground), 0))
    return mended.astype(np.float32)


def _without_crossings(foreground: Floats, lines: Mask) -> Mask:
    """Leave out of level lines where the foreground is higher than a line: a stroke crosses."""
    high = _bars(foreground > CONFIG.line_level, _max_thickness(foreground))
    return np.asarray(np.where(high > 0, 0, lines), np.uint8)


def _bars(mask: Flags, max_thickness: int) -> Mask:
    """Return what is higher than a line may be."""
    # A kernel of even height would move the mask by half a pixel.
    kernel = np.ones((max_thickness + 1 | 1, 1), np.uint8)
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel), np.uint8)


def _max_thickness(foreground: Floats) -> int:
    """Return how many pixels thick a line may be."""
    shorter: int = min(foreground.shape)
    return max(2, round(CONFIG.max_thickness_of_side * shorter)) + 2


def _thickness(lines: Mask) -> int:
    """Return how many pixels thick lines are where they do not cross; an odd number."""
    inner = cv2.distanceTransform(lines, cv2.DIST_L1, 3)
    most = CONFIG.max_thickness_of_side * min(lines.shape)
    return 2 * int(np.ceil(min(float(np.quantile(inner[inner > 0], 0.9)), most))) + 1


def _darkness(foreground: Floats, lines: Mask, thickness: int) -> float:
    """Return the level of lines where no stroke crosses them."""
    on_lines = np.where(lines > 0, foreground, 0)
    darkest = np.minimum(
        cv2.dilate(on_lines, np.ones((thickness, 1), np.uint8)),
        cv2.dilate(on_lines, np.ones((1, thickness), np.uint8)),
    )
    levels = darkest[(lines > 0) & (darkest > CONFIG.line_level)]
    return float(np.quantile(levels, CONFIG.darkness_quantile)) if levels.size else 1.0


def _may_be_strokes(foreground: Floats, horizontal: Mask, vertical: Mask) -> bool:
    """Return whether lines are few, and as dark and thick as strokes.

    The bar of a 7 goes from edge to edge of a picture that is cropped to the digit. There the
    foreground reaches all four edges.
    """
    counts = [cv2.connectedComponents(mask)[0] - 1 for mask in (horizontal, vertical)]
    if not 0 < sum(counts) <= CONFIG.max_count_as_strokes:
        return False
    lines = np.maximum(horizontal, vertical)
    if _darkness(foreground, lines, _thickness(lines)) < CONFIG.min_stroke_level:
        return False
    y, x = (max(2, side // 32) for side in foreground.shape)  # the outermost pixel may be faint
    edges = (foreground[:y], foreground[-y:], foreground[:, :x], foreground[:, -x:])
    if all((edge > CONFIG.line_level).any() for edge in edges):
        return True
    core = foreground > CONFIG.stroke_core_level
    thickness = min(
        float(np.quantile((core & (mask > 0)).sum(axis=axis), CONFIG.uncrossed_quantile)) / count
        for axis, (mask, count) in enumerate(zip((horizontal, vertical), counts, strict=True))
        if count
    )
    rest = core & (lines == 0)
    least = CONFIG.min_stroke_thickness_of_stroke_width
    return bool(rest.any()) and thickness >= least * stroke_width(rest)


def _strokes(body: Flags, lines: Mask, min_area: int) -> Flags:
    """Return the components of `body` that are no specks and no soft edges of lines, dilated."""
    labels, stats = connected_components(body)
    k = max(3, min_area // 6 | 1)
    beside = cv2.dilate(lines, np.ones((k, k), np.uint8))
    area = stats[:, 4]
    area_beside = np.bincount(labels.ravel(), weights=beside.ravel(), minlength=len(stats))
    kept = (area >= min_area) & (area_beside < CONFIG.max_beside_line_of_component * area)
    kept[0] = False
    return with_soft_edge(kept[labels])


def _find_level_lines(foreground: Floats) -> tuple[Mask, Mask]:
    """Find lines that are nearly level: rows, full of foreground, of a picture that is sheared.

    Once a line goes from edge to edge, one that leaves through a corner is a line too.

    Returns:
        bands of such rows, and of these the pixels close to the lines; both uint8[h, w].
    """
    h, w = foreground.shape
    found, close = np.zeros((2, h, w), np.uint8)
    mask = foreground > CONFIG.line_level
    k = max(1, w // 32)
    if not (mask[:, :k].any() and mask[:, -k:].any()):
        return found, close
    max_thickness = _max_thickness(foreground)
    # One pixel more above and below: a line steps from row to row where its shear does not.
    thicker = cv2.dilate(mask.astype(np.uint8), np.ones((3, 1), np.uint8)) > 0
    thin = mask & (_bars(mask, max_thickness) == 0)
    columns = np.arange(w)
    min_parts = CONFIG.part_count
    for slope in _slopes(mask):
        drop = np.rint((columns - w / 2) * slope).astype(int)
        margin = int(np.abs(drop).max())
        shares, inside = _shear(thicker & (found == 0), drop, margin)
        bands = list(_line_bands(shares, inside, min_parts, max_thickness))
        if bands and min_parts == CONFIG.part_count:
            min_parts = CONFIG.min_parts_at_corner
            bands = list(_line_bands(shares, inside, min_parts, max_thickness))
        for first, end in bands:
            rows = np.arange(first, end)[:, None] - margin + drop
            in_picture = (rows >= 0) & (rows < h)
            uncrossed = thin[rows.clip(0, h - 1), columns] & in_picture
            share = uncrossed.sum(axis=1) / np.maximum(in_picture.sum(axis=1), 1)
            if share.max() >= CONFIG.min_uncrossed_of_row:  # otherwise a slice of a thick bar
                near = in_picture & _around_line(uncrossed)
                all_columns = np.broadcast_to(columns, rows.shape)
                found[rows[in_picture], all_columns[in_picture]] = 1
                close[rows[near], all_columns[near]] = 1
    return found, close


def _around_line(uncrossed: Flags) -> Flags:
    """Narrow a band of rows to its line in each part of the width: no line is quite straight.

    Where strokes hide all of the line, the band stays as it is.
    """
    starts = np.arange(CONFIG.part_count) * uncrossed.shape[1] // CONFIG.part_count
    counts = np.add.reduceat(uncrossed.astype(np.int64), starts, axis=1)
    near = np.ones(counts.shape, bool)
    for part, count in enumerate(counts.T):
        peak = int(count.argmax())
        weak = np.flatnonzero(count < CONFIG.min_row_of_fullest_row * count[peak])
        near[: max(weak[weak < peak], default=0), part] = False
        near[min(weak[weak > peak], default=len(count)) + 1 :, part] = False
    return np.repeat(near, np.diff([*starts, uncrossed.shape[1]]), axis=1)


def _shear(mask: Flags, drop: Integers, margin: int) -> tuple[npt.NDArray[np.float64], Flags]:
    """Shear a mask level, `margin` rows added above and below.

    Returns:
        float64[rows, parts], the share of each part of a row that the mask covers; bool[rows,
        parts], whether most of it lies in the picture. Elsewhere the share is 0.
    """
    h, w = mask.shape
    height, parts = h + 2 * margin, CONFIG.part_count

    def count(rows: Integers, columns: Integers) -> Integers:
        places = rows * parts + columns * parts // w
        return np.bincount(places, minlength=(height + 1) * parts).reshape(-1, parts)

    rows, masked = np.nonzero(mask)
    columns, top = np.arange(w), margin - drop
    covered = count(rows + top[masked], masked)
    pixels = np.cumsum(count(top, columns) - count(top + h, columns), axis=0)
    inside = 2 * pixels >= w / parts
    return np.where(inside, covered / np.maximum(pixels, 1), 0)[:height], inside[:height]


def _line_bands(
    shares: npt.NDArray[np.float64], inside: Flags, min_parts: int, max_thickness: int
) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end (exclusive) of lines at least `min_parts` parts long."""
    parts = inside.sum(axis=1)
    rows = np.arange(len(shares))
    left, right = inside.argmax(axis=1), CONFIG.part_count - 1 - inside[:, ::-1].argmax(axis=1)
    ends = np.minimum(shares[rows, left], shares[rows, right])
    # A line covers most parts of the width, and those at both edges.
    full = (shares > CONFIG.min_foreground_of_line_part).sum(axis=1)
    line = (parts >= min_parts) & (ends > CONFIG.min_foreground_of_end_part) & (2 * full > parts)
    soft = 2 * (shares > CONFIG.min_foreground_of_soft_edge_part).sum(axis=1) > parts
    edges = np.flatnonzero(np.diff(np.r_[0, line.astype(np.int8), 0])).tolist()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        reach = end - start + 1  # digits on a line are no soft edge of it
        if reach <= max_thickness + 1:
            above = _leading(soft[max(0, start - reach) : start][::-1])
            yield start - 1 - above, end + 1 + _leading(soft[end : end + reach])


def _leading(flags: Flags) -> int:
    """Return how many flags are set before the first that is not."""
    return int(np.r_[flags, False].argmin())


def _slopes(mask: Flags) -> list[float]:
    """Return the slopes of lines through many pixels, most first, by the Hough transform."""
    level = np.pi / 2  # the angle of a level line's normal
    found = cv2.HoughLines(
        mask.astype(np.uint8),
        1,
        CONFIG.angle_step_rad,
        int(CONFIG.min_votes_of_width * mask.shape[1]),
        min_theta=level - CONFIG.max_angle_rad,
        max_theta=level + CONFIG.max_angle_rad,
    )
    if found is None:
        return []
    angles = dict.fromkeys(float(theta) for theta in np.atleast_3d(found)[:, 0, 1])
    return [-np.cos(angle) / np.sin(angle) for angle in list(angles)[: CONFIG.max_slopes]]
