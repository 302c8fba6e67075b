"""Detection of digits of any size: a picture is looked at in several sizes.

First the whole picture, at most at its own resolution, and in ever smaller sizes: they show large
digits. Then, enlarged, only the regions in which small digits were found.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.data.mnist import CLASSES
from tenfold.reading.components import Box, connected_components
from tenfold.reading.foreground import resize
from tenfold.reading.suppression import SuppressionConfig, suppress


@dataclass(frozen=True)
class PyramidConfig:
    """In which sizes a picture is looked at.

    Attributes:
        min_objectness: less certain detections are left out.
        digit_heights_px: of digits that the detector knows, from the smallest to the largest.
        preferred_height_px: of two detections of one object, the one of nearer height wins.
        preferred_mark_px: the same for the longer side of points, minus signs and the like.
        height_tolerance: how fast a detection's weight falls with its distance from the preferred
            height: the standard deviation of log2(height).
        small_height_px: regions with digits that are smaller are enlarged and looked at again.
        min_gain: how much larger a region is then than before.
        large_height_px: a higher picture is also looked at in a smaller size.
        low_height_px: a lower picture in which nothing is found is enlarged as a whole.
        max_pixels: of one look, its margins included.
        scale_step: by which a larger picture is made smaller until it has so few.
        max_enlargement: of a picture.
        margin_px: put around what is looked at, so that no digit lies at the edge.
        merging: when detections of several sizes are of one object.
    """

    min_objectness: float = 0.15
    digit_heights_px: tuple[float, float] = (10.0, 60.0)
    preferred_height_px: float = 28.0
    preferred_mark_px: float = 7.0
    height_tolerance: float = 1.0
    small_height_px: float = 16.0
    min_gain: float = 1.25
    large_height_px: float = 46.0
    low_height_px: float = 64.0
    max_pixels: float = 1.6e6
    scale_step: float = 0.95
    max_enlargement: float = 2.0
    margin_px: int = 8
    merging: SuppressionConfig = field(default_factory=SuppressionConfig)


def detect_digits(
    detector: OnnxDetector, grey: Grey, config: PyramidConfig = PyramidConfig()
) -> Detections:
    """Find digits and marks in a picture uint8[h, w]; boxes are in its pixels.

    What is found in several sizes is given once, the most certain first.
    """
    sizes = list(scales(grey.shape, config))
    looks, small = [], grey
    for before, scale in itertools.pairwise([1.0, *sizes]):
        small = resize(small, scale / before)  # from the size before: there is less to read
        looks.append(_detect_at(detector, small, scale, config))
    scale, last = sizes[0], looks[:1]
    while regions := small_regions(_joined(last), scale, grey.shape, config):
        area = sum((right - left) * (bottom - top) for left, top, right, bottom in regions)
        larger = min(2 * scale, config.max_enlargement, math.sqrt(config.max_pixels / area))
        if larger < config.min_gain * scale:
            break
        scale = larger
        last = [_detect_in(detector, grey, region, scale, config) for region in regions]
        looks += last
    found = _joined(looks)
    ranks = np.concatenate([look.rank for look in looks])
    return found.of(suppress(ranks, found.boxes, found.labels, config.merging, found.objectness))


def scales(shape: tuple[int, ...], config: PyramidConfig) -> Iterator[float]:
    """Yield the sizes of a picture of `shape`, as factors, each half of the one before.

    In the smallest one a digit that is as high as the picture is not too large.
    """
    h, w = shape[:2]
    margins = 2 * config.margin_px
    scale = 1.0
    while (max(1, h * scale) + margins) * (max(1, w * scale) + margins) > config.max_pixels:
        scale *= config.scale_step
    while True:
        yield scale
        if h * scale <= config.large_height_px:
            return
        scale /= 2


def small_regions(
    found: Detections, scale: float, shape: tuple[int, ...], config: PyramidConfig
) -> list[Box]:
    """Return the parts of a picture of `shape` in which digits are small at a scale.

    In a low picture nothing may be found because it is small: it is one such part.
    """
    h, w = shape[:2]
    if not len(found.boxes):
        return [(0, 0, w, h)] if h * scale < config.low_height_px else []
    small = found.is_digit & (found.boxes[:, 3] * scale < config.small_height_px)
    if not small.any():
        return []
    cell = max(1, round(config.small_height_px / scale))  # as large as a small digit
    x, y = (found.boxes[small, :2] / cell).astype(int).T
    near = np.zeros((h // cell + 1, w // cell + 1), np.uint8)
    near[y.clip(0, h // cell), x.clip(0, w // cell)] = 1
    near = np.asarray(cv2.dilate(near, np.ones((3, 5), np.uint8)), np.uint8)
    _, boxes = connected_components(near > 0)
    regions = (boxes[1:, :4] * cell).tolist()
    return [(left, top, min(w, right), min(h, bottom)) for left, top, right, bottom in regions]


def with_margin(grey: Grey, margin: int) -> Grey:
    """Put a margin around uint8[h, w], as light as most of its edge: a digit there stays whole."""
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    level = int(np.sort(edge)[len(edge) // 2])
    sides = (margin,) * 4
    return np.asarray(cv2.copyMakeBorder(grey, *sides, cv2.BORDER_CONSTANT, value=level), np.uint8)


class _Look(NamedTuple):
    """What was found in one size; of detections of one object, that of the highest rank stays."""

    found: Detections
    rank: Floats


def _detect_in(
    detector: OnnxDetector, grey: Grey, region: Box, scale: float, config: PyramidConfig
) -> _Look:
    """Look at a part of a picture; what its edge cuts is left out."""
    left, top, right, bottom = region
    small = resize(grey[top:bottom, left:right], scale)
    found, rank = _detect_at(detector, small, scale, config, (left, top))
    whole = ~is_cut(found.boxes, region, grey.shape)
    return _Look(found.of(whole), rank[whole])


def _detect_at(
    detector: OnnxDetector,
    small: Grey,
    scale: float,
    config: PyramidConfig,
    corner: tuple[int, int] = (0, 0),
) -> _Look:
    """Look at what was resized by `scale`; in the picture its top left corner is `corner`."""
    margin = config.margin_px
    found = detector.detect(with_margin(small, margin), config.min_objectness)
    low, high = config.digit_heights_px
    height = found.boxes[:, 2:].max(axis=1)
    is_mark = found.classes[:, CLASSES:].sum(axis=1) > 0.5  # noqa: PLR2004
    left, top = (at - margin / scale for at in corner)
    boxes = found.boxes / np.float32(scale) + np.array([left, top, 0, 0], np.float32)
    known = (height < high) & ((height >= low) | is_mark)
    preferred = np.where(is_mark, config.preferred_mark_px, config.preferred_height_px)
    octaves = np.log2(height / preferred)
    rank = found.objectness * np.exp(-0.5 * (octaves / config.height_tolerance) ** 2)
    return _Look(found._replace(boxes=boxes).of(known), rank[known])


def is_cut(boxes: Floats, region: Box, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return which boxes reach over an edge of a region that is no edge of the picture."""
    left, top, right, bottom = region
    first, last = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    cut = (first < (left, top)) & (np.array((left, top)) > 0)
    cut |= (last > (right, bottom)) & (np.array((right, bottom)) < shape[1::-1])
    return np.asarray(cut.any(axis=1))


def _joined(looks: Sequence[_Look]) -> Detections:
    if len(looks) == 1:
        return looks[0].found
    parts = zip(*(look.found for look in looks), strict=True)
    return Detections(*(np.concatenate(part) for part in parts))
