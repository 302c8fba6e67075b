"""The Open Inference Protocol (KServe v2): tensors in, tensors out.

Images come as MNIST's are, uint8[n, 28, 28]: no digits are searched for and none is rejected.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.serving.requests import validate_json

MAX_IMAGES = 4096
JSON_LENGTH_HEADER = "Inference-Header-Content-Length"
INPUT = "images"
# NumPy's and the protocol's type, and the shape, of each output; -1 is the number of images.
OUTPUTS: dict[str, tuple[npt.DTypeLike, str, list[int]]] = {
    "probabilities": ("<f4", "FP32", [-1, CLASSES]),
    "digits": ("<i8", "INT64", [-1]),
}


class InputTensor(BaseModel):
    """A tensor of the request."""

    name: str = Field(examples=[INPUT])
    shape: list[int] = Field(examples=[[1, SIDE, SIDE]])
    datatype: str = Field(examples=["UINT8"])
    data: list[Any] | None = Field(
        default=None, description="Grey levels 0 … 255, flat or nested; black is 0."
    )
    parameters: dict[str, Any] = {}


class RequestedOutput(BaseModel):
    """A tensor that the response is to have."""

    name: str = Field(examples=["probabilities"])
    parameters: dict[str, Any] = {}


class InferenceRequest(BaseModel):
    """A request of the protocol."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = None


def metadata(model: str) -> dict[str, Any]:
    """Return the protocol's description of a model."""
    outputs = [
        {"name": name, "datatype": datatype, "shape": shape}
        for name, (_, datatype, shape) in OUTPUTS.items()
    ]
    return {
        "name": model,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, SIDE, SIDE]}],
        "outputs": outputs,
    }


def infer(
    model: str, classifier: OnnxClassifier, headers: Mapping[str, str], body: bytes
) -> tuple[bytes, dict[str, str]]:
    """Compute the response to an inference request.

    Returns:
        the body, JSON that binary tensors may follow, and its headers.

    Raises:
        HTTPException: the request does not fit the protocol (400) or the model (413, 422).
    """
    json_length = _json_length(headers, body)
    request = validate_json(InferenceRequest, body[:json_length])
    requested = request.outputs
    if requested is None:
        requested = [RequestedOutput(name=name) for name in OUTPUTS]
    for output in requested:
        if output.name not in OUTPUTS:
            raise HTTPException(422, f"outputs: {output.name[:40]!r}: use {' or '.join(OUTPUTS)}")
    probabilities = classifier.probabilities(_images(request, body[json_length:]))
    values = {"probabilities": probabilities, "digits": probabilities.argmax(axis=1)}
    default = request.parameters.get("binary_data_output", False)
    outputs, tensors = [], []
    for output in requested:
        dtype, datatype, _ = OUTPUTS[output.name]
        value = values[output.name].astype(dtype)
        entry = {"name": output.name, "datatype": datatype, "shape": list(value.shape)}
        if output.parameters.get("binary_data", default):
            tensors.append(value.tobytes())
            outputs.append(entry | {"parameters": {"binary_data_size": value.nbytes}})
        else:
            outputs.append(entry | {"data": value.ravel().tolist()})
    response = {"model_name": model, "model_version": "1", "outputs": outputs}
    if request.id is not None:
        response["id"] = request.id
    text = to_json(response)
    if not tensors:
        return text, {"Content-Type": "application/json"}
    return b"".join([text, *tensors]), {
        "Content-Type": "application/octet-stream",
        JSON_LENGTH_HEADER: str(len(text)),
    }


def _json_length(headers: Mapping[str, str], body: bytes) -> int:
    """Return how many bytes of the body are JSON; binary tensors follow."""
    length = headers.get(JSON_LENGTH_HEADER.lower())
    if length is None:
        return len(body)
    if not (length.isascii() and length.isdigit()) or int(length) > len(body):
        raise HTTPException(
            400, f"{JSON_LENGTH_HEADER}: {length[:20]!r}: not a length within the body"
        )
    return int(length)


def _images(request: InferenceRequest, binary: bytes) -> npt.NDArray[np.uint8]:
    """Return the images uint8[n, 28, 28] of a request."""
    if [tensor.name for tensor in request.inputs] != [INPUT]:
        raise HTTPException(422, f"inputs: give one tensor named {INPUT}")
    tensor = request.inputs[0]
    shape = tensor.shape
    if tensor.datatype != "UINT8" or shape[1:] != [SIDE, SIDE] or shape[0] < 0:
        raise HTTPException(422, f"{INPUT}: give UINT8 of shape [n, {SIDE}, {SIDE}]")
    if shape[0] > MAX_IMAGES:
        raise HTTPException(413, f"{INPUT}: above {MAX_IMAGES} a request")
    size = tensor.parameters.get("binary_data_size")
    if size is not None:
        levels = np.frombuffer(binary, np.uint8)
    else:
        try:
            levels = np.asarray(tensor.data or [])
        except ValueError as error:
            raise HTTPException(
                422, f"{INPUT}: data: lists of one length, flat or nested"
            ) from error
        is_integer = levels.size == 0 or np.issubdtype(levels.dtype, np.integer)
        if not is_integer or not ((levels >= 0) & (levels <= 255)).all():  # noqa: PLR2004
            raise HTTPException(422, f"{INPUT}: data: give integers 0 … 255")
    if levels.size != math.prod(shape) or size not in {None, levels.nbytes}:
        raise HTTPException(422, f"{INPUT}: {levels.size} levels do not fill {shape}")
    return levels.astype(np.uint8).reshape(shape)
