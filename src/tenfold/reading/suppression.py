"""Non-maximum suppression: of detections of one object, the most certain one stays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SuppressionConfig:
    """When two detections are of one object.

    Attributes:
        min_objectness: detections below it are dropped first.
        max_overlap: of two boxes, their intersection over union.
        min_distance: between two centres, as a share of the smaller width, and of the larger
            height; detections that are nearer in both are one.
        max_inside: of the area of a part, the share that lies inside the whole.
        part_height: a part is lower than this share of the whole's height. So the loop of a 9 is
            no 0, and a 1 that stands in the box of a slanted 7 is a 1.
    """

    min_objectness: float = 0.4
    max_overlap: float = 0.5
    min_distance: tuple[float, float] = (0.3, 0.5)
    max_inside: float = 0.75
    part_height: float = 0.75


def suppress(
    objectness: Floats, boxes: Floats, config: SuppressionConfig = SuppressionConfig()
) -> npt.NDArray[np.intp]:
    """Return the indices of the detections that stay, most certain first.

    Args:
        objectness: float32[n].
        boxes: float32[n, 4]: centre x, centre y, width, height.
        config: thresholds.
    """
    order = np.argsort(-objectness, kind="stable")
    order = order[objectness[order] >= config.min_objectness]
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[~_same(boxes[best], boxes[order], config)]
    return np.array(kept, np.intp)


def exclusions(boxes: Floats, config: SuppressionConfig) -> npt.NDArray[np.bool_]:
    """Return which of n detections are of one object: bool[n, n], false on the diagonal."""
    same = np.zeros((len(boxes), len(boxes)), bool)
    for row, box in zip(same, boxes, strict=True):
        row[:] = _same(box, boxes, config)
    same |= same.T
    np.fill_diagonal(same, val=False)
    return same


def _same(box: Floats, others: Floats, config: SuppressionConfig) -> npt.NDArray[np.bool_]:
    """Return which of `others` [n, 4] show the same object as `box`."""
    distance = np.abs(others[:, :2] - box[:2])
    smaller, larger = np.minimum(others[:, 2:], box[2:]), np.maximum(others[:, 2:], box[2:])
    sides = (others[:, 2:] + box[2:]) / 2 - distance
    shared = np.minimum(sides, smaller).clip(0).prod(axis=1)
    areas, area = others[:, 2:].prod(axis=1), box[2:].prod()
    overlap = shared > config.max_overlap * (areas + area - shared)
    near_x = distance[:, 0] < config.min_distance[0] * smaller[:, 0]
    near_y = distance[:, 1] < config.min_distance[1] * larger[:, 1]
    inside = shared > config.max_inside * np.minimum(areas, area)
    part = inside & (smaller[:, 1] < config.part_height * larger[:, 1])
    same: npt.NDArray[np.bool_] = overlap | (near_x & near_y) | part
    return same
