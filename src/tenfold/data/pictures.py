"""Labelled pictures of any size, to measure a reader with."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from tenfold.errors import DataError

Kind = Literal["single", "number", "grid", "table", "non-digit"]
Labelled = tuple[npt.NDArray[np.uint8], str]
"""A picture, uint8[h, w] grey or uint8[h, w, 3] RGB, and its label."""

_NUMBER = "-?[.]?[0-9]+([.:-][0-9]+)*"
_CELL = "[0-9.:-]*"  # a number, or nothing; a slash parts the rows of a table
# For each kind: the pattern of its labels, and its description in messages.
LABEL_PATTERNS: dict[Kind, tuple[str, str]] = {
    "non-digit": ("", "nothing"),
    "single": ("[0-9]", "one digit"),
    "grid": ("[0-9.]{81}", "81 digits and dots"),
    "number": (f"({_NUMBER}( {_NUMBER})*)?", "digits with marks . : - between, or nothing"),
    "table": (
        f"{_CELL}([,/]{_CELL})+",
        "rows parted by /, all with as many cells parted by commas",
    ),
}


@dataclass(frozen=True, eq=False)
class Pictures:
    """Labelled pictures.

    What a label is depends on the kind. ``single``: the digit. ``number``: the digits in reading
    order, "" if there are none. ``grid``: 81 characters, row by row, "." for a blank cell.
    ``table``: rows parted by "/", their cells by ",", nothing in an empty cell: "12,,7/3,4,".
    ``non-digit``: "", since nothing in the picture is a digit.

    Args:
        pictures: uint8[h, w] grey or uint8[h, w, 3] RGB each.
        labels: one a picture.
        name: what reports call it, such as ``documents``.
        source: where it came from.
        kind: what the pictures show.

    Raises:
        DataError: a wrong dtype or shape, another number of labels, or a label that the kind
            does not have.
    """

    pictures: tuple[npt.NDArray[np.uint8], ...]
    labels: tuple[str, ...]
    name: str
    source: str
    kind: Kind

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.pictures):
            found = f"{len(self.labels)} labels for {len(self.pictures)}"
            raise DataError(f"{self.name}: {found} pictures; give one each")
        pattern, description = LABEL_PATTERNS[self.kind]
        for index, (picture, label) in enumerate(zip(self.pictures, self.labels, strict=True)):
            colour = picture.ndim == 3 and picture.shape[2] == 3  # noqa: PLR2004
            if picture.dtype != np.uint8 or not picture.size or not (picture.ndim == 2 or colour):  # noqa: PLR2004
                found = f"{picture.dtype} {list(picture.shape)}"
                raise DataError(
                    f"{self.name}: picture {index} must be uint8 [h, w] or [h, w, 3], not {found}"
                )
            ragged = len({row.count(",") for row in label.split("/")}) > 1
            if ragged or not re.fullmatch(pattern, label):
                expected = f"{self.kind} pictures have {description}"
                raise DataError(f"{self.name}: label {index} is {label!r}; {expected}")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all pictures: of each, a line of text with shape and label, then its bytes."""
        digest = hashlib.sha256()
        for picture, label in zip(self.pictures, self.labels, strict=True):
            digest.update(f"{'x'.join(map(str, picture.shape))} {label}\n".encode())
            digest.update(np.ascontiguousarray(picture).data)
        return digest.hexdigest()
