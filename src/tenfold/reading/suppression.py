"""Non-maximum suppression: of detections of one object, the most certain one stays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats

Classes = npt.NDArray[np.intp]

ROWS_AT_ONCE = 256  # of the table of exclusions: this bounds its memory


@dataclass(frozen=True)
class SuppressionConfig:
    """When two detections are of one object.

    Attributes:
        max_overlap: of two boxes, their intersection over union.
        min_distance: between two centres, as a share of the smaller width, and of the larger
            height; detections that are nearer in both are one.
        min_distance_of_height: the same along the line, as a share of the smaller height: a 1 may
            be narrower than the error of its place.
        max_inside: of the area of a part, the share that lies inside the whole.
        part_height: a part is lower than this share of the whole's height, or has its class. So
            the loop of a 9 is no 0, half of a wide 5 is no 5 of its own, and a 1 that stands in the
            box of a slanted 7 is a 1.
    """

    max_overlap: float = 0.5
    min_distance: tuple[float, float] = (0.3, 0.5)
    min_distance_of_height: float = 0.12
    max_inside: float = 0.75
    part_height: float = 0.75


def suppress(
    rank: Floats,
    boxes: Floats,
    classes: Classes,
    config: SuppressionConfig = SuppressionConfig(),
    objectness: Floats | None = None,
) -> npt.NDArray[np.intp]:
    """Return the indices of the detections that stay, the highest rank first.

    Args:
        rank: float32[n]; of detections of one object the highest stays, but no part of a whole
            that is at least as certain.
        boxes: float32[n, 4]: centre x, centre y, width, height.
        classes: int64[n], the most probable class of each.
        config: thresholds.
        objectness: float32[n], how certain they are, if that is not their rank.
    """
    certainty = rank if objectness is None else objectness
    order = np.argsort(-rank, kind="stable")
    kept: list[int] = []
    while len(order) > 1:
        best, order = int(order[0]), order[1:]
        same, part = _compare(boxes[best], boxes[order], classes[order] == classes[best], config)
        whole = part & (boxes[order, 2:].prod(axis=1) > boxes[best, 2:].prod())
        if (whole & (certainty[order] >= certainty[best])).any():
            continue
        kept.append(best)
        order = order[~same]
    return np.array([*kept, *order], np.intp)


def exclusions(boxes: Floats, classes: Classes, config: SuppressionConfig) -> npt.NDArray[np.bool_]:
    """Return which of n detections are of one object: bool[n, n], false on the diagonal.

    See `suppress`.
    """
    same = np.zeros((len(boxes), len(boxes)), bool)
    for start in range(0, len(boxes), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        one_class = classes[some, None] == classes
        same[some], _ = _compare(boxes[some, None], boxes, one_class, config)
    np.fill_diagonal(same, val=False)
    return same


def _compare(
    box: Floats, others: Floats, one_class: npt.NDArray[np.bool_], config: SuppressionConfig
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which of `others` [n, 4] show the same object as `box`, and which a part or whole.

    `box` is [4], or [k, 1, 4] for the answers bool[k, n] of k boxes.
    """
    distance = np.abs(others[..., :2] - box[..., :2])
    sides, their_sides = box[..., 2:], others[..., 2:]
    smaller, larger = np.minimum(their_sides, sides), np.maximum(their_sides, sides)
    reach = (their_sides + sides) / 2 - distance
    shared = np.minimum(reach, smaller).clip(0).prod(axis=-1)
    areas, area = their_sides.prod(axis=-1), sides.prod(axis=-1)
    overlap = shared > config.max_overlap * (areas + area - shared)
    least = np.maximum(
        config.min_distance[0] * smaller[..., 0], config.min_distance_of_height * smaller[..., 1]
    )
    near_x = distance[..., 0] < least
    near_y = distance[..., 1] < config.min_distance[1] * larger[..., 1]
    inside = shared > config.max_inside * np.minimum(areas, area)
    part = inside & (one_class | (smaller[..., 1] < config.part_height * larger[..., 1]))
    return overlap | (near_x & near_y) | part, part
