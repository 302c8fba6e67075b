"""The Open Inference Protocol (KServe v2): tensors in, tensors out.

Images come as MNIST's are, uint8[n, 28, 28]: no digits are searched for and none is rejected.
"""

import math
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from tenfold.data.mnist import CLASSES, SIDE
from tenfold.serving.bodies import JSON, MAX_JSON_BYTES
from tenfold.serving.reader_pool import load_classifier
from tenfold.serving.requests import parse_json, validate

MAX_IMAGES = 4096
MAX_BODY_BYTES = MAX_JSON_BYTES + MAX_IMAGES * SIDE**2
# A client of Triton sends no type at all.
CONTENT_TYPES = frozenset({"", JSON, "application/octet-stream"})
MAX_LENGTH_DIGITS = 20  # Python refuses to parse thousands
JSON_LENGTH_HEADER = "Inference-Header-Content-Length"
INPUT = "images"
# NumPy's and the protocol's type, and the shape, of each output; -1 is the number of images.
OUTPUTS: dict[str, tuple[npt.DTypeLike, str, list[int]]] = {
    "probabilities": ("<f4", "FP32", [-1, CLASSES]),
    "digits": ("<i8", "INT64", [-1]),
}


class InputParameters(BaseModel):
    """Of a tensor of the request."""

    binary_data_size: int | None = Field(default=None, strict=True)


class InputTensor(BaseModel):
    """A tensor of the request."""

    name: str = Field(examples=[INPUT])
    shape: list[int] = Field(max_length=3, examples=[[1, SIDE, SIDE]])
    datatype: str = Field(examples=["UINT8"])
    data: list[Any] | None = Field(
        default=None, description="Grey levels 0 … 255, flat or nested; black is 0."
    )
    parameters: InputParameters = InputParameters()


class OutputParameters(BaseModel):
    """Of a tensor of the response."""

    binary_data: bool | None = Field(default=None, strict=True)


class RequestedOutput(BaseModel):
    """A tensor that the response is to have."""

    name: str = Field(examples=["probabilities"])
    parameters: OutputParameters = OutputParameters()


class RequestParameters(BaseModel):
    """Of a request."""

    binary_data_output: bool = Field(default=False, strict=True)


class InferenceRequest(BaseModel):
    """A request of the protocol."""

    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    inputs: list[InputTensor] = Field(max_length=1)
    outputs: list[RequestedOutput] | None = Field(default=None, max_length=len(OUTPUTS))


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
    model: str, bundle: str | Path, headers: Mapping[str, str], body: bytes
) -> tuple[bytes, dict[str, str]]:
    """Compute the response to an inference request.

    Args:
        model: the name to respond with.
        bundle: see `OnnxClassifier.load`.
        headers: of the request, in lower case.
        body: JSON that a binary tensor may follow.

    Returns:
        the body, JSON that binary tensors may follow, and its headers.

    Raises:
        HTTPException: the request does not fit the protocol (400) or the model (413, 422).
    """
    json_length = _json_length(headers, body)
    request = validate(InferenceRequest, parse_json(body[:json_length]))
    requested = _requested_outputs(request)
    images = _images(request, body[json_length:])
    probabilities = load_classifier(bundle).probabilities(images)
    values = {"probabilities": probabilities, "digits": probabilities.argmax(axis=1)}
    default = request.parameters.binary_data_output
    outputs, tensors = [], []
    for output in requested:
        dtype, datatype, _ = OUTPUTS[output.name]
        value = values[output.name].astype(dtype)
        entry = {"name": output.name, "datatype": datatype, "shape": list(value.shape)}
        is_binary = output.parameters.binary_data
        if default if is_binary is None else is_binary:
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
    given = headers.get(JSON_LENGTH_HEADER.lower(), str(len(body)))
    is_length = given.isascii() and given.isdigit() and len(given) <= MAX_LENGTH_DIGITS
    if not is_length or int(given) > len(body):
        raise HTTPException(
            400, f"{JSON_LENGTH_HEADER}: {given[:20]!r}: not a length within the body"
        )
    if int(given) > MAX_JSON_BYTES:
        raise HTTPException(413, f"JSON is above {MAX_JSON_BYTES // 2**20} MiB")
    return int(given)


def _requested_outputs(request: InferenceRequest) -> list[RequestedOutput]:
    if request.outputs is None:
        return [RequestedOutput(name=name) for name in OUTPUTS]
    for output in request.outputs:
        if output.name not in OUTPUTS:
            raise HTTPException(422, f"outputs: {output.name[:40]!r}: use {' or '.join(OUTPUTS)}")
    if len({output.name for output in request.outputs}) < len(request.outputs):
        raise HTTPException(422, "outputs: the same one twice")
    return request.outputs


def _images(request: InferenceRequest, binary: bytes) -> npt.NDArray[np.uint8]:
    """Return the images uint8[n, 28, 28] of a request. Nothing is made of what does not fit."""
    if [tensor.name for tensor in request.inputs] != [INPUT]:
        raise HTTPException(422, f"inputs: give one tensor named {INPUT}")
    tensor = request.inputs[0]
    shape = tensor.shape
    if tensor.datatype != "UINT8" or shape[1:] != [SIDE, SIDE] or shape[0] < 0:
        raise HTTPException(422, f"{INPUT}: give UINT8 of shape [n, {SIDE}, {SIDE}]")
    if shape[0] > MAX_IMAGES:
        raise HTTPException(413, f"{INPUT}: above {MAX_IMAGES} a request")
    size = tensor.parameters.binary_data_size
    levels = binary if size is not None else _levels(tensor.data or [])
    if len(levels) != math.prod(shape) or size not in {None, len(levels)}:
        raise HTTPException(422, f"{INPUT}: {len(levels)} levels do not fill {shape}")
    return np.frombuffer(levels, np.uint8).reshape(shape)


def _levels(data: list[Any]) -> bytes:
    """Return the grey levels in a flat list, or in lists nested as the shape is."""
    for _ in range(2):
        if data and all(type(row) is list and len(row) == SIDE for row in data):
            data = list(chain.from_iterable(data))
    try:
        if set(map(type, data)) <= {int}:  # True and False are not levels
            return bytes(data)
    except (ValueError, OverflowError):
        pass
    raise HTTPException(422, f"{INPUT}: data: give integers 0 … 255, flat or nested as the shape")
