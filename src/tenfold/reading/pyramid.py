"""Detection of digits of any size: a picture is looked at in several sizes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.data.mnist import CLASSES
from tenfold.reading.suppression import SuppressionConfig, suppress

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SCALE_STEP = 0.95
LEAST_ABSENCE = 1e-6
CERTAIN = 0.5
LOWER_QUARTILE = 0.25


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
        objectness_logit: slope and intercept that make a probability of objectness. A network that
            has learned with focal loss gives values that are too low.
        max_pixels: of the largest size, its margins included.
        max_enlargement: of small pictures.
        small_px: a picture is enlarged only if its digits are lower, or none is found.
        step: from one size to the next smaller one.
        margin_px: copied around each size, so that no digit lies at the edge.
        merging: when detections of several sizes are of one object.
    """

    min_objectness: float = 0.15
    digit_heights_px: tuple[float, float] = (10.0, 60.0)
    preferred_height_px: float = 28.0
    preferred_mark_px: float = 7.0
    height_tolerance: float = 1.0
    objectness_logit: tuple[float, float] = (1.0, 0.5)
    max_pixels: float = 1.6e6
    max_enlargement: float = 2.0
    small_px: float = 20.0
    step: float = 0.5
    margin_px: int = 8
    merging: SuppressionConfig = field(default_factory=SuppressionConfig)


def detect_digits(
    detector: OnnxDetector, grey: Grey, config: PyramidConfig = PyramidConfig()
) -> Detections:
    """Find digits and marks in a picture uint8[h, w]; boxes are in its pixels.

    What is found in several sizes is given once, the most certain first.
    """
    sizes = list(scales(grey.shape, config))
    plain = [scale for scale in sizes if scale <= 1] or sizes
    found = [_detect_at(detector, grey, scale, config) for scale in plain]
    merged = _merge(found, config)
    enlarged = sizes[: len(sizes) - len(plain)]
    if not enlarged or not _are_small(merged, config):
        return merged
    more = [_detect_at(detector, grey, scale, config) for scale in enlarged]
    return _merge(more + found, config)


def _merge(found: Sequence[Detections], config: PyramidConfig) -> Detections:
    every = Detections(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    merging = replace(config.merging, min_objectness=config.min_objectness)
    kept = every.of(suppress(every.objectness, every.boxes, merging))
    return kept._replace(objectness=_probability(kept.objectness, config.objectness_logit))


def _are_small(found: Detections, config: PyramidConfig) -> bool:
    """Return whether digits are small, or none is certain."""
    certain = (found.classes.argmax(axis=1) < CLASSES) & (found.objectness > CERTAIN)
    heights = found.boxes[certain, 3]
    return not len(heights) or float(np.quantile(heights, LOWER_QUARTILE)) < config.small_px


def _probability(objectness: Floats, logit: tuple[float, float]) -> Floats:
    slope, intercept = logit
    odds = objectness / np.maximum(1 - objectness, LEAST_ABSENCE)
    return np.asarray(1 - 1 / (1 + math.exp(intercept) * odds**slope), np.float32)


def scales(shape: tuple[int, ...], config: PyramidConfig) -> Iterator[float]:
    """Yield the sizes of a picture of `shape`, as factors, the largest first."""
    h, w = shape[:2]
    margins = 2 * config.margin_px
    scale = config.max_enlargement
    while (max(1, h * scale) + margins) * (max(1, w * scale) + margins) > config.max_pixels:
        scale *= SCALE_STEP
    while True:
        yield scale
        scale *= config.step
        # One digit may fill the picture's height.
        if h * scale < config.preferred_height_px:
            return


def resize(grey: Grey, scale: float) -> Grey:
    """Return the picture in another size."""
    if scale == 1:
        return grey
    h, w = grey.shape
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, size, interpolation=interpolation), np.uint8)


def _detect_at(
    detector: OnnxDetector, grey: Grey, scale: float, config: PyramidConfig
) -> Detections:
    margin = config.margin_px
    small = cv2.copyMakeBorder(
        resize(grey, scale), margin, margin, margin, margin, cv2.BORDER_REPLICATE
    )
    found = detector.detect(np.asarray(small, np.uint8), config.min_objectness)
    boxes = found.boxes
    low, high = config.digit_heights_px
    height = boxes[:, 2:].max(axis=1)
    is_mark = found.classes[:, CLASSES:].sum(axis=1) > 0.5  # noqa: PLR2004
    known = (height < high) & ((height >= low) | is_mark)
    preferred = np.where(is_mark, config.preferred_mark_px, config.preferred_height_px)
    octaves = np.log2(height / preferred)
    weight = np.exp(-0.5 * (octaves / config.height_tolerance) ** 2)
    shift = np.array([margin, margin, 0, 0], np.float32)
    boxes = ((boxes - shift) / scale).astype(np.float32)
    return Detections(found.objectness * weight, found.classes, boxes).of(known)
