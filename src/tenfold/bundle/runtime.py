"""Inference of a bundle by ONNX Runtime. It needs neither torch nor safetensors."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

# ONNX Runtime's wheels send usage reports unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from tenfold.bundle.format import SHIPPED, BundleConfig, read_package
from tenfold.bundle.graph import INPUT, MEMBERS, OUTPUT, build_graph
from tenfold.data.mnist import SIDE

BATCH = 32  # images in one pass: larger passes leave the near caches, smaller ones starve threads

Probabilities = npt.NDArray[np.float32]


class OnnxClassifier:
    """Classifies images of digits by a bundle's ONNX graph. Threads may share one.

    Args:
        config: the bundle's.
        model: the bytes of its ONNX file.
        threads: CPU threads that one call uses.
    """

    def __init__(self, config: BundleConfig, model: bytes, threads: int = 1) -> None:
        self.config = config
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    @classmethod
    def load(cls, path: str | Path = SHIPPED, threads: int = 1) -> "OnnxClassifier":
        """Read a bundle folder, by default the shipped bundle `field`.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
        """
        config, weights = read_package(path)
        return cls(config, build_graph(config, weights).SerializeToString(), threads)

    def probabilities(self, images_nhw: npt.NDArray[np.uint8]) -> Probabilities:
        """Map images uint8[n, 28, 28] to calibrated probabilities float32[n, 10].

        Raises:
            ValueError: the images have another dtype or shape.
        """
        return self._run(images_nhw, (OUTPUT,))[0]

    def member_probabilities(self, images_nhw: npt.NDArray[np.uint8]) -> Probabilities:
        """Map images uint8[n, 28, 28] to each member's probabilities float32[n, members, 10].

        They are not calibrated: the temperature applies to the members' average.

        Raises:
            ValueError: the images have another dtype or shape.
        """
        return self._run(images_nhw, (MEMBERS,))[0]

    def classify(self, images_nhw: npt.NDArray[np.uint8]) -> tuple[Probabilities, Probabilities]:
        """Return `probabilities` and `member_probabilities` of one computation.

        Raises:
            ValueError: the images have another dtype or shape.
        """
        calibrated, members = self._run(images_nhw, (OUTPUT, MEMBERS))
        return calibrated, members

    def _run(
        self, images_nhw: npt.NDArray[np.uint8], outputs: Sequence[str]
    ) -> list[Probabilities]:
        if images_nhw.dtype != np.uint8 or images_nhw.shape[1:] != (SIDE, SIDE):
            given = f"{images_nhw.dtype}{list(images_nhw.shape)}"
            raise ValueError(f"images are {given}, not uint8[n, {SIDE}, {SIDE}]")
        starts = range(0, max(len(images_nhw), 1), BATCH)  # an empty batch is run too, for shapes
        parts = [
            self._session.run(outputs, {INPUT: images_nhw[start : start + BATCH]})
            for start in starts
        ]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]
