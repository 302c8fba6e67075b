"""What is read on a page: numbers, and the digits that they are made of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tenfold.reading.components import Box

Reason = Literal["unsure", "not a digit", "does not fit"]

ALTERNATIVES = 5  # of a number, at most


@dataclass(frozen=True, kw_only=True, eq=False)
class Digit:
    """One digit of a number.

    Attributes:
        digit: the most probable digit.
        probability: of that digit, and that there is one.
        probabilities: float32[10], that there is a digit and that it is each of them.
        box: left, top, right, bottom in the picture's pixels.
        pixels: uint8[h, w], what the network saw.
        accepted: whether it is probable enough to be believed.
        printed: probability that it is printed, not handwritten; None if that was not looked for.
    """

    digit: int
    probability: float
    probabilities: npt.NDArray[np.float32]
    box: Box
    pixels: npt.NDArray[np.uint8]
    accepted: bool
    printed: float | None = None

    @property
    def runner_up(self) -> int:
        """The second most probable digit."""
        others = np.argsort(-self.probabilities, kind="stable")
        return int(others[0] if others[0] != self.digit else others[1])

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

    @property
    def probability_of_none(self) -> float:
        """How probable it is that there is no number, as far as that was among the alternatives."""
        return dict(self.alternatives).get("", 0.0)

    @property
    def printed(self) -> float | None:
        """The mean probability that its digits are printed; None if that was not looked for."""
        known = [digit.printed for digit in self.digits if digit.printed is not None]
        return sum(known) / len(known) if known else None

    def with_boxes(self, mapped: Callable[[Box], Box]) -> "Number":
        """Return it with its boxes, and those of its digits, mapped to another picture."""
        digits = tuple(replace(digit, box=mapped(digit.box)) for digit in self.digits)
        return replace(self, box=mapped(self.box), digits=digits)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON fields."""
        return {
            "text": self.text,
            "box": list(self.box),
            "probability": round(self.probability, 6),
            "accepted": self.accepted,
            "reason": self.reason,
            "printed": None if self.printed is None else round(self.printed, 6),
            "row": self.row,
            "column": self.column,
            "digits": [digit.to_dict() for digit in self.digits],
        }


@dataclass(frozen=True, eq=False)
class Page:
    """What was read in a picture.

    Attributes:
        numbers: in reading order.
        grid: rows and columns of the grid or table, if one was read.
        corners: float32[rows + 1, columns + 1, 2], where its rules cross: x and y in the picture.
    """

    numbers: tuple[Number, ...]
    grid: tuple[int, int] | None = None
    corners: npt.NDArray[np.float32] | None = None

    @property
    def probable(self) -> "Page":
        """The same page without numbers that are less probable than none."""
        numbers = (n for n in self.numbers if n.probability >= n.probability_of_none)
        return replace(self, numbers=tuple(numbers))

    @property
    def text(self) -> str:
        """The texts of all numbers, a space between two."""
        return " ".join(number.text for number in self.numbers)

    @property
    def cells(self) -> list[list[Number | None]]:
        """The cells of a grid or table, row by row; None where a cell is empty."""
        rows, columns = self.grid or (0, 0)
        cells: list[list[Number | None]] = [[None] * columns for _ in range(rows)]
        for number in self.numbers:
            if number.row is not None and number.column is not None:
                cells[number.row][number.column] = number
        return cells

    def to_dict(self, file: str | None, page: int = 1) -> dict[str, Any]:
        """Return the JSON fields of a file's page, which are counted from 1."""
        rows, columns = self.grid or (None, None)
        return {
            "file": file,
            "page": page,
            "rows": rows,
            "columns": columns,
            "numbers": [number.to_dict() for number in self.numbers],
            "error": None,
        }
