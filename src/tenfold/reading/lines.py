"""Grouping of detections into numbers: what stands side by side belongs together."""

import statistics
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class GroupingConfig:
    """When two neighbours belong to one number.

    Lengths are in units of the digits' height.

    Attributes:
        max_gap: between their boxes.
        max_rise: between their centres, at right angles to the line.
        max_height_ratio: of a taller to a shorter digit.
    """

    max_gap: float = 1.2
    max_rise: float = 0.5
    max_height_ratio: float = 2.2


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
    groups: list[list[int]] = []
    heights = np.where(is_mark, 0, boxes[:, 3])
    for index in np.argsort(boxes[:, 0], kind="stable").tolist():
        costs = [_gap(boxes, heights, group, index, config) for group in groups]
        best = int(np.argmin(costs)) if costs else -1
        if best >= 0 and np.isfinite(costs[best]):
            groups[best].append(index)
        else:
            groups.append([index])
    numbers = [np.array(group, np.intp) for group in groups]
    numbers = [number for number in numbers if not is_mark[number].all()]
    return [numbers[k] for k in _reading_order([boxes[number] for number in numbers])]


def _gap(
    boxes: Floats, heights: Floats, group: list[int], index: int, config: GroupingConfig
) -> float:
    """Return the gap between a number and what may follow it; infinite if it may not."""
    last = group[-1]
    x, y, width, _ = boxes[index].tolist()
    gap = x - float(boxes[last, 0]) - (width + float(boxes[last, 2])) / 2
    height = float(heights[index])
    digits = [k for k in group if heights[k]]
    known = [float(heights[k]) for k in digits]
    tall = max([*known, height])
    if gap > config.max_gap * tall or not tall:
        return np.inf
    rise = abs(y - float(boxes[digits[-1] if digits and height else last, 1]))
    if rise > config.max_rise * tall:
        return np.inf
    if known and height:
        ratio = height / statistics.median(known)
        if max(ratio, 1 / ratio) > config.max_height_ratio:
            return np.inf
    return float(max(gap, 0.0) + rise)


def _reading_order(numbers: list[Floats]) -> list[int]:
    """Return the order of numbers: lines from the top, each line from the left."""
    centres = [(float(b[:, 1].mean()), float(b[0, 0]), float(b[:, 3].max())) for b in numbers]
    order = sorted(range(len(numbers)), key=lambda k: centres[k][0])
    lines: list[list[int]] = []
    for k in order:
        y, _, height = centres[k]
        if lines and abs(y - np.mean([centres[j][0] for j in lines[-1]])) < height / 2:
            lines[-1].append(k)
        else:
            lines.append([k])
    return [k for line in lines for k in sorted(line, key=lambda k: centres[k][1])]
