"""Any picture in, numbers out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np

from tenfold.arrays import Floats, Pixels
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import OnnxCellDetector, OnnxDetector
from tenfold.bundle.format import (
    SHIPPED,
    CellDetectorFacts,
    CropFacts,
    DetectorFacts,
    LineFacts,
    find_bundle,
    find_network,
    read_network,
)
from tenfold.bundle.line_runtime import OnnxLineRecogniser
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.decoding import Picture, load_pixels
from tenfold.data.file_pages import FilePage
from tenfold.errors import DataError, TenfoldError
from tenfold.reading.classification import are_doubtful, judge_singles
from tenfold.reading.components import scale_box
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.foreground import to_grey
from tenfold.reading.grid import GridReader
from tenfold.reading.number_reader import NumberReader, NumberReaderConfig
from tenfold.reading.page import Page
from tenfold.reading.sheet import find_sheet, without_desk
from tenfold.reading.single_digit import Crop, crop_digit, crop_foreground, single_page
from tenfold.reading.strokes import Strokes, draw_strokes

Layout = Literal["numbers", "single", "grid", "table"]

T = TypeVar("T")

BATCH = 200  # pictures of one digit that are classified together


class Reader:
    """Reads pictures.

    Args:
        classifier: classifies pictures that are one digit.
        numbers: reads all others.
        cells: finds the cells of grids and tables.
        min_probability: what is less probable is not accepted; by default the bundle's thresholds.

    Raises:
        TenfoldError: the probability is not in 0 … 1.
    """

    def __init__(
        self,
        classifier: OnnxClassifier,
        numbers: NumberReader,
        cells: OnnxCellDetector,
        min_probability: float | None = None,
    ) -> None:
        self.classifier = classifier
        self.numbers = numbers
        # The crop classifier of another bundle has no say about pictures of one digit.
        is_of_bundle = numbers.classifier is classifier
        self._crop_classifier = numbers.crop_classifier if is_of_bundle else None
        self.min_probability = classifier.config.rejection_threshold
        if min_probability is not None:
            if not 0 <= min_probability <= 1:
                raise TenfoldError(f"min_probability: {min_probability} is not in 0 … 1")
            self.min_probability = min_probability
            config = replace(numbers.config, min_probability=min_probability)
            self.numbers = numbers.configured(config)
        self.grids = GridReader(cells, self.numbers)

    @classmethod
    def load(
        cls, path: str | Path = SHIPPED, min_probability: float | None = None, threads: int = 1
    ) -> "Reader":
        """Read a bundle folder, by default the shipped one.

        With a bundle without a detector, numbers are read by the shipped bundle.

        Args:
            path: the folder, or the name of a shipped bundle.
            min_probability: see `Reader`.
            threads: CPU threads that find the digits of a picture.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
            TenfoldError: the probability is not in 0 … 1.
        """
        classifier = OnnxClassifier.load(path)
        numbers = load_number_reader(path, threads, classifier)
        return cls(classifier, numbers, load_cell_detector(path, threads), min_probability)

    def read(
        self, picture: Picture, layout: Layout = "numbers", constraints: Constraints = ANYTHING
    ) -> Page:
        """Read one picture.

        Args:
            picture: a file's path, its bytes, a page of `file_pages`, a PIL image, or pixels
                [h, w] or [h, w, 3]: integers 0 … 255, or floats in [0, 1].
            layout: "numbers" finds any number of numbers; "single" takes the picture as one
                digit; "grid" reads the cells of a printed grid, one digit each; "table" those of
                a table, one number each.
            constraints: what each number may be, and how many rows and columns there are.

        Raises:
            DataError: the picture cannot be decoded, has no grid, or is a file of several pages; or
                a constraint has no effect in this layout.
        """
        return next(self.read_all([picture], layout, constraints))

    def read_strokes(
        self, strokes: Strokes, layout: Layout = "single", constraints: Constraints = ANYTHING
    ) -> Page:
        """Read a drawing: polylines of points (x, y), y downwards, in any unit.

        Boxes are in pixels of a drawing whose longer side is 280.

        Raises:
            DataError: the strokes are not lists of finite points, have no grid, or there is no such
                layout.
        """
        _check_layout(layout, constraints)
        drawing = draw_strokes(strokes)
        if layout == "single":
            (page,) = self._classify([crop_foreground(drawing, 1.0, drawing.shape)])
            return page
        return self._read_pixels(np.rint(255 - 255 * drawing).astype(np.uint8), layout, constraints)

    def read_all(
        self,
        pictures: Iterable[Picture],
        layout: Layout = "numbers",
        constraints: Constraints = ANYTHING,
    ) -> Iterator[Page]:
        """Read pictures one after the other, in constant memory; see `read`."""
        for outcome in self.outcomes(pictures, layout, constraints):
            if isinstance(outcome, DataError):
                raise outcome
            yield outcome

    def outcomes(
        self,
        pictures: Iterable[Picture | DataError],
        layout: Layout = "numbers",
        constraints: Constraints = ANYTHING,
    ) -> Iterator[Page | DataError]:
        """Do as `read_all` does, but yield the error of a picture that cannot be read.

        An error in place of a picture is yielded as it is.
        """
        _check_layout(layout, constraints)
        if layout == "single":
            crops = (_outcome(picture, crop_digit) for picture in pictures)
            while batch := list(islice(crops, BATCH)):
                yield from self._read_singles(batch)
            return
        for picture in pictures:
            yield _outcome(picture, lambda pixels: self._read_pixels(pixels, layout, constraints))

    def _read_pixels(self, pixels: Pixels, layout: Layout, constraints: Constraints) -> Page:
        if layout == "grid":
            return self.grids.read_grid(pixels, constraints)
        if layout == "table":
            return self.grids.read_table(pixels, constraints)
        grey = to_grey(pixels)
        sheet = find_sheet(grey)
        if sheet is None:
            return self._read_numbers(pixels, grey, constraints)
        if sheet.is_tilted:
            straight, in_picture = sheet.straighten(grey)
            page = self._read_numbers(straight, straight, constraints)
            if page.numbers:
                return Page(tuple(number.with_boxes(in_picture) for number in page.numbers))
        return without_desk(self._read_numbers(pixels, grey, constraints), sheet)

    def _read_numbers(self, pixels: Pixels, grey: Pixels, constraints: Constraints) -> Page:
        found = self.numbers.detect(grey)
        page = self.numbers.page(found, grey, constraints)
        is_sure = any(number.accepted for number in page.numbers)
        if len(found.boxes) != 1 or is_sure or constraints != ANYTHING:
            return page
        # Nothing else is there, so the classifier may judge the picture.
        (single,) = self._classify([crop_digit(pixels)])
        digit = str(found.classes[0].argmax())
        return single if single.text == digit and single.numbers[0].accepted else page

    def _read_singles(self, crops: Sequence[Crop | DataError]) -> Iterator[Page | DataError]:
        pages = iter(self._classify([crop for crop in crops if isinstance(crop, Crop)]))
        for crop in crops:
            yield self._checked(next(pages), crop) if isinstance(crop, Crop) else crop

    def finish_single(self, crop: Crop, probabilities: Floats) -> Page:
        """Return the page of a picture of one digit that the classifier has seen.

        Args:
            crop: its digit.
            probabilities: float32[1, 10].
        """
        (page,) = self._pages([crop], crop.image[None], probabilities)
        return self._checked(page, crop)

    def may_ask_others(self, crop: Crop, probabilities: Floats) -> bool:
        """Return whether `finish_single` may run other networks than the classifier."""
        is_judged = self._crop_classifier is not None and are_doubtful(probabilities).any()
        return bool(is_judged) or crop.small is not None

    def _checked(self, page: Page, crop: Crop) -> Page:
        """Look again with the detector, if printed lines may have kept a digit from acceptance.

        They run over the edge of the picture, and so does then the box of what was classified. If
        the detector is sure of one digit and finds nothing else, that is the result.
        """
        if not page.numbers or page.numbers[0].accepted or crop.small is None:
            return page
        found = self.numbers.read(crop.small).numbers
        sure = len(found) == 1 and found[0].accepted and len(found[0].text) == 1
        in_picture = partial(scale_box, factor=crop.factor, shape=crop.shape)
        return Page((found[0].with_boxes(in_picture),)) if sure else page

    def _classify(self, crops: Sequence[Crop]) -> list[Page]:
        if not crops:
            return []
        images = np.stack([crop.image for crop in crops])
        return self._pages(crops, images, self.classifier.probabilities(images))

    def _pages(self, crops: Sequence[Crop], images: Pixels, probabilities: Floats) -> list[Page]:
        if self._crop_classifier is not None:
            probabilities = judge_singles(self._crop_classifier, images, probabilities)
        return [
            single_page(crop, row, self.min_probability)
            for crop, row in zip(crops, probabilities, strict=True)
        ]


def load_number_reader(
    path: str | Path, threads: int = 1, classifier: OnnxClassifier | None = None
) -> NumberReader:
    """Return the reader of numbers of a bundle, or of the shipped one if it has no detector.

    All of its networks are of one bundle: the calibration was fitted with them.

    Args:
        path: see `Reader.load`.
        threads: see `Reader.load`.
        classifier: the bundle's, if it is loaded already.

    Raises:
        BundleError: a file is missing or damaged.
    """
    file, facts, model = find_network(path, DetectorFacts)
    detector = OnnxDetector(model, threads, str(file))
    if classifier is None or file.parent != find_bundle(path):
        classifier = OnnxClassifier.load(file.parent)
    line, crop = (read_network(file.parent, kind) for kind in (LineFacts, CropFacts))
    # Their crops are small: threads would wait for those of the detector, not work.
    recogniser = line and OnnxLineRecogniser(line[1], str(file.with_name(LineFacts.file_name())))
    crop_classifier = crop and OnnxCropClassifier(
        crop[1], str(file.with_name(CropFacts.file_name()))
    )
    config = NumberReaderConfig.of(facts)
    return NumberReader(detector, classifier, config, recogniser, crop_classifier)


def load_cell_detector(path: str | Path, threads: int = 1) -> OnnxCellDetector:
    """Return the cell detector of a bundle, or of the shipped one; see `load_number_reader`."""
    file, _, model = find_network(path, CellDetectorFacts)
    return OnnxCellDetector(model, threads, str(file))


def _outcome(picture: Picture | DataError, read: Callable[[Pixels], T]) -> T | DataError:
    """Decode and read a picture, or return an error that names it."""
    if isinstance(picture, DataError):
        return picture
    try:
        pixels = load_pixels(picture)
    except DataError as error:
        return DataError(str(error))  # the traceback of the other holds the picture
    try:
        return read(pixels)
    except DataError as error:
        name = f"{picture}: " if isinstance(picture, Path | str | FilePage) else ""
        return DataError(f"{name}{error}")


def _check_layout(layout: str, constraints: Constraints) -> None:
    if layout not in get_args(Layout):
        raise DataError(f"layout {layout!r}: use numbers, single, grid or table")
    if unused := constraints.without_effect(layout):
        raise DataError(f"{', '.join(unused)}: no effect in the layout {layout!r}; leave out")
