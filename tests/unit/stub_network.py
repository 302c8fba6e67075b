"""A stand-in for the network that says the same of every image, a reader with it, and pictures."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
from clear_digits import clear_digit, on_paper

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.reading.reader import Reader

EVEN = [0.1] * 10
BLANK = np.full((20, 20), 255, np.uint8)
FOREGROUND = on_paper(clear_digit(3, 40), 0, 255)


class Stub:
    """In place of a network: gives the same answer to every image, and counts its calls."""

    def __init__(self, probabilities: Sequence[float], rejection_threshold: float = 0.5) -> None:
        self.config = SimpleNamespace(rejection_threshold=rejection_threshold)
        self.given: list[int] = []
        self._row = np.array(probabilities, np.float32)

    def classify(
        self, images: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        assert images.dtype == np.uint8
        assert images.shape[1:] == (28, 28)
        self.given.append(len(images))
        both = np.stack([self._row[::-1], self._row])
        return np.tile(self._row, (len(images), 1)), np.tile(both, (len(images), 1, 1))


def stub_reader(
    probabilities: Sequence[float],
    rejection_threshold: float | None = None,
    bundle_threshold: float = 0.5,
) -> Reader:
    return Reader(
        cast("OnnxClassifier", Stub(probabilities, bundle_threshold)), rejection_threshold
    )
