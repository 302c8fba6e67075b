"""Limits of what is read in one picture: its time and memory are bounded.

A page of digits stays far below them. They are counted after small specks are gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tenfold.data.normalization import Foreground
from tenfold.errors import DataError


@dataclass(frozen=True, kw_only=True)
class ReadingLimits:
    """The most that a picture may have; above, it is refused.

    Attributes:
        max_components: connected components of a digit's size.
        max_lines: lines of digits.
        max_crops: digits, those of all candidate splits counted.
        max_box_area_px: sum of the areas of boxes; it is large where they lie in each other. The
            picture has at most 2.6 million pixels when digits are searched for.
    """

    max_components: int = 2500
    max_lines: int = 256
    max_crops: int = 4096
    max_box_area_px: int = 40_000_000


CONFIG = ReadingLimits()


def check_count(count: int, limit: int, what: str) -> None:
    """Raise a DataError if a picture has more than `limit` of something."""
    if count > limit:
        raise DataError(f"more than {limit} {what}: crop the picture to its digits")


def check_area(area_px: int) -> None:
    """Raise a DataError if boxes lie in each other more than those of digits do."""
    if area_px > CONFIG.max_box_area_px:
        raise DataError("too many marks lie in each other: crop the picture to its digits")


class CropCounter:
    """Counts the crops of a picture."""

    def __init__(self) -> None:
        self._count = self._area = 0

    def add(self, crops: Iterable[Foreground]) -> None:
        """Count the crops of a region.

        Raises:
            DataError: a limit is passed.
        """
        for crop in crops:
            self._count += 1
            self._area += crop.size
        check_count(self._count, CONFIG.max_crops, "possible digits")
        check_area(self._area)
