"""Digits cut out of a picture as tutorials do it: Otsu's threshold, then connected components."""

import cv2
import numpy as np

MIN_CONTRAST = 15  # grey levels
MIN_HEIGHT = 0.4  # of the highest component; lower ones are specks
DIGIT_PX, SIDE_PX = 20, 28  # of MNIST
NEIGHBOURS = np.ones((3, 3), np.uint8)


def cut_digits(picture: np.ndarray, *, single: bool) -> list[np.ndarray]:
    """Return the digits of a picture from left to right, as MNIST's images are.

    Args:
        picture: uint8[h, w] or uint8[h, w, 3].
        single: whether only the largest connected component is taken.

    Returns:
        float32[28, 28] each, in [0, 1]; an empty list where there is nothing to see.
    """
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)  # noqa: PLR2004
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    strokes = np.abs(grey.astype(np.float32) - float(np.median(border)))
    if strokes.max() < MIN_CONTRAST:
        return []
    levels = (strokes * (255 / strokes.max())).astype(np.uint8)
    _, mask = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    x, heights, areas = (
        stats[1:, k] for k in (cv2.CC_STAT_LEFT, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
    )
    chosen = [areas.argmax()] if single else np.flatnonzero(heights >= MIN_HEIGHT * heights.max())
    return [normalize(levels, labels == 1 + k) for k in sorted(chosen, key=lambda k: x[k])]


def normalize(levels: np.ndarray, component: np.ndarray) -> np.ndarray:
    """Scale a component with its soft edge to 20 pixels, and centre it by its mass."""
    edged = cv2.dilate(component.astype(np.uint8), NEIGHBOURS)
    x, y, w, h = cv2.boundingRect(edged)
    crop = np.where(edged, levels, 0)[y : y + h, x : x + w].astype(np.float32)
    factor = DIGIT_PX / max(h, w)
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    rows, columns = np.indices(small.shape)
    right, down = ((SIDE_PX - 1) / 2 - np.average(axis, weights=small) for axis in (columns, rows))
    moved = cv2.warpAffine(small, np.float32([[1, 0, right], [0, 1, down]]), (SIDE_PX, SIDE_PX))
    return moved / max(1.0, float(moved.max()))
