"""The one digit of a picture, without what else lies in it."""

from dataclasses import dataclass

import numpy as np

from tenfold.data.normalization import Foreground
from tenfold.reading.components import (
    STROKE_BODY_LEVEL,
    Flags,
    connected_components,
    with_soft_edge,
)


@dataclass(frozen=True, kw_only=True)
class IsolationConfig:
    """Thresholds of `isolate_digit`; `x_of_y` is x as a share of y."""

    weight_at_edge: float = 0.25  # of a component's area, when the main one is chosen
    min_area_of_main: float = 0.04
    max_distance_of_main_side: float = 0.5


CONFIG = IsolationConfig()


def isolate_digit(foreground: Foreground) -> Foreground:
    """Keep what belongs to the one digit of a picture: no specks, no shadows along an edge.

    The main component is the largest; those that touch an edge count less. Another component stays
    if it is not a speck, is near, and does not touch an edge unless the main one does.
    """
    h, w = foreground.shape
    labels, stats = connected_components(foreground > STROKE_BODY_LEVEL)
    if len(stats) == 1:
        return np.zeros_like(foreground)
    if len(stats) == 2:  # noqa: PLR2004 - the paper and one component
        return _keep(labels > 0, foreground)
    left, top, right, bottom, _ = stats.T
    area = np.bincount(labels.ravel(), weights=foreground.ravel(), minlength=len(stats))
    area[0] = 0
    at_edge = (left == 0) | (top == 0) | (right == w) | (bottom == h)
    main = int(np.argmax(np.where(at_edge, CONFIG.weight_at_edge * area, area)))
    side = max(right[main] - left[main], bottom[main] - top[main])
    distance_x = np.maximum(left - right[main], left[main] - right)
    distance_y = np.maximum(top - bottom[main], top[main] - bottom)
    near = np.maximum(distance_x, distance_y) <= CONFIG.max_distance_of_main_side * side
    kept = (area >= CONFIG.min_area_of_main * area[main]) & near
    kept &= at_edge[main] | ~at_edge
    kept[main], kept[0] = True, False
    return _keep(kept[labels], foreground)


def _keep(body: Flags, foreground: Foreground) -> Foreground:
    return np.where(with_soft_edge(body), foreground, 0).astype(np.float32, copy=False)
