"""Inference of a bundle's crop classifier by ONNX Runtime."""

import numpy as np
import numpy.typing as npt

from tenfold.bundle.detector_runtime import PIXELS
from tenfold.bundle.format import PROBABILITIES, CropFacts
from tenfold.bundle.runtime import BATCH, OnnxGraph
from tenfold.model.crop_config import CROP_CLASSES, CROP_PX

KIND = "crop classifier"  # in messages
MAX_PROBABILITY = 1 + 1e-3  # 1, but for rounding


class OnnxCropClassifier:
    """Classifies crops of digits that were found by a bundle's ONNX graph. Threads may share one.

    Args:
        model: the bytes of its ONNX file.
        name: of the file, for messages.

    Raises:
        BundleError: ONNX Runtime cannot load the model, or it is no crop classifier.
    """

    def __init__(self, model: bytes, name: str = CropFacts.file_name()) -> None:
        self._graph = OnnxGraph(model, 1, name)
        self._graph.check_outputs(KIND, [PROBABILITIES])
        self._graph.try_once({PIXELS: np.zeros((1, CROP_PX, CROP_PX), np.uint8)})

    def probabilities(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the probabilities float32[n, 11] of what is in the middle of crops.

        Args:
            crops: uint8[n, 32, 32].

        Returns:
            of the ten digits, and that there is none.

        Raises:
            BundleError: the model fails, or gives no probabilities.
        """
        found = np.empty((len(crops), CROP_CLASSES), np.float32)
        for start in range(0, len(crops), BATCH):
            part = found[start : start + BATCH]
            batch = {PIXELS: crops[start : start + BATCH]}
            part[:] = self._graph.array(KIND, PROBABILITIES, batch, part.shape)
        if not ((found >= 0) & (found <= MAX_PROBABILITY)).all():
            raise self._graph.error("gives no probabilities; its weights are wrong")
        return found
