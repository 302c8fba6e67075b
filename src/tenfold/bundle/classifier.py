"""What a reader asks of a bundle, whatever computes it."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from tenfold.bundle.format import BundleConfig


class Classifier(Protocol):
    """A bundle that classifies 28×28 images: `Predictor` in NumPy, `Session` in ONNX Runtime."""

    config: BundleConfig

    def probabilities(self, images_nhw: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 images [n, 28, 28] to calibrated probabilities float32 [n, 10]."""

    def opinions(
        self, images_nhw: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the same, and each member's own before the temperature: float32 [n, m, 10]."""
