"""Any picture in, digits out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from tenfold.bundle.format import SHIPPED
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.decoding import Picture, load_pixels
from tenfold.errors import DataError
from tenfold.reading.components import Box
from tenfold.reading.crops import (
    Crop,
    Layout,
    Region,
    Strokes,
    crop_digits,
    draw_strokes,
    find_digits,
    stack_images,
)

Reason = Literal["blank", "not a digit", "unsure"]

BATCH = 200  # pictures that are classified together, unless they have
MAX_CROPS_OF_BATCH = 50_000

# A reading is "unsure", not "not a digit", if two digits have more of the probability than this.
MIN_PROBABILITY_OF_TWO = 0.8
# A split is taken if its least probable digit is by more than this more probable than the whole.
MIN_GAIN_OF_SPLIT = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One digit read.

    Attributes:
        digit: the most probable digit, given even where it is rejected.
        probability: of that digit, calibrated.
        runner_up: the second most probable digit.
        box: left, top, right, bottom in the picture's pixels; None on a blank picture.
        row, column: of its cell, in a grid.
        image: uint8[28, 28], what the classifier saw.
        probabilities: float32[10], calibrated.
        members: float32[m, 10], each member's probabilities before calibration.
        rejected: whether there is a reason to reject it.
        reason: blank, not a digit, unsure, or None.
    """

    digit: int
    probability: float
    runner_up: int
    box: Box | None
    image: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]
    members: npt.NDArray[np.float32]
    reason: Reason | None
    row: int | None = None
    column: int | None = None

    @property
    def rejected(self) -> bool:
        """Whether there is a reason to reject it."""
        return self.reason is not None

    def to_dict(self, index: int) -> dict[str, Any]:
        """Return the JSON fields of a picture's reading number `index`."""
        fields = {
            "index": index,
            "box": None if self.box is None else list(self.box),
            "digit": self.digit,
            "probability": round(self.probability, 6),
            "runner_up": self.runner_up,
            "rejected": self.rejected,
            "reason": self.reason,
        }
        if self.row is not None:
            fields |= {"row": self.row, "column": self.column}
        return fields


class Reader:
    """Reads digits from pictures.

    Args:
        classifier: classifies the crops of digits.
        rejection_threshold: less probable readings are rejected; by default the bundle's.
    """

    def __init__(
        self, classifier: OnnxClassifier, rejection_threshold: float | None = None
    ) -> None:
        self.classifier = classifier
        self.rejection_threshold = (
            classifier.config.rejection_threshold
            if rejection_threshold is None
            else rejection_threshold
        )

    @classmethod
    def load(cls, path: str | Path = SHIPPED, rejection_threshold: float | None = None) -> "Reader":
        """Read a bundle folder, by default the shipped one.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
        """
        return cls(OnnxClassifier.load(path), rejection_threshold)

    def read(self, picture: Picture, layout: Layout = "line") -> list[Reading]:
        """Read one picture.

        Args:
            picture: a file's path, its bytes, a PIL image, or pixels [h, w] or [h, w, 3]:
                integers 0 … 255, or floats in [0, 1].
            layout: "line" finds any number of digits, in lines; "single" takes the picture as
                one digit; "grid" reads the cells of a printed grid.

        Returns:
            the readings in reading order; exactly one if "single", one a cell if "grid".

        Raises:
            DataError: the picture cannot be decoded, or has no grid.
        """
        return next(self.read_all([picture], layout))

    def read_strokes(self, strokes: Strokes, layout: Layout = "single") -> list[Reading]:
        """Read a drawing: polylines of points (x, y), y downwards, in any unit.

        Boxes are in pixels of a drawing whose longer side is 280.

        Raises:
            DataError: the strokes are not lists of finite points, or have no grid.
        """
        drawing = draw_strokes(strokes)
        return self._classify([crop_digits(drawing, layout, 1.0, drawing.shape)])[0]

    def read_all(
        self, pictures: Iterable[Picture], layout: Layout = "line"
    ) -> Iterator[list[Reading]]:
        """Read pictures one after the other, in constant memory; see `read`."""
        for outcome in self.outcomes(pictures, layout):
            if isinstance(outcome, DataError):
                raise outcome
            yield outcome

    def outcomes(
        self, pictures: Iterable[Picture | DataError], layout: Layout = "line"
    ) -> Iterator[list[Reading] | DataError]:
        """Do as `read_all` does, but yield the error of a picture that cannot be read.

        An error in place of a picture is yielded as it is.
        """
        if layout not in get_args(Layout):
            raise DataError(f"layout {layout!r}: use line, single or grid")
        waiting = iter(pictures)
        while found := _find_batch(waiting, layout):
            readings = iter(self._classify([f for f in found if not isinstance(f, DataError)]))
            yield from (f if isinstance(f, DataError) else next(readings) for f in found)

    def _classify(self, pictures: Sequence[list[Region]]) -> list[list[Reading]]:
        """Return the readings of each picture; all digits are classified together."""
        regions = [region for picture in pictures for region in picture]
        if not regions:
            return [[] for _ in pictures]
        resolved = iter(self.resolve(regions, *self.classifier.classify(stack_images(regions))))
        return [
            [reading for split in islice(resolved, len(picture)) for reading in split]
            for picture in pictures
        ]

    def resolve(
        self,
        regions: Sequence[Region],
        probabilities: npt.NDArray[np.float32],
        members: npt.NDArray[np.float32],
    ) -> list[list[Reading]]:
        """Resolve how each region is split.

        Args:
            regions: n crops in all.
            probabilities: float32[n, 10] of `stack_images(regions)`.
            members: float32[n, m, 10], the members' probabilities.

        Returns:
            the readings of each region's best candidate.
        """
        crops = (crop for region in regions for split in region for crop in split)
        readings = map(self._reading, crops, probabilities, members)
        return [
            best_candidate([list(islice(readings, len(split))) for split in region])
            for region in regions
        ]

    def _reading(
        self, crop: Crop, probabilities: npt.NDArray[np.float32], members: npt.NDArray[np.float32]
    ) -> Reading:
        digit, runner_up = np.argsort(probabilities)[:-3:-1].tolist()
        probability, second = float(probabilities[digit]), float(probabilities[runner_up])
        reason: Reason | None = None
        if not crop.image.any():
            reason = "blank"
        elif probability < self.rejection_threshold:
            reason = "unsure" if probability + second > MIN_PROBABILITY_OF_TWO else "not a digit"
        row, column = crop.cell or (None, None)
        return Reading(
            digit=digit,
            probability=probability,
            runner_up=runner_up,
            box=crop.box,
            image=crop.image,
            probabilities=probabilities,
            members=members,
            reason=reason,
            row=row,
            column=column,
        )


def _find_batch(
    pictures: Iterator[Picture | DataError], layout: Layout
) -> list[list[Region] | DataError]:
    """Find the digits of the next pictures, as many as are classified together."""
    found: list[list[Region] | DataError] = []
    count = 0
    for picture in islice(pictures, BATCH):
        outcome = _find(picture, layout)
        found.append(outcome)
        if not isinstance(outcome, DataError):
            count += sum(len(split) for region in outcome for split in region)
        if count >= MAX_CROPS_OF_BATCH:
            break
    return found


def _find(picture: Picture | DataError, layout: Layout) -> list[Region] | DataError:
    """Find a picture's digits, or return an error that names the picture."""
    if isinstance(picture, DataError):
        return picture
    try:
        pixels = load_pixels(picture)
    except DataError as error:
        return DataError(str(error))  # the traceback of the other holds the picture
    try:
        return find_digits(pixels, layout)
    except DataError as error:
        name = f"{picture}: " if isinstance(picture, Path | str) else ""
        return DataError(f"{name}{error}")


def best_candidate(splits: list[list[Reading]]) -> list[Reading]:
    """Choose a split by its least probable digit; the whole region if that is about as good."""

    def cost(split: list[Reading]) -> float:
        penalty = MIN_GAIN_OF_SPLIT * (len(split) > 1)
        return penalty - min(reading.probability for reading in split)

    return min(splits, key=cost)
