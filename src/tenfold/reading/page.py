"""What is read on a page: numbers, and the digits that they are made of."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tenfold.reading.components import Box

Reason = Literal["unsure", "ambiguous", "does not fit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Digit:
    """One digit of a number.

    Attributes:
        digit: the most probable digit.
        probability: of that digit, and that there is one.
        runner_up: the second most probable digit.
        box: left, top, right, bottom in the picture's pixels.
        pixels: uint8[h, w], the grey levels in the box.
        accepted: whether it is probable enough to be believed.
    """

    digit: int
    probability: float
    runner_up: int
    box: Box
    pixels: npt.NDArray[np.uint8]
    accepted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON fields."""
        return {
            "digit": self.digit,
            "probability": round(self.probability, 6),
            "box": list(self.box),
            "runner_up": self.runner_up,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Number:
    """Digits that stand together, with the marks between them.

    Attributes:
        value: the most probable text, given even where it is not accepted.
        text: the same, with `?` for each digit that is not accepted.
        box: left, top, right, bottom in the picture's pixels.
        probability: that all of the text is right, calibrated.
        alternatives: other texts with their probabilities, the most probable first.
        digits: from left to right, without marks.
        accepted: whether the number is probable enough to be believed.
        reason: why it is not accepted; None if it is.
        row, column: of its cell, in a grid or a table.
    """

    value: str
    text: str
    box: Box
    probability: float
    alternatives: tuple[tuple[str, float], ...]
    digits: tuple[Digit, ...]
    reason: Reason | None = None
    row: int | None = None
    column: int | None = None

    @property
    def accepted(self) -> bool:
        """Whether there is no reason against it."""
        return self.reason is None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON fields."""
        return {
            "text": self.text,
            "box": list(self.box),
            "probability": round(self.probability, 6),
            "accepted": self.accepted,
            "reason": self.reason,
            "row": self.row,
            "column": self.column,
            "digits": [digit.to_dict() for digit in self.digits],
        }


@dataclass(frozen=True, eq=False)
class Page:
    """What was read in a picture.

    Attributes:
        numbers: in reading order.
    """

    numbers: tuple[Number, ...]

    def to_dict(self, file: str) -> dict[str, Any]:
        """Return the JSON fields of a file's page."""
        return {"file": file, "numbers": [n.to_dict() for n in self.numbers], "error": None}
