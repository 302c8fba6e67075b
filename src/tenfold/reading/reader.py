"""Any picture in, digits out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.bundle.format import SHIPPED
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.decoding import decode, pixels_of_image
from tenfold.data.mnist import SIDE
from tenfold.data.normalization import Foreground, foreground_box, normalize_digit
from tenfold.errors import DataError
from tenfold.reading.crops import Box, Point, draw_strokes, isolate_digit, scaled
from tenfold.reading.foreground import Pixels, downscale, stretch_levels, subtract_background
from tenfold.reading.grid import find_cells
from tenfold.reading.line_removal import find_lines, remove_lines
from tenfold.reading.segmentation import segment_digits

Layout = Literal["line", "single", "grid"]
Reason = Literal["blank", "not a digit", "unsure"]
Strokes = Sequence[Sequence[Point]]
Picture = Path | str | bytes | Image.Image | npt.NDArray[Any]

_TWO = 0.8  # of the probability on two digits: it is one of them, but which
_CUT = 0.1  # by so much must the parts of a piece be more probable than the whole
BATCH = 200  # pictures that are predicted together, and travel together in bulk


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One digit read.

    Attributes:
        digit: the likeliest, given even where it is rejected.
        probability: calibrated.
        runner_up: the next likeliest.
        box: left, top, right, bottom in the picture's pixels; None on a blank picture.
        row, column: of its cell, in a grid.
        image: uint8[28, 28], what the network saw.
        probabilities: float32[10].
        members: float32[m, 10], each member's own, before the temperature.
        rejected: whether `reason` speaks against it.
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
        """Whether the reader would rather not say."""
        return self.reason is not None

    def to_dict(self, index: int) -> dict[str, Any]:
        """Return what is told of the `index`-th reading of a picture, for JSON."""
        told = {
            "index": index,
            "box": None if self.box is None else list(self.box),
            "digit": self.digit,
            "probability": round(self.probability, 6),
            "runner_up": self.runner_up,
            "rejected": self.rejected,
            "reason": self.reason,
        }
        if self.row is not None:
            told |= {"row": self.row, "column": self.column}
        return told


@dataclass(frozen=True, eq=False)
class Crop:
    """A digit before it is read: its form uint8[28, 28], its box, its cell."""

    image: npt.NDArray[np.uint8]
    box: Box | None
    cell: tuple[int, int] | None = None


Region = list[list[Crop]]  # the ways to cut one piece of ink, mostly a single one


class Reader:
    """Reads digits from pictures.

    Args:
        classifier: classifies 28 x 28 images.
        rejection_threshold: readings less probable than this are rejected; by default
            those that the bundle rejects.
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
        """Read a bundle folder, by default the one that is shipped.

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
                one digit; "grid" goes through the cells of a printed grid.

        Returns:
            the readings in reading order; exactly one if "single", one a cell if "grid".

        Raises:
            DataError: no picture, or no grid in it.
        """
        return next(self.read_all([picture], layout))

    def read_strokes(self, strokes: Strokes, layout: Layout = "single") -> list[Reading]:
        """Read what was drawn: polylines of points (x, y), y downwards, in any unit.

        Boxes are in pixels of a drawing whose longer side is 280.

        Raises:
            DataError: what is no list of finite points; no grid in it.
        """
        ink = draw_strokes(strokes)
        ways = self._classify(crop_digits(ink, layout, 1.0, ink.shape))
        return [reading for way in ways for reading in way]

    def read_all(
        self, pictures: Iterable[Picture], layout: Layout = "line"
    ) -> Iterator[list[Reading]]:
        """Read pictures one after the other, in constant memory; see `read`."""
        for outcome in self.outcomes(pictures, layout):
            if isinstance(outcome, DataError):
                raise outcome
            yield outcome

    def outcomes(
        self, pictures: Iterable[Picture], layout: Layout = "line"
    ) -> Iterator[list[Reading] | DataError]:
        """Do as `read_all` does, but yield the error of a picture that cannot be read."""
        if layout not in get_args(Layout):
            raise DataError(f"layout {layout!r}: use line, single or grid")
        waiting = iter(pictures)
        while found := [_try(picture, layout) for picture in islice(waiting, BATCH)]:
            slots = [slot for some in found if not isinstance(some, DataError) for slot in some]
            judged = iter(self._classify(slots))
            for some in found:
                if isinstance(some, DataError):
                    yield some
                else:
                    yield [reading for way in islice(judged, len(some)) for reading in way]

    def _classify(self, slots: Sequence[Region]) -> list[list[Reading]]:
        """Predict all digits together, and settle how each slot is cut."""
        return self.resolve(slots, *self.classifier.classify(stack_images(slots))) if slots else []

    def resolve(
        self,
        slots: Sequence[Region],
        p: npt.NDArray[np.float32],
        members: npt.NDArray[np.float32],
    ) -> list[list[Reading]]:
        """Settle how each slot is cut, by the classifier's opinions of `stack_images(slots)`."""
        digits = [digit for slot in slots for way in slot for digit in way]
        order = np.argsort(p, axis=1)[:, :-3:-1]
        best = np.take_along_axis(p, order, axis=1).tolist()
        readings = map(self._reading, digits, p, members, order.tolist(), best)
        return [
            best_candidate([list(islice(readings, len(way))) for way in slot]) for slot in slots
        ]

    def _reading(
        self,
        found: Crop,
        p: npt.NDArray[np.float32],
        members: npt.NDArray[np.float32],
        order: Sequence[int],
        best: Sequence[float],
    ) -> Reading:
        reason: Reason | None = None
        if not found.image.any():
            reason = "blank"
        elif best[0] < self.rejection_threshold:
            reason = "unsure" if sum(best) > _TWO else "not a digit"
        row, column = found.cell or (None, None)
        return Reading(
            digit=order[0],
            probability=best[0],
            runner_up=order[1],
            box=found.box,
            image=found.image,
            probabilities=p,
            members=members,
            reason=reason,
            row=row,
            column=column,
        )


def load_pixels(picture: Picture) -> Pixels:
    """Return a picture's pixels, uint8[h, w] or uint8[h, w, 3].

    Raises:
        DataError: it cannot be decoded, or the array is no picture.
    """
    if isinstance(picture, str):
        picture = Path(picture)
    if isinstance(picture, Path | bytes):
        return decode(picture)
    if isinstance(picture, Image.Image):
        return pixels_of_image(picture)
    try:
        array = np.asarray(picture)
    except ValueError as error:
        raise DataError(f"no picture: {error}") from error
    if array.ndim == 3 and array.shape[2] == 1:  # noqa: PLR2004
        array = array[..., 0]
    if array.ndim == 3 and array.shape[1:] == (SIDE, SIDE):  # noqa: PLR2004
        raise DataError(f"an array of shape {array.shape} is a stack; give it to read_all")
    if array.ndim not in {2, 3} or array.size == 0 or (array.ndim == 3 and array.shape[2] != 3):  # noqa: PLR2004
        raise DataError(f"an array of shape {array.shape} is no picture; give [h, w] or [h, w, 3]")
    if array.dtype == np.uint8:
        return array
    whole = np.issubdtype(array.dtype, np.integer)
    most = 255 if whole else 1
    known = whole or array.dtype == bool or np.issubdtype(array.dtype, np.floating)
    if not known or not ((array >= 0) & (array <= most)).all():
        raise DataError(f"pixels of {array.dtype}: give integers 0 … 255 or floats in [0, 1]")
    pixels: Pixels = np.rint(array * (255 / most)).astype(np.uint8)
    return pixels


def _try(picture: Picture, layout: Layout) -> list[Region] | DataError:
    """Find a picture's digits, or return the error that names it."""
    try:
        pixels = load_pixels(picture)
    except DataError as error:
        return error
    try:
        return find_digits(pixels, layout)
    except DataError as error:
        return DataError(f"{picture}: {error}") if isinstance(picture, Path | str) else error


def best_candidate(ways: list[list[Reading]]) -> list[Reading]:
    """Choose how a piece of ink is cut: by its least probable digit, whole if that is as good."""

    def doubt(way: list[Reading]) -> float:
        return _CUT * (len(way) > 1) - min(reading.probability for reading in way)

    return min(ways, key=doubt)


def stack_images(slots: Sequence[Region]) -> npt.NDArray[np.uint8]:
    """Return what of these is to be classified, uint8[n, 28, 28]; there must be a slot."""
    return np.stack([digit.image for slot in slots for way in slot for digit in way])


def find_digits(picture: Pixels, layout: Layout) -> list[Region]:
    """Find the digits of a picture and bring each to MNIST's form."""
    small, factor = downscale(picture)
    ink = stretch_levels(subtract_background(small))
    if layout != "grid":  # whose rules are wanted
        ink = remove_lines(ink, find_lines(ink))
    return crop_digits(ink, layout, 1 / factor, picture.shape)


def crop_digits(
    ink: Foreground, layout: Layout, factor: float, shape: Sequence[int]
) -> list[Region]:
    """Part ink into digits; boxes are scaled by `factor` into a picture of `shape`."""
    if layout == "grid":
        return [
            [
                [
                    Crop(
                        normalize_digit(cell.ink),
                        scaled(cell.box, factor, shape),
                        (cell.row, cell.column),
                    )
                ]
            ]
            for cell in find_cells(ink)
        ]
    if layout == "line":
        return [
            [
                [Crop(normalize_digit(own), scaled(box, factor, shape)) for box, own in way]
                for way in ways
            ]
            for ways in segment_digits(ink)
        ]
    own = isolate_digit(ink)
    top, left, bottom, right = foreground_box(own)
    box = scaled((left, top, right, bottom), factor, shape) if bottom else None
    return [[[Crop(normalize_digit(own), box)]]]
