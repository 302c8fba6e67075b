"""From the foreground of a picture with several digits to one box a digit, in reading order.

Connected components that stand above each other belong to one digit. A component much wider than
the digits of its line is several digits that touch; it is split where it is thinnest.
"""

from bisect import bisect, insort
from dataclasses import dataclass
from statistics import median

import numpy as np

from tenfold.data.normalization import Foreground, foreground_box, stroke_width
from tenfold.reading.components import (
    STROKE_BODY_LEVEL,
    Box,
    Labels,
    connected_components,
    with_soft_edge,
)
from tenfold.reading.limits import CONFIG as LIMITS
from tenfold.reading.limits import CropCounter, check_area, check_count

Split = list[tuple[Box, Foreground]]  # one way to split a region into digits


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig:
    """Thresholds of segmentation; `x_of_y` is x as a share of y.

    The line's height is the typical height of its components. A low component may be a part of a
    digit: the bar of a 5, a broken stroke.
    """

    min_side_px: int = 4
    min_side_of_picture: float = 0.015
    min_side_of_typical_height: float = 0.15
    min_height_of_line_height: float = 0.28  # lower ones are specks, dots and dashes
    max_part_height_of_line_height: float = 0.6
    max_part_distance_of_line_height: float = 0.2  # to the right of its digit
    max_part_rise_of_line_height: float = 0.25  # above its line
    min_part_overlap_of_width: float = 0.5
    min_line_height_of_typical_height: float = 0.4
    neighbours_of_line: int = 3  # that decide whether a component belongs to the line
    min_stroke_of_edge_component: float = 0.5  # thinner at an edge is the rest of a line
    frame_border_of_side: float = 0.2  # holds most of a frame's pixels
    min_content_height_of_frame: float = 0.25
    max_single_width_of_height: float = 0.85
    max_digit_width_of_height: float = 1.8
    digits_per_width_of_height: float = 1.6
    max_touching_digits: int = 8
    min_digit_width_px: int = 4
    split_reach_of_digit_width: float = 0.35
    split_cost_of_stroke_px: float = 0.3


CONFIG = SegmentationConfig()


@dataclass(frozen=True)
class Component:
    """Connected components taken as one: box, labels, number of pixels."""

    box: Box
    labels: tuple[int, ...]
    area: float

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.box[3] - self.box[1]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.box[2] - self.box[0]


def segment_digits(foreground: Foreground) -> list[list[Split]]:
    """Divide float32[h, w] into digits, line by line, left to right.

    Returns:
        for each region its candidate splits, each a list of boxes and the foreground in them. Most
        regions have one candidate; a region wide enough for several digits has more.

    Raises:
        DataError: there is more in it than on a page of digits; see `ReadingLimits`.
    """
    components, labels = find_components(foreground)
    if not components:
        return []
    typical = typical_height(components)
    regions: list[list[Split]] = []
    counter = CropCounter()
    for line in group_into_lines(components):
        height = typical_height(line)
        alone = len(line) == 1 and height < CONFIG.max_part_height_of_line_height * typical
        if alone or height < CONFIG.min_line_height_of_typical_height * typical:
            continue  # the rest of a printed line
        least = CONFIG.min_height_of_line_height * height
        waiting = [part for part in _merge_stacked(line, height) if part.height >= least]
        while waiting:
            component = waiting.pop(0)
            candidates = _split(component, foreground, labels, height)
            if waiting and _may_be_one(component, waiting[0], height):
                other = waiting.pop(0)
                apart = candidates[0] + _split(other, foreground, labels, height)[0]
                together = _split(_join(component, other), foreground, labels, height)[0]
                candidates = [together, apart]
            counter.add(content for split in candidates for _, content in split)
            regions.append(candidates)
    return regions


def _may_be_one(a: Component, b: Component, line_height: float) -> bool:
    """Return whether a component and its right neighbour may be a digit and a part of it."""
    low = min(a.height, b.height) < CONFIG.max_part_height_of_line_height * line_height
    near = b.box[0] - a.box[2] < CONFIG.max_part_distance_of_line_height * line_height
    return low and near and b.box[2] - a.box[0] < CONFIG.max_digit_width_of_height * line_height


def _split(
    component: Component, foreground: Foreground, labels: Labels, line_height: float
) -> list[Split]:
    """Split a component into as many digits as it may hold, from the fewest to the most."""
    content, (left, top, _, bottom) = _crop(component, foreground, labels)
    h, w = content.shape
    ratio = w / max(h, line_height)
    most = 1
    if ratio >= CONFIG.max_single_width_of_height:
        by_width = max(2, round(CONFIG.digits_per_width_of_height * ratio))
        most = max(1, min(by_width, CONFIG.max_touching_digits, w // CONFIG.min_digit_width_px))
    fewest = min(most, max(1, int(ratio / CONFIG.max_digit_width_of_height)))
    return [
        [
            ((left + start, top, left + end, bottom), content[:, start:end])
            for start, end in split_columns(content, count)
        ]
        for count in range(fewest, most + 1)
    ]


def _crop(component: Component, foreground: Foreground, labels: Labels) -> tuple[Foreground, Box]:
    """Return the foreground of a component with its soft edge, and the box of both."""
    left, top = max(component.box[0] - 1, 0), max(component.box[1] - 1, 0)
    window = np.s_[top : component.box[3] + 1, left : component.box[2] + 1]
    label = labels[window]
    is_own = np.zeros(int(label.max()) + 1, bool)
    is_own[list(component.labels)] = True
    body = is_own[label]
    own = body | (with_soft_edge(body) & (label == 0))
    content = np.where(own, foreground[window], 0).astype(np.float32)
    y, x, bottom, right = foreground_box(content)
    return content[y:bottom, x:right], (left + x, top + y, left + right, top + bottom)


def find_components(foreground: Foreground) -> tuple[list[Component], Labels]:
    """Return the connected components without specks and frames, and the map of their labels."""
    mask = foreground > STROKE_BODY_LEVEL
    labels, stats = connected_components(mask)
    h, w = foreground.shape
    least: float = max(CONFIG.min_side_px, CONFIG.min_side_of_picture * max(h, w))
    large = 1 + np.flatnonzero((stats[1:, 2:4] - stats[1:, :2]).max(axis=1) >= least)
    check_count(len(large), LIMITS.max_components, "marks")
    found = [
        Component((left, top, right, bottom), (label,), area)
        for label, (left, top, right, bottom, area) in zip(
            large.tolist(), stats[large].tolist(), strict=True
        )
    ]
    check_area(sum(one.width * one.height for one in found))
    if len(found) > 1:
        boxes = stats[large, :4]
        found = [one for one in found if not _is_frame(one, boxes, labels)]
    if not found:
        return [], labels
    least = CONFIG.min_side_of_typical_height * typical_height(found)
    at_edge = [_is_at_edge(one.box, h, w) for one in found]
    min_width = CONFIG.min_stroke_of_edge_component * stroke_width(mask) if any(at_edge) else 0
    kept = [
        one
        for one, edge in zip(found, at_edge, strict=True)
        if max(one.height, one.width) >= least
        and not (edge and one.area < min_width * max(one.height, one.width))
    ]
    return kept, labels


def _is_at_edge(box: Box, h: int, w: int) -> bool:
    return box[0] == 0 or box[1] == 0 or box[2] == w or box[3] == h


def _is_frame(component: Component, boxes: Labels, labels: Labels) -> bool:
    """Return whether a component is a form's box or a table's edge: others lie inside it.

    Args:
        component: one of the components.
        boxes: int32[n, 4], those of all components.
        labels: the map of labels.
    """
    left, top, right, bottom = component.box
    lefts, tops, rights, bottoms = boxes.T
    inside = (lefts > left) & (tops > top) & (rights < right) & (bottoms < bottom)
    least = CONFIG.min_content_height_of_frame * component.height
    if not (inside & (bottoms - tops >= least)).any():
        return False
    x = int(CONFIG.frame_border_of_side * component.width)
    y = int(CONFIG.frame_border_of_side * component.height)
    inner = labels[top + y : bottom - y, left + x : right - x] == component.labels[0]
    return bool(inner.sum() < component.area / 2)


def typical_height(components: list[Component]) -> float:
    """Return the median height, weighted by area: dots and noise are many, but small."""
    order = sorted(components, key=lambda component: component.height)
    weight = np.cumsum([component.area for component in order])
    return float(order[int(np.searchsorted(weight, weight[-1] / 2))].height)


def group_into_lines(components: list[Component]) -> list[list[Component]]:
    """Group components into lines, top to bottom, each left to right.

    Whole digits go first, from the left. Each is compared with its nearest neighbours in the line
    only, since a line may climb. A low component may lie above its line, as the bar of a 5.
    """
    typical = typical_height(components)
    part_height = CONFIG.max_part_height_of_line_height * typical
    rise = CONFIG.max_part_rise_of_line_height * typical
    lines: list[list[tuple[int, int, Component]]] = []  # left, order of arrival
    in_order = sorted(components, key=lambda one: (one.height < part_height, one.box[0]))
    for order, component in enumerate(in_order):
        left, top, _, bottom = component.box
        reach = rise if component.height < part_height else 0
        for line in lines:
            line_top, line_bottom = _extent_near(left, line)
            if line_top - reach <= (top + bottom) / 2 <= line_bottom:
                insort(line, (left, order, component))
                break
        else:
            lines.append([(left, order, component)])
            check_count(len(lines), LIMITS.max_lines, "lines")
    of_lines = [[component for _, _, component in line] for line in lines]
    return sorted(of_lines, key=lambda line: median([p.box[1] for p in line]))


def _extent_near(left: int, line: list[tuple[int, int, Component]]) -> tuple[float, float]:
    """Return top and bottom of a line, where the components nearest to a place lie."""
    count = CONFIG.neighbours_of_line
    place = bisect(line, (left + 1,))
    start = max(0, place - count)
    start = bisect(line, (line[start][0],))  # of those equally far away, the first that came
    by_distance = sorted(
        (abs(other - left), order, p) for other, order, p in line[start : place + count]
    )
    near = [p.box for _, _, p in by_distance[:count]]
    return median([box[1] for box in near]), median([box[3] for box in near])


def _merge_stacked(line: list[Component], line_height: float) -> list[Component]:
    """Join components that stand above each other: the bar of a 5, broken strokes."""
    merged: list[Component] = []
    for component in line:
        if merged:
            last = merged[-1]
            overlap = min(last.box[2], component.box[2]) - max(last.box[0], component.box[0])
            least = CONFIG.min_part_overlap_of_width * min(last.width, component.width)
            lower = min(last.height, component.height)
            # Two whole digits stay apart.
            part = lower < CONFIG.max_part_height_of_line_height * line_height
            if part and overlap > least:
                merged[-1] = _join(last, component)
                continue
        merged.append(component)
    return merged


def _join(a: Component, b: Component) -> Component:
    low, high = np.minimum(a.box, b.box).tolist(), np.maximum(a.box, b.box).tolist()
    return Component((*low[:2], *high[2:]), a.labels + b.labels, a.area + b.area)


def split_columns(foreground: Foreground, count: int) -> list[tuple[int, int]]:
    """Split float32[h, w] into `count` ranges of columns, nearly equal, where it is thinnest."""
    w = foreground.shape[1]
    crossings = np.count_nonzero(np.diff(foreground > STROKE_BODY_LEVEL, axis=0), axis=0)
    cost = foreground.sum(axis=0) + CONFIG.split_cost_of_stroke_px * crossings
    edges = [0]
    for number in range(1, count):
        expected, reach = number * w / count, CONFIG.split_reach_of_digit_width * w / count
        low = max(edges[-1] + 1, int(expected - reach))
        high = max(low + 1, min(w - 1, int(expected + reach) + 1))
        distance = np.abs(np.arange(low, high) - expected) / (reach + 1)
        edges.append(low + int(np.argmin(cost[low:high] * (1 + distance**2) + distance)))
    return list(zip(edges, [*edges[1:], w], strict=True))
