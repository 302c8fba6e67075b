"""A map that is nearly right becomes better: parts of the blank form are looked for nearby."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats
from tenfold.forms.corners import Homography
from tenfold.forms.reference import COMPARED_PX_PER_MM, ReferencePage


@dataclass(frozen=True, kw_only=True)
class RefinementConfig:
    """How parts of a page are looked for.

    Attributes:
        part_mm: side of a part.
        small_part_mm: the same where parts are only compared.
        step_mm: between the places of parts.
        reaches_mm: a part is looked for so far from its place, in one step after another.
        distance_cost: in correlation, of a part at the end of the reach: rows of a form are alike.
        parts: the most detailed ones, at most.
        min_detail: of a part: standard deviation of its foreground, 0 … 1.
        min_correlation: of a part with the picture, where it is found.
        max_error_mm: of a part that agrees with the homography.
        min_parts: that agree.
    """

    part_mm: float = 20.0
    small_part_mm: float = 8.0
    step_mm: float = 10.0
    reaches_mm: tuple[float, ...] = (3.0, 8.0, 3.0, 2.0)
    distance_cost: float = 0.15
    parts: int = 60
    min_detail: float = 0.02
    min_correlation: float = 0.5
    max_error_mm: float = 0.8
    min_parts: int = 8


CONFIG = RefinementConfig()


def correction(reference: ReferencePage, page: Floats, reach_mm: float) -> Homography | None:
    """Return where mm of a page really are on it, or None if too few parts are found.

    Args:
        reference: the page of the form.
        page: float32[h, w], the foreground of a picture as it was straightened, at
            `COMPARED_PX_PER_MM`.
        reach_mm: a part is looked for so far from its place.

    Returns:
        a map from mm to mm. It has no perspective as long as the reach is the largest.
    """
    px = COMPARED_PX_PER_MM
    side, reach = round(CONFIG.part_mm * px), round(reach_mm * px)
    known, seen = [], []
    for left, top in _parts(reference.foreground, side):
        part = reference.foreground[top : top + side, left : left + side]
        x, y = max(0, left - reach), max(0, top - reach)
        window = page[y : top + side + reach, x : left + side + reach]
        scores = cv2.matchTemplate(window, part, cv2.TM_CCOEFF_NORMED)
        rows, columns = np.indices(scores.shape)
        distance = np.hypot(columns - (left - x), rows - (top - y)) / reach
        _, _, _, place = cv2.minMaxLoc(scores - CONFIG.distance_cost * distance**2)
        if scores[place[1], place[0]] >= CONFIG.min_correlation:
            known.append((left + side / 2, top + side / 2))
            seen.append((x + side / 2 + place[0], y + side / 2 + place[1]))
    if len(known) < CONFIG.min_parts:
        return None
    source, target = np.array(known) / px, np.array(seen) / px
    if reach_mm == max(CONFIG.reaches_mm):
        affine, agree = cv2.estimateAffine2D(
            source, target, method=cv2.RANSAC, ransacReprojThreshold=2 * CONFIG.max_error_mm
        )
        change = None if affine is None else np.vstack([affine, [0, 0, 1]])
    else:
        change, agree = cv2.findHomography(source, target, cv2.RANSAC, CONFIG.max_error_mm)
    if change is None or int(agree.sum()) < CONFIG.min_parts:
        return None
    return np.asarray(change, np.float64)


def similarities_of_parts(reference: ReferencePage, page: Floats) -> npt.NDArray[np.float64]:
    """Return the correlation, -1 … 1, of each small part of a form with a straightened picture.

    What is written beside a part does not matter, and neither does a small displacement.

    Args:
        reference: the page of the form.
        page: see `correction`.
    """
    side, reach = (round(mm * COMPARED_PX_PER_MM) for mm in (CONFIG.small_part_mm, 1.0))
    scores = []
    for left, top in _parts(reference.foreground, side):
        part = reference.foreground[top : top + side, left : left + side]
        x, y = max(0, left - reach), max(0, top - reach)
        window = page[y : top + side + reach, x : left + side + reach]
        scores.append(float(cv2.matchTemplate(window, part, cv2.TM_CCOEFF_NORMED).max()))
    return np.array(scores or [0.0])


def _parts(foreground: Floats, side: int) -> Iterator[tuple[int, int]]:
    """Yield left and top of the most detailed parts of a page."""
    step = min(side // 2, round(CONFIG.step_mm * COMPARED_PX_PER_MM))
    h, w = foreground.shape
    places = [(x, y) for y in range(0, h - side, step) for x in range(0, w - side, step)]
    detail = [float(foreground[y : y + side, x : x + side].std()) for x, y in places]
    order = np.argsort(detail)[::-1][: CONFIG.parts].tolist()
    yield from (places[k] for k in order if detail[k] >= CONFIG.min_detail)
