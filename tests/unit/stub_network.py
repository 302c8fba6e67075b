"""Stand-ins for the networks that give the same answer to every picture, and a reader with them."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
from clear_digits import clear_digit, on_paper

from tenfold.bundle.detector_runtime import Cells, Detections, OnnxCellDetector, OnnxDetector
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.reading.classification import ClassificationConfig
from tenfold.reading.number_reader import NumberReader, NumberReaderConfig
from tenfold.reading.pyramid import PyramidConfig
from tenfold.reading.reader import Reader

EVEN = [0.1] * 10
BLANK = np.full((20, 20), 255, np.uint8)
FOREGROUND = on_paper(clear_digit(3, 40), 0, 255)
PAGE = np.full((200, 400), 255, np.uint8)  # the stub detector's boxes are in its pixels

Detected = tuple[float, float, dict[str, float]]  # centre x, objectness, probabilities


class Stub:
    """In place of the classifier: gives the same probabilities, and counts the images it sees."""

    def __init__(self, probabilities: Sequence[float], rejection_threshold: float = 0.5) -> None:
        self.config = SimpleNamespace(rejection_threshold=rejection_threshold)
        self.given: list[int] = []
        self._row = np.array(probabilities, np.float32)

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        assert images.dtype == np.uint8
        assert images.shape[1:] == (28, 28)
        self.given.append(len(images))
        return np.tile(self._row, (len(images), 1))


class CropStub:
    """In place of the crop classifier: gives the same probabilities, and counts the crops.

    What is left of the ten digits' probabilities is that there is none.
    """

    def __init__(self, probabilities: Sequence[float]) -> None:
        self.given: list[int] = []
        self._row = np.array([*probabilities, 1 - sum(probabilities)], np.float32)

    def probabilities(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        assert crops.shape[1:] == (32, 32)
        self.given.append(len(crops))
        self.seen = crops
        return np.tile(self._row, (len(crops), 1))


class StubDetector:
    """In place of the detector: finds the same in every size of a picture of `shape`."""

    def __init__(self, found: Detections, shape: tuple[int, ...] = PAGE.shape) -> None:
        self._found = found
        self._shape = shape

    def detect(self, grey: npt.NDArray[np.uint8], min_objectness: float) -> Detections:
        assert grey.dtype == np.uint8
        margin = PyramidConfig().margin_px
        scale = (grey.shape[0] - 2 * margin) / self._shape[0]
        boxes = self._found.boxes * scale + np.array([margin, margin, 0, 0], np.float32)
        found = self._found._replace(boxes=boxes.astype(np.float32))
        return found.of(found.objectness >= min_objectness)


def detections(
    *characters: Detected, y: float = 100, size: tuple[float, float] = (16, 28)
) -> Detections:
    """Place characters on a line whose middle is at `y`; each is (centre x, objectness, classes).

    The width and height of 28 pixels are those of which the reader is surest.
    """
    classes = np.zeros((len(characters), len(DETECTED_CLASSES)), np.float32)
    for row, (_, _, probabilities) in zip(classes, characters, strict=True):
        for character, probability in probabilities.items():
            row[DETECTED_CLASSES.index(character)] = probability
    boxes = np.array([(x, y, *size) for x, _, _ in characters], np.float32).reshape(-1, 4)
    objectness = np.array([o for _, o, _ in characters], np.float32)
    return Detections(objectness, classes, boxes, np.zeros(len(boxes), np.float32))


def surely(text: str, left: float = 50, objectness: float = 1.0) -> Detections:
    """Place a text, its characters 20 pixels apart, with no doubt which each is."""
    return detections(*((left + 20 * k, objectness, {c: 1.0}) for k, c in enumerate(text)))


NOTHING = surely("")
# The classifier knows nothing, so a digit is as probable as the detector finds it.
CONFIG = NumberReaderConfig(classification=ClassificationConfig(detector_weight=1, crop_weight=0))


def no_cells() -> OnnxCellDetector:
    """Return a detector that finds no cells."""
    nothing = Cells(np.zeros(0, np.float32), np.zeros((0, 4, 2), np.float32))
    return cast("OnnxCellDetector", SimpleNamespace(detect=lambda *_: nothing))


def stub_number_reader(
    found: Detections,
    config: NumberReaderConfig = CONFIG,
    shape: tuple[int, ...] = PAGE.shape,
) -> NumberReader:
    """Return a reader of numbers that finds `found` in every picture of `shape`."""
    detector = cast("OnnxDetector", StubDetector(found, shape))
    return NumberReader(detector, cast("OnnxClassifier", Stub(EVEN)), config)


def stub_reader(
    probabilities: Sequence[float] = EVEN,
    min_probability: float | None = None,
    bundle_threshold: float = 0.5,
    found: Detections = NOTHING,
) -> Reader:
    """Return a reader: every one digit has `probabilities`, every `PAGE` the numbers `found`."""
    classifier = cast("OnnxClassifier", Stub(probabilities, bundle_threshold))
    return Reader(classifier, stub_number_reader(found), no_cells(), min_probability)
