"""A bundle's ONNX model as a file for other programs, with eight-bit weights if asked for."""

from pathlib import Path

import numpy as np
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


def export_onnx(
    bundle: Path, out: Path, *, batch: int | None = None, int8: bool = False
) -> Int8Comparison | None:
    """Write a bundle's ONNX model to a file.

    Args:
        bundle: see `find_bundle`.
        out: the file.
        batch: images in one call; any number if None.
        int8: quantise the weights. The ranges of activations come from training images of the data
            set that the bundle was trained on; the accuracy is compared on its test images.

    Raises:
        BundleError: the bundle is damaged, or INT8 loses too much accuracy; no file is written.
        DataError: the data set cannot be had.
        WriteError: the file cannot be written.
    """
    config, model = read_model(bundle)
    comparison = None
    if int8:
        if config.facts.data is None:
            raise BundleError(
                f"{find_bundle(bundle) / CONFIG_FILE}: facts.data names no data set; INT8 needs "
                "images of the one that the bundle was trained on"
            )
        model, comparison = _quantized(config, model, config.facts.data)
        loss = comparison.float32_accuracy - comparison.accuracy
        if loss > MAX_ACCURACY_LOSS:
            raise BundleError(
                f"{bundle}: INT8 loses {loss:.2%} of accuracy; nothing was written; "
                "export without --int8"
            )
    if batch is not None:
        model = _with_batch(model, batch)
    write_atomically(out, model)
    return comparison


def _quantized(config: BundleConfig, model: bytes, data: str) -> tuple[bytes, Int8Comparison]:
    """Make a model INT8, and compare it with the original on test images of a data set."""
    from tenfold.data.sources import load_digits
    from tenfold.evaluation.quantization import quantize

    calibration, test = (load_digits(data, split) for split in ("train", "test"))
    quantized = quantize(model, calibration.images[:CALIBRATION_IMAGES].numpy())
    images, labels = test.images.numpy(), test.labels.numpy()
    expected, found = (
        OnnxClassifier(config, each, available_cores()).probabilities(images)
        for each in (model, quantized)
    )
    digits, float32_digits = found.argmax(axis=1), expected.argmax(axis=1)
    return quantized, Int8Comparison(
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
