"""Grouping of detections into numbers: what stands side by side belongs together."""

from dataclasses import dataclass
from statistics import median as median_of

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class GroupingConfig:
    """When two neighbours belong to one number.

    Lengths are in units of the digits' height.

    Attributes:
        max_gap: between their boxes.
        max_rise: between their centres, at right angles to the line.
        max_mark_rise: the same of a digit and a mark: a point stands at the foot of a digit.
        max_height_ratio: of a taller to a shorter digit.
        min_line_overlap: a number stands in a line if they have more than this share of the lower
            one's height in common.
    """

    max_gap: float = 1.2
    max_rise: float = 0.5
    max_mark_rise: float = 0.9
    max_height_ratio: float = 2.2
    min_line_overlap: float = 0.4


def group_numbers(
    boxes: Floats, is_mark: npt.NDArray[np.bool_], config: GroupingConfig = GroupingConfig()
) -> list[Indices]:
    """Group detections into numbers, in reading order; each from left to right.

    A digit joins the nearest number whose last digit it may follow. So a tilted line is one line.

    Args:
        boxes: float32[n, 4]: centre x, centre y, width, height.
        is_mark: bool[n], which are points, minus signs and the like: their height says nothing.
        config: distances.
    """
    groups: list[_Group] = []
    heights = np.where(is_mark, 0, boxes[:, 3])
    for index in np.argsort(boxes[:, 0], kind="stable").tolist():
        costs = _gaps(boxes[index], float(heights[index]), groups, config)
        best = int(np.argmin(costs)) if len(costs) else -1
        if best < 0 or np.isinf(costs[best]):
            groups.append(_Group())
            best = -1
        groups[best].append(index, boxes[index], float(heights[index]))
    numbers = [np.array(group.indices, np.intp) for group in groups if group.heights]
    order = _reading_order([boxes[number] for number in numbers], config.min_line_overlap)
    return [numbers[k] for k in order]


class _Group:
    """A number that grows from left to right."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.heights: list[float] = []  # of its digits
        # Of the last character centre x and half of its width; of the last digit centre y; the
        # greatest and the median height.
        self.state = np.zeros(5)

    def append(self, index: int, box: Floats, height: float) -> None:
        self.indices.append(index)
        x, y, width = box[:3].tolist()
        if height:
            self.heights.append(height)
        digit_y = y if height or not self.heights else self.state[2]
        tallest, median = (max(self.heights), median_of(self.heights)) if self.heights else (0, 0)
        self.state[:] = x, width / 2, digit_y, tallest, median


def _gaps(
    box: Floats, height: float, groups: list[_Group], config: GroupingConfig
) -> npt.NDArray[np.float64]:
    """Return the gap between each number and what may follow it; infinite where it may not."""
    if not groups:
        return np.empty(0)
    state = np.array([group.state for group in groups])
    last_x, half_width, digit_y, tallest, median = state.T
    tall = np.maximum(tallest, height)
    gap = box[0] - last_x - box[2] / 2 - half_width
    rise = np.abs(box[1] - digit_y)
    is_mark = (median == 0) | (height == 0)
    max_rise = np.where(is_mark, config.max_mark_rise, config.max_rise)
    near = (tall > 0) & (gap <= config.max_gap * tall) & (rise <= max_rise * tall)
    if height:
        ratio = np.where(median > 0, median, height) / height
        near &= np.maximum(ratio, 1 / ratio) <= config.max_height_ratio
    return np.where(near, np.maximum(gap, 0) + rise, np.inf)


def _reading_order(numbers: list[Floats], min_overlap: float) -> list[int]:
    """Return the order of numbers: lines from the top, each line from the left."""
    tops = np.array([(b[:, 1] - b[:, 3] / 2).min() for b in numbers])
    bottoms = np.array([(b[:, 1] + b[:, 3] / 2).max() for b in numbers])
    lines: list[list[int]] = []
    for k in np.argsort(tops + bottoms, kind="stable").tolist():
        if lines:
            top, bottom = tops[lines[-1]].mean(), bottoms[lines[-1]].mean()
            overlap = min(bottom, bottoms[k]) - max(top, tops[k])
            if overlap > min_overlap * min(bottom - top, bottoms[k] - tops[k]):
                lines[-1].append(k)
                continue
        lines.append([k])
    return [k for line in lines for k in sorted(line, key=lambda k: numbers[k][0, 0])]
