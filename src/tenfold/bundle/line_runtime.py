"""Inference of a bundle's line recogniser by ONNX Runtime."""

import numpy as np
import numpy.typing as npt

from tenfold.bundle.detector_runtime import PIXELS
from tenfold.bundle.format import LineFacts
from tenfold.bundle.runtime import OnnxGraph
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.line_config import LINE_HEIGHT_PX, LINE_STEP_PX, LINE_WIDTH_MULTIPLE_PX

KIND = "line recogniser"  # in messages
LOG_PROBABILITIES = "log_probabilities"  # the output of the graph
MAX_LOG_PROBABILITY = 1e-3  # 0, but for rounding


class OnnxLineRecogniser:
    """Reads crops of lines by a bundle's ONNX graph. Threads may share one.

    Args:
        model: the bytes of its ONNX file.
        name: of the file, for messages.

    Raises:
        BundleError: ONNX Runtime cannot load the model, or it is no line recogniser.
    """

    def __init__(self, model: bytes, name: str = LineFacts.file_name()) -> None:
        self._graph = OnnxGraph(model, 1, name)
        self._graph.check_outputs(KIND, [LOG_PROBABILITIES])
        self._graph.try_once(
            {PIXELS: np.zeros((1, LINE_HEIGHT_PX, LINE_WIDTH_MULTIPLE_PX), np.uint8)}
        )

    def log_probabilities(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Read uint8[n, 32, w], w a multiple of 8.

        Returns:
            float32[n, w / 2, 15], of no character and of the `DETECTED_CLASSES` at each step.

        Raises:
            BundleError: the model fails, or gives no finite numbers.
        """
        shape = (len(crops), crops.shape[2] // LINE_STEP_PX, 1 + len(DETECTED_CLASSES))
        found = self._graph.array(KIND, LOG_PROBABILITIES, {PIXELS: crops}, shape)
        if not (np.isfinite(found).all() and (found <= MAX_LOG_PROBABILITY).all()):
            raise self._graph.error("gives no log-probabilities; its weights are wrong")
        return found
