"""A bundle's ONNX model as a file for other programs, with eight-bit weights if asked for."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tenfold.bundle.format import CONFIG_FILE, BundleConfig, find_bundle, read_model
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.cpu import available_cores
from tenfold.errors import BundleError
from tenfold.files import write_atomically

CALIBRATION_IMAGES = 1_000
MAX_ACCURACY_LOSS = 0.0005  # of INT8


class Int8Comparison(BaseModel):
    """How a model of eight bits compares with the float32 model on test images.

    Attributes:
        images: how many.
        max_difference: of a probability.
        agreement: share of images with the same digit.
        accuracy: of the model of eight bits.
        float32_accuracy: of the original.
    """

    model_config = ConfigDict(frozen=True)

    images: int
    max_difference: float
    agreement: float
    accuracy: float
    float32_accuracy: float


class ExportResult(BaseModel):
    """The file that an export wrote."""

    model_config = ConfigDict(frozen=True)

    file: str
    bytes: int
    int8: Int8Comparison | None = None


def export_onnx(
    bundle: Path, out: Path, *, batch: int | None = None, int8: bool = False
) -> ExportResult:
    """Write a bundle's ONNX model to a file.

    Args:
        bundle: its folder, or a shipped bundle's name.
        out: the file.
        batch: images in one call; any number if None.
        int8: quantise the weights. The ranges of activations come from training images of the data
            set that the bundle was trained on; the accuracy is compared on its test images.

    Raises:
        BundleError: the bundle is damaged, or INT8 loses too much accuracy; no file is written.
        DataError: the data set cannot be had.
    """
    config, model = read_model(bundle)
    comparison = None
    if int8:
        model, comparison = _quantized(config, model, bundle)
    if batch is not None:
        model = _with_batch(model, batch)
    write_atomically(out, model)
    return ExportResult(file=str(out), bytes=len(model), int8=comparison)


def _quantized(config: BundleConfig, model: bytes, bundle: Path) -> tuple[bytes, Int8Comparison]:
    """Make a model INT8, and compare it with the original on test images."""
    from tenfold.data.sources import load_digits
    from tenfold.evaluation.quantization import quantize

    if config.facts.data is None:
        raise BundleError(
            f"{find_bundle(bundle) / CONFIG_FILE}: facts.data names no data set; INT8 needs "
            "images of the one that the bundle was trained on"
        )
    calibration, test = (load_digits(config.facts.data, split) for split in ("train", "test"))
    quantized = quantize(model, calibration.images[:CALIBRATION_IMAGES].numpy())
    images = test.images.numpy()
    expected, found = (
        OnnxClassifier(config, data, available_cores()).probabilities(images)
        for data in (model, quantized)
    )
    comparison = _compare(found, expected, test.labels.numpy())
    loss = comparison.float32_accuracy - comparison.accuracy
    if loss > MAX_ACCURACY_LOSS:
        raise BundleError(
            f"{bundle}: INT8 loses {loss:.2%} of accuracy; nothing was written; "
            "export without --int8"
        )
    return quantized, comparison


def _compare(
    found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> Int8Comparison:
    digits, float32_digits = found.argmax(axis=1), expected.argmax(axis=1)
    return Int8Comparison(
        images=len(labels),
        max_difference=float(np.abs(found - expected).max()),
        agreement=float(np.mean(digits == float32_digits)),
        accuracy=float(np.mean(digits == labels)),
        float32_accuracy=float(np.mean(float32_digits == labels)),
    )


def _with_batch(model: bytes, batch: int) -> bytes:
    """Return the ONNX model for exactly `batch` images in one call."""
    import onnx

    changed = onnx.load_from_string(model)
    del changed.graph.value_info[:]  # shapes between the nodes, for any batch
    for value in (*changed.graph.input, *changed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    onnx.checker.check_model(changed, full_check=True)
    data: bytes = changed.SerializeToString()
    return data
