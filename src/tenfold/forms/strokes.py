"""Pen strokes in a box: whether it is ticked, and what is there besides the digits."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.forms.atlas import BoxPicture

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class StrokeConfig:
    """What counts as a stroke.

    Attributes:
        min_darkness: below the paper around it, in grey levels.
        min_darkness_share: the same as a share of how much the darkest pixels are.
        max_width: of what is no shadow, in heights of the box.
        inset: of what is looked at inside a box, as a share of the box's height: printed edges are
            left out.
        print_growth: around what is printed, as a share of the box's height.
        digit_growth: around the box of a digit, the same.
        rule_height: vertical lines that are higher are printed, the same.
        ticked_share: of a box to tick that is dark, if it is as likely ticked as not.
        tick_slope: of the logit of being ticked over the logarithm of the dark share.
        max_tick_logit: on either side: no picture says more.
    """

    min_darkness: float = 22.0
    min_darkness_share: float = 0.3
    max_width: float = 1.25
    inset: float = 0.12
    print_growth: float = 0.06
    digit_growth: float = 0.08
    rule_height: float = 0.7
    ticked_share: float = 0.04
    tick_slope: float = 4.0
    max_tick_logit: float = 8.0


CONFIG = StrokeConfig()


def dark_mask(picture: BoxPicture) -> Mask:
    """Return which pixels of a box's picture are much darker than the paper around them.

    A shadow is wider than what is written or printed. Beyond the picture it goes on as at its edge.
    """
    _, top, _, bottom = picture.box
    side = math.ceil(CONFIG.max_width * (bottom - top))
    smooth = cv2.GaussianBlur(picture.grey, (3, 3), 0)
    around = cv2.copyMakeBorder(smooth, *(side,) * 4, cv2.BORDER_REPLICATE)
    darkness = cv2.morphologyEx(around, cv2.MORPH_BLACKHAT, np.ones((side, side), np.uint8))
    darkness = darkness[side:-side, side:-side]
    least = CONFIG.min_darkness_share * float(np.percentile(darkness, 99))
    return np.asarray(darkness > max(CONFIG.min_darkness, least))


def strokes(picture: BoxPicture, blank: BoxPicture | None) -> Mask:
    """Return where somebody has written inside a box: not its edges, not print.

    Args:
        picture: of the box.
        blank: of the same box on the blank form, in the same size; None if there is none.
    """
    dark = dark_mask(picture)
    left, top, right, bottom = picture.box
    height = bottom - top
    inset = CONFIG.inset * height
    inside = np.zeros_like(dark)
    inside[
        round(top + inset) : round(bottom - inset), round(left + inset) : round(right - inset)
    ] = True
    return np.asarray(dark & inside & ~_printed(dark, blank, height))


def _printed(dark: Mask, blank: BoxPicture | None, height: float) -> Mask:
    """Return where there is print, with a margin: see `strokes`."""
    if blank is None:
        line = np.ones((max(3, round(CONFIG.rule_height * height)), 1), np.uint8)
        rules = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, line)
        return np.asarray(cv2.dilate(rules, np.ones((1, 3), np.uint8)) > 0)
    grown = 2 * round(CONFIG.print_growth * height) + 1
    printed = cv2.dilate(dark_mask(blank).astype(np.uint8), np.ones((grown, grown), np.uint8))
    if printed.shape != dark.shape:  # rounded otherwise
        printed = cv2.resize(printed, dark.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(printed > 0)


def ticked_probability(picture: BoxPicture, blank: BoxPicture | None) -> float:
    """Return the probability that a box is ticked; see `strokes`."""
    written = strokes(picture, blank)
    left, top, right, bottom = picture.box
    share = float(written.sum()) / ((right - left) * (bottom - top))
    logit = CONFIG.tick_slope * math.log((share + 1e-4) / CONFIG.ticked_share)
    limit = CONFIG.max_tick_logit
    return 1 / (1 + math.exp(-min(max(logit, -limit), limit)))


def stroke_length(written: Mask) -> float:
    """Return the length of all strokes in pixels: half of the outline."""
    contours, _ = cv2.findContours(written.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return sum(cv2.arcLength(contour, closed=True) for contour in contours) / 2


def strokes_beside(
    written: Mask, digits: Iterable[tuple[float, float, float, float]], height: float
) -> float:
    """Return the area of strokes that belong to no digit, in squares of the box's height.

    Args:
        written: see `strokes`.
        digits: their boxes: centre x, centre y, width, height.
        height: of the box.
    """
    rest = written.copy()
    grown = CONFIG.digit_growth * height
    for x, y, w, h in digits:
        left, right = (round(x + side * (w / 2 + grown)) for side in (-1, 1))
        top, bottom = (round(y + side * (h / 2 + grown)) for side in (-1, 1))
        rest[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = False
    return float(rest.sum()) / height**2
