"""A bundle as one file for other programs, compared with the original before it takes its name."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from tenfold.bundle.format import card_of, pack, read_package
from tenfold.bundle.graph import INPUT, build_graph
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.errors import BundleError
from tenfold.files import write_atomically

CALIBRATION = 1_000  # images that the ranges of INT8 are taken from
_APART = 1e-3  # of a probability: a float32 graph that is farther from torch is wrong
_MOST_LOST = 0.0005  # of INT8's accuracy
_CHUNK = 100


def export_onnx(
    bundle: Path,
    out: Path,
    test: Digits,
    *,
    batch: int | None = None,
    calibration: Digits | None = None,
) -> dict[str, Any]:
    """Write a bundle as an ONNX file once it has been held against PyTorch on test images.

    Args:
        bundle: its folder, or a shipped one's name.
        out: the file.
        test: what both are compared on.
        batch: images a call; any number if None.
        calibration: images whose activations give INT8 its ranges; float32 if None.

    Returns:
        file, bytes, images; `max_difference` of a probability; `agreement`, the share of images
        with the same digit; `accuracy` and `torch_accuracy`.

    Raises:
        BundleError: the bundle is damaged, or what was made of it differs too much; then no file
            is written.
    """
    config, weights = read_package(bundle)
    facts = {
        "bundle": config.model_dump_json(),
        "card": card_of(bundle),
        "rejection_threshold": str(config.rejection_threshold),
    }
    model = build_graph(config, weights, batch=batch, facts=facts)
    if calibration:
        model = _quantised(model, calibration, batch or _CHUNK)
        onnx.helper.set_model_props(model, facts | {"precision": "INT8"})
    data = model.SerializeToString()
    expected = Bundle.load(bundle).probabilities(test.images)
    found = _probabilities(
        OnnxClassifier(config, data, threads=torch.get_num_threads()), test, batch
    )
    compared = _compare(found, expected, test.labels.numpy())
    if calibration is None and compared["max_difference"] > _APART:
        raise BundleError(
            f"{bundle}: the graph's probabilities are {compared['max_difference']:.2g} from "
            "PyTorch's; nothing was written"
        )
    if compared["torch_accuracy"] - compared["accuracy"] > _MOST_LOST:
        raise BundleError(
            f"{bundle}: INT8 loses {compared['torch_accuracy'] - compared['accuracy']:.2%} of "
            "accuracy; nothing was written; export without --int8"
        )
    write_atomically(out, data)
    return {"file": str(out), "bytes": len(data), "images": len(test), **compared}


def _probabilities(
    session: OnnxClassifier, test: Digits, batch: int | None
) -> npt.NDArray[np.float32]:
    """Run a session over the test images, in calls of its size; the last is filled up."""
    images = test.images.numpy()
    if batch is None:
        return session.probabilities(images)
    filled = np.pad(images, ((0, -len(images) % batch), (0, 0), (0, 0)))
    calls = [session.probabilities(call) for call in np.split(filled, len(filled) // batch)]
    return np.concatenate(calls)[: len(images)]


def _compare(
    found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], labels: npt.NDArray[Any]
) -> dict[str, float]:
    digits, theirs = found.argmax(axis=1), expected.argmax(axis=1)
    return {
        "max_difference": float(np.abs(found - expected).max()),
        "agreement": float(np.mean(digits == theirs)),
        "accuracy": float(np.mean(digits == labels)),
        "torch_accuracy": float(np.mean(theirs == labels)),
    }


class _Images:
    """Feeds images to the calibration, as many a call as the graph takes."""

    def __init__(self, digits: Digits, batch: int) -> None:
        images = digits.images[: max(CALIBRATION // batch, 1) * batch]
        self._calls = iter([{INPUT: call.numpy()} for call in torch.split(images, batch)])

    def get_next(self) -> Mapping[str, Any] | None:
        """Return what one call is given; None once there is no more."""
        return next(self._calls, None)


def _quantised(model: onnx.ModelProto, calibration: Digits, batch: int) -> onnx.ModelProto:
    """Make convolutions and dense layers INT8, their ranges taken from images.

    The output layer stays float32: it is small, and its logits decide.
    """
    # Only once `runtime.py` has told ONNX Runtime to report nothing.
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    decisive = [
        node.name
        for node in model.graph.node
        if any(name.endswith("output.weight") for name in node.input)
    ]
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, done = (Path(folder, name) for name in ("a.onnx", "b.onnx", "c.onnx"))
        onnx.save(model, plain)
        quant_pre_process(str(plain), str(ready))
        quantize_static(
            str(ready),
            str(done),
            _Images(calibration, batch),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Gemm"],
            nodes_to_exclude=decisive,
        )
        return onnx.load(done)


def export_safetensors(bundle: Path, out: Path) -> dict[str, Any]:
    """Write a bundle as one safetensors file: weights, and `bundle.json` and card in its header.

    What reads a bundle folder reads this file too.

    Raises:
        BundleError: the bundle is damaged.
    """
    data = pack(bundle)
    write_atomically(out, data)
    return {"file": str(out), "bytes": len(data)}
