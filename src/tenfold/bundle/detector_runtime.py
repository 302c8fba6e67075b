"""Inference of a bundle's detectors by ONNX Runtime."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.bundle.format import SHIPPED, CellDetectorFacts, DetectorFacts, find_network
from tenfold.bundle.runtime import OnnxGraph
from tenfold.data.mnist import CLASSES
from tenfold.model.detector_config import SIZE_MULTIPLE_PX

# The input and the outputs of the graph.
PIXELS, OBJECTNESS, CLASS_PROBABILITIES, BOXES = "pixels", "objectness", "classes", "boxes"
CORNERS, PRINTED = "corners", "printed"


class Detections(NamedTuple):
    """Where digits and marks may be, the most certain first.

    Attributes:
        objectness: float32[n] in [0, 1].
        classes: float32[n, 14], probabilities in the order of `DETECTED_CLASSES`.
        boxes: float32[n, 4]: centre x, centre y, width, height in pixels.
        printed: float32[n], probability that it is printed, not handwritten.
    """

    objectness: Floats
    classes: Floats
    boxes: Floats
    printed: Floats

    @property
    def labels(self) -> npt.NDArray[np.intp]:
        """The index of the most probable class of each, int64[n]."""
        return np.asarray(self.classes.argmax(axis=1))

    @property
    def is_digit(self) -> npt.NDArray[np.bool_]:
        """Which are digits, not marks, bool[n]."""
        return self.labels < CLASSES

    def of(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Detections":
        """Return some of the detections."""
        return Detections(*(part[index] for part in self))


class Cells(NamedTuple):
    """Where cells of grids and tables may be, the most certain first.

    Attributes:
        objectness: float32[n] in [0, 1].
        corners: float32[n, 4, 2]: x and y in pixels, clockwise from top left.
    """

    objectness: Floats
    corners: Floats


class OnnxDetector:
    """Finds digits by a bundle's ONNX graph. Threads may share one.

    Args:
        model: the bytes of its ONNX file.
        threads: CPU threads that one call uses.
        name: of the file, for messages.

    Raises:
        BundleError: ONNX Runtime cannot load the model, or it is no detector of digits.
    """

    def __init__(
        self, model: bytes, threads: int = 1, name: str = DetectorFacts.file_name()
    ) -> None:
        outputs = (OBJECTNESS, CLASS_PROBABILITIES, BOXES, PRINTED)
        self._graph = _DetectorGraph(model, threads, name, outputs)

    def detect(self, grey: Grey, min_objectness: float) -> Detections:
        """Find digits in grey levels uint8[h, w] of any size.

        Args:
            grey: as a camera or a scanner gives them.
            min_objectness: less certain detections are left out.

        Raises:
            BundleError: the model fails, or gives no finite numbers.
        """
        return Detections(*self._graph.run(grey, min_objectness))


def shipped_detector() -> OnnxDetector:
    """Return the detector of the shipped bundle, on one thread."""
    return OnnxDetector(find_network(SHIPPED, DetectorFacts)[2])


class OnnxCellDetector:
    """Finds the cells of grids and tables; see `OnnxDetector`.

    Raises:
        BundleError: ONNX Runtime cannot load the model, or it is no detector of cells.
    """

    def __init__(
        self, model: bytes, threads: int = 1, name: str = CellDetectorFacts.file_name()
    ) -> None:
        self._graph = _DetectorGraph(model, threads, name, (OBJECTNESS, CORNERS))

    def detect(self, grey: Grey, min_objectness: float) -> Cells:
        """Find cells in grey levels uint8[h, w] of any size; see `OnnxDetector.detect`."""
        objectness, corners = self._graph.run(grey, min_objectness)
        return Cells(objectness, corners.reshape(-1, 4, 2))


class _DetectorGraph:
    def __init__(self, model: bytes, threads: int, name: str, outputs: tuple[str, ...]) -> None:
        self._graph, self._outputs = OnnxGraph(model, threads, name), outputs
        self._graph.check_outputs("detector", outputs)
        self._graph.try_once({PIXELS: np.zeros((1, SIZE_MULTIPLE_PX, SIZE_MULTIPLE_PX), np.uint8)})

    def run(self, grey: Grey, min_objectness: float) -> list[Floats]:
        """Return the outputs of what has so much objectness."""
        h, w = grey.shape
        below, right = -h % SIZE_MULTIPLE_PX, -w % SIZE_MULTIPLE_PX
        padded = cv2.copyMakeBorder(grey, 0, below, 0, right, cv2.BORDER_REPLICATE)
        outputs = self._graph.run(self._outputs, {PIXELS: padded[None]})
        objectness = outputs[0][0]
        found = [part[0][objectness >= min_objectness] for part in outputs]
        if not all(np.isfinite(part).all() for part in found):
            raise self._graph.error("gives no finite numbers; its weights are wrong")
        return found
