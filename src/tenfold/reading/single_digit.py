"""A picture that is one digit: the digit is found, normalised as MNIST's are, and classified."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.data.normalization import Foreground, foreground_box, normalize_digit
from tenfold.reading.components import Box, scale_box
from tenfold.reading.foreground import downscale, find_foreground, to_grey
from tenfold.reading.isolation import isolate_digit
from tenfold.reading.page import ALTERNATIVES, Digit, Number, Page, Reason

# A reading is "unsure", not "not a digit", if two digits have more of the probability than this.
MIN_PROBABILITY_OF_TWO = 0.8
SMALL_SIDE_PX = 256


@dataclass(frozen=True, eq=False)
class Crop:
    """The digit of a picture.

    Attributes:
        image: uint8[28, 28], normalised.
        box: left, top, right, bottom in the picture's pixels; None if there is nothing.
        shape: of the picture, height and width first.
        small: the picture's grey levels uint8[h, w], at most 256 pixels a side, if the box of what
            is in the picture reaches its edge.
        factor: from `small` to the picture.
    """

    image: npt.NDArray[np.uint8]
    box: Box | None
    shape: Sequence[int]
    small: Pixels | None = None
    factor: float = 1.0

    @property
    def is_cut(self) -> bool:
        """Whether the box reaches an edge of the picture."""
        left, top, right, bottom = self.box or (1, 1, 0, 0)
        return left == 0 or top == 0 or right == self.shape[1] or bottom == self.shape[0]


def crop_digit(picture: Pixels) -> Crop:
    """Find the one digit of a picture uint8[h, w] or uint8[h, w, 3]."""
    large, factor = downscale(picture)
    crop = crop_foreground(find_foreground(large), 1 / factor, picture.shape)
    if not crop.is_cut:
        return crop
    small, factor = downscale(picture, SMALL_SIDE_PX)
    # A copy, so that the picture need not be kept.
    return replace(crop, small=to_grey(small).copy(), factor=1 / factor)


def crop_foreground(foreground: Foreground, factor: float, shape: Sequence[int]) -> Crop:
    """Find the one digit of float32[h, w]; its box is scaled by `factor` to `shape`."""
    digit = isolate_digit(foreground)
    top, left, bottom, right = foreground_box(digit)
    box = scale_box((left, top, right, bottom), factor, shape) if bottom else None
    return Crop(normalize_digit(digit), box, shape)


def single_page(crop: Crop, probabilities: npt.NDArray[np.float32], min_probability: float) -> Page:
    """Return the page of a classified digit; it has no number if the picture is blank.

    Args:
        crop: the digit.
        probabilities: float32[10], calibrated.
        min_probability: of a digit that is accepted.
    """
    if crop.box is None:
        return Page(())
    order = np.argsort(-probabilities, kind="stable").tolist()
    first, second = float(probabilities[order[0]]), float(probabilities[order[1]])
    reason: Reason | None = None
    if first < min_probability:
        reason = "unsure" if first + second > MIN_PROBABILITY_OF_TWO else "not a digit"
    digit = Digit(
        digit=order[0],
        probability=first,
        probabilities=probabilities,
        box=crop.box,
        pixels=crop.image,
        accepted=reason is None,
    )
    number = Number(
        value=str(order[0]),
        text="?" if reason else str(order[0]),
        box=crop.box,
        probability=first,
        alternatives=tuple(
            (str(other), float(probabilities[other])) for other in order[1 : ALTERNATIVES + 1]
        ),
        digits=(digit,),
        reason=reason,
    )
    return Page((number,))
