"""Probabilities by ONNX Runtime: the same network again, for servers and for other languages."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

# Its wheels report to their maker, and keep a database in the home folder, unless told so first.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from tenfold.bundle.format import SHIPPED, BundleConfig, read_package
from tenfold.bundle.graph import INPUT, MEMBERS, OUTPUT, build_graph

BATCH = 32  # images a pass: more leave the near caches, fewer leave threads without work


class Session:
    """A bundle's graph in ONNX Runtime.

    Does what `Predictor` does; safe to share between threads.

    Args:
        config: of the bundle.
        model: the bytes of its ONNX file.
        threads: of one call.
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
    def load(cls, path: str | Path = SHIPPED, threads: int = 1) -> "Session":
        """Read a bundle folder, by default the one that is shipped.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
        """
        config, weights = read_package(path)
        return cls(config, build_graph(config, weights).SerializeToString(), threads)

    def probabilities(self, images_nhw: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 images [n, 28, 28] to calibrated probabilities float32 [n, 10]."""
        return self._run(images_nhw, (OUTPUT,))[0]

    def members(self, images_nhw: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 images [n, 28, 28] to each member's probabilities float32 [n, m, 10]."""
        return self._run(images_nhw, (MEMBERS,))[0]

    def opinions(
        self, images_nhw: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return `probabilities` and `members` of one computation."""
        calibrated, own = self._run(images_nhw, (OUTPUT, MEMBERS))
        return calibrated, own

    def _run(
        self, images_nhw: npt.NDArray[np.uint8], outputs: Sequence[str]
    ) -> list[npt.NDArray[np.float32]]:
        if len(images_nhw) <= BATCH:  # none too: the graph gives arrays of the right shape
            found: list[npt.NDArray[np.float32]] = self._session.run(outputs, {INPUT: images_nhw})
            return found
        starts = range(0, len(images_nhw), BATCH)
        parts = [self._run(images_nhw[start : start + BATCH], outputs) for start in starts]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]
