"""An ONNX model with eight-bit weights."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from tenfold.bundle.format import IMAGES

_IMAGES_PER_CALL = 100


def quantize(model: bytes, images_nhw: npt.NDArray[np.uint8]) -> bytes:
    """Make convolutions and dense layers of a bundle's ONNX model INT8.

    The output layers stay float32: they are small, and their logits decide.

    Args:
        model: the bytes of `model.onnx`.
        images_nhw: uint8[n, 28, 28], which give the ranges of activations.

    Returns:
        the new model.
    """
    # The caller has imported `runtime.py`, which switches off ONNX Runtime's usage reports.
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    original = onnx.load_from_string(model)
    output_layers = [
        node.name
        for node in original.graph.node
        if any(name.endswith("output.weight") for name in node.input)
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, done = (str(Path(folder, name)) for name in ("a.onnx", "b.onnx", "c"))
        onnx.save(original, source)
        quant_pre_process(source, prepared)
        quantize_static(
            prepared,
            done,
            _CalibrationImages(images_nhw),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Gemm"],
            nodes_to_exclude=output_layers,
        )
        quantized = onnx.load(done)
    metadata = {entry.key: entry.value for entry in original.metadata_props}
    onnx.helper.set_model_props(quantized, metadata | {"precision": "INT8"})
    data: bytes = quantized.SerializeToString()
    return data


class _CalibrationImages:
    """Feeds images to ONNX Runtime's calibration, some at a time."""

    def __init__(self, images_nhw: npt.NDArray[np.uint8]) -> None:
        starts = range(0, len(images_nhw), _IMAGES_PER_CALL)
        self._calls = iter([{IMAGES: images_nhw[k : k + _IMAGES_PER_CALL]} for k in starts])

    def get_next(self) -> Mapping[str, npt.NDArray[np.uint8]] | None:
        """Return the inputs of the next call, or None at the end."""
        return next(self._calls, None)
