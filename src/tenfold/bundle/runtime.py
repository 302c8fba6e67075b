"""Inference of a bundle by ONNX Runtime. It needs neither torch, safetensors nor onnx."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

# ONNX Runtime's wheels send usage reports unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from tenfold.bundle.format import (
    CONFIG_FILE,
    IMAGES,
    MEMBERS,
    MODEL_FILE,
    PROBABILITIES,
    SHIPPED,
    BundleConfig,
    find_bundle,
    read_model,
    shipped_networks,
)
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.errors import BundleError

BATCH = 32  # images in one pass: larger passes leave the near caches, smaller ones starve threads

Arrays = Mapping[str, npt.NDArray[Any]]
Probabilities = npt.NDArray[np.float32]
T = TypeVar("T")

_SILENT = 4  # log only what ends the process: other errors are raised
# A model may ask for any amount: this bounds the weights and activations of all in the process.
MEMORY_BYTES = 768 * 2**20
onnxruntime.create_and_register_allocator(
    onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    ),
    onnxruntime.OrtArenaCfg({"max_mem": MEMORY_BYTES}),
)
TRIAL_SECONDS = 10
MAX_SLOWDOWN = 6
POLL_SECONDS = 0.05
_SESSION_CONFIG = {
    "session.load_model_format": "ONNX",
    "session.use_env_allocators": "1",
    # A model's external data is looked for in this folder. There is none: no other file is read.
    "session.model_external_initializers_file_folder_path": os.devnull,
}


class OnnxGraph:
    """A graph of a bundle, opened on the CPU; it reads no other file. Threads may share one.

    Constants of the shipped networks, whose weights have eight bits, are folded when it is opened.
    Those of others are not: that would be a computation without a limit of time or memory.

    Its methods raise a `BundleError` with the file's name if ONNX Runtime fails.
    """

    def __init__(self, model: bytes, threads: int, name: str) -> None:
        self._name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _SILENT
        for key, value in _SESSION_CONFIG.items():
            options.add_session_config_entry(key, value)
        try:
            self._session = _within(TRIAL_SECONDS, lambda: _load(model, options))
        except Exception as error:  # its exceptions share no other base class
            raise self.error("cannot be loaded", error) from error
        self.inputs = _signature(self._session.get_inputs())
        self.outputs = _signature(self._session.get_outputs())

    def try_once(self, inputs: Arrays) -> None:
        """Run it with limits of time and memory."""
        run = onnxruntime.RunOptions()
        try:
            _within(TRIAL_SECONDS, lambda: self._session.run(None, dict(inputs), run), stop=run)
        except Exception as error:
            raise self.error("failed", error) from error

    def run(self, outputs: Sequence[str], inputs: Arrays) -> list[Any]:
        """Return some of its outputs."""
        try:
            return list(self._session.run(outputs, inputs))
        except Exception as error:
            raise self.error("failed", error) from error

    def array(
        self, kind: str, output: str, inputs: Arrays, shape: tuple[int, ...]
    ) -> npt.NDArray[np.float32]:
        """Return an output; raise an error unless it is float32 of the shape of this kind."""
        (found,) = self.run([output], inputs)
        if not isinstance(found, np.ndarray) or (found.dtype, found.shape) != (np.float32, shape):
            raise self.error(f"is no {kind}; its output has another shape")
        return found

    def check_outputs(self, kind: str, expected: Sequence[str]) -> None:
        """Raise an error if a graph of this kind has other outputs."""
        found = sorted(name for name, *_ in self.outputs)
        if found != sorted(expected):
            raise self.error(f"is no {kind}; its outputs are {', '.join(found)}")

    def error(self, what: str, reason: Exception | None = None) -> BundleError:
        """Return one line that says what is wrong with the file."""
        because = [] if reason is None else [" ".join(str(reason).split())]
        return BundleError(": ".join([self._name, what, *because]))


class OnnxClassifier:
    """Classifies images of digits by a bundle's ONNX graph. Threads may share one.

    Args:
        config: the bundle's.
        model: the bytes of its ONNX file.
        threads: CPU threads that one call uses.
        name: of the file, for messages.

    Raises:
        BundleError: ONNX Runtime cannot load the model, or it does not fit the config.
    """

    def __init__(
        self, config: BundleConfig, model: bytes, threads: int = 1, name: str = MODEL_FILE
    ) -> None:
        self.config = config
        self._graph = OnnxGraph(model, threads, name)
        expected = (
            [(IMAGES, "tensor(uint8)", [SIDE, SIDE])],
            [
                (PROBABILITIES, "tensor(float)", [CLASSES]),
                (MEMBERS, "tensor(float)", [len(config.members), CLASSES]),
            ],
        )
        if (self._graph.inputs, self._graph.outputs) != expected:
            raise self._graph.error(f"inputs and outputs do not fit {CONFIG_FILE}")
        self._graph.try_once({IMAGES: np.zeros((1, SIDE, SIDE), np.uint8)})

    @classmethod
    def load(cls, path: str | Path = SHIPPED, threads: int = 1) -> "OnnxClassifier":
        """Read a bundle folder, by default the shipped bundle `field`.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
        """
        config, model = read_model(path)
        return cls(config, model, threads, str(find_bundle(path) / MODEL_FILE))

    def probabilities(self, images_nhw: npt.NDArray[np.uint8]) -> Probabilities:
        """Return calibrated probabilities float32[n, 10] of images uint8[n, 28, 28].

        Raises:
            BundleError: the model gives no probabilities.
            ValueError: the images have another dtype or shape.
        """
        if images_nhw.dtype != np.uint8 or images_nhw.shape[1:] != (SIDE, SIDE):
            given = f"{images_nhw.dtype}{list(images_nhw.shape)}"
            raise ValueError(f"images are {given}, not uint8[n, {SIDE}, {SIDE}]")
        starts = range(0, max(len(images_nhw), 1), BATCH)  # an empty batch is run too, for shapes
        batches = ({IMAGES: images_nhw[start : start + BATCH]} for start in starts)
        found = np.concatenate([self._graph.run((PROBABILITIES,), batch)[0] for batch in batches])
        if len(found) != len(images_nhw) or not np.isfinite(found).all():
            raise self._graph.error("gives no finite probabilities; its weights are wrong")
        return found


def _load(model: bytes, options: Any) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    """Return a session. Nothing is computed yet, but constants of shipped networks."""
    is_shipped = hashlib.sha256(model).hexdigest() in shipped_networks()
    return onnxruntime.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        enable_fallback=False,
        disabled_optimizers=[] if is_shipped else ["ConstantFolding"],
    )


def _within(seconds: float, call: Callable[[], T], stop: Any = None) -> T:  # noqa: ANN401
    """Call a function in a thread: native code that does not come back is left behind.

    Args:
        seconds: of the process's CPU time that it may take. On a machine that is busy with other
            work this is longer on the clock, but at most `MAX_SLOWDOWN` times.
        call: the function.
        stop: run options whose `terminate` ends a run before its next node.

    Raises:
        TimeoutError: it took longer.
    """
    ended: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            ended.append(call())
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    clock, cpu = time.monotonic(), time.process_time()
    thread.start()
    thread.join(seconds)
    while thread.is_alive() and time.process_time() - cpu < seconds:
        if time.monotonic() - clock > MAX_SLOWDOWN * seconds:
            break
        thread.join(POLL_SECONDS)
    if failed:
        raise failed[0]
    if not ended:
        if stop is not None:
            stop.terminate = True
        raise TimeoutError(f"one image takes more than {seconds} s")
    return ended[0]


def _signature(values: Sequence[Any]) -> list[tuple[str, str, list[int]]]:
    """Return name, type and shape, but for the batch, of ONNX Runtime's inputs or outputs."""
    return [(value.name, value.type, value.shape[1:]) for value in values]
