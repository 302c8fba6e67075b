"""The Open Inference Protocol (KServe v2), so that its clients need nothing of ours.

Images come in MNIST's form, uint8[n, 28, 28]: nothing is found, cut out or rejected here.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field
from pydantic_core import to_json

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.serving.errors import Refusal
from tenfold.serving.requests import validated

INPUT, OUTPUTS = "images", ("probabilities", "digits")
MAX_IMAGES = 4096  # a request
LENGTH = "Inference-Header-Content-Length"

_TYPES: dict[str, npt.DTypeLike] = {"probabilities": "<f4", "digits": "<i8"}
_NAMES = {"<f4": "FP32", "<i8": "INT64"}


class Input(BaseModel):
    """A tensor that comes."""

    name: str = Field(examples=[INPUT])
    shape: list[int] = Field(examples=[[1, SIDE, SIDE]])
    datatype: str = Field(examples=["UINT8"])
    data: list[Any] | None = Field(default=None, description="Levels 0 … 255, flat or nested.")
    parameters: dict[str, Any] = {}


class Output(BaseModel):
    """A tensor that is wanted."""

    name: str = Field(examples=["probabilities"])
    parameters: dict[str, Any] = {}


class Inference(BaseModel):
    """A request of the protocol."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[Input]
    outputs: list[Output] | None = None


def metadata(name: str) -> dict[str, Any]:
    """Describe a model."""
    return {
        "name": name,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, SIDE, SIDE]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, CLASSES]},
            {"name": "digits", "datatype": "INT64", "shape": [-1]},
        ],
    }


def infer(
    name: str, session: OnnxClassifier, headers: Mapping[str, str], body: bytes
) -> tuple[bytes, dict[str, str]]:
    """Answer an inference request.

    Returns:
        the body, JSON that binary tensors may follow, and its headers.

    Raises:
        Refusal: the request does not fit the protocol or the model.
    """
    split = _header_length(headers, body)
    asked = validated(Inference, body[:split])
    wanted = [Output(name=output) for output in OUTPUTS] if asked.outputs is None else asked.outputs
    for output in wanted:
        if output.name not in OUTPUTS:
            raise Refusal(422, f"outputs: {output.name[:40]!r}: use {' or '.join(OUTPUTS)}")
    p = session.probabilities(_images(asked, body[split:]))
    values = {"probabilities": p, "digits": p.argmax(axis=1)}
    told, blobs = [], []
    for output in wanted:
        kind = np.dtype(_TYPES[output.name])
        value = values[output.name].astype(kind)
        entry = {"name": output.name, "datatype": _NAMES[kind.str], "shape": list(value.shape)}
        default = asked.parameters.get("binary_data_output", False)
        if output.parameters.get("binary_data", default):
            blobs.append(value.tobytes())
            told.append(entry | {"parameters": {"binary_data_size": value.nbytes}})
        else:
            told.append(entry | {"data": value.ravel().tolist()})
    head = {"model_name": name, "model_version": "1", "outputs": told}
    if asked.id is not None:
        head["id"] = asked.id
    text = to_json(head)
    if not blobs:
        return text, {"Content-Type": "application/json"}
    kind_of_body = {"Content-Type": "application/octet-stream", LENGTH: str(len(text))}
    return b"".join([text, *blobs]), kind_of_body


def _header_length(headers: Mapping[str, str], body: bytes) -> int:
    given = headers.get(LENGTH.lower())
    if given is None:
        return len(body)
    if not (given.isascii() and given.isdigit()) or int(given) > len(body):
        raise Refusal(400, f"{LENGTH}: {given[:20]!r}: not a length within the body")
    return int(given)


def _images(asked: Inference, binary: bytes) -> npt.NDArray[np.uint8]:
    if [tensor.name for tensor in asked.inputs] != [INPUT]:
        raise Refusal(422, f"inputs: give one tensor named {INPUT}")
    tensor = asked.inputs[0]
    shape = tensor.shape
    if tensor.datatype != "UINT8" or len(shape) != 3 or shape[1:] != [SIDE, SIDE] or shape[0] < 0:  # noqa: PLR2004
        raise Refusal(422, f"{INPUT}: give UINT8 of shape [n, {SIDE}, {SIDE}]")
    if shape[0] > MAX_IMAGES:
        raise Refusal(413, f"{INPUT}: above {MAX_IMAGES} a request")
    size = tensor.parameters.get("binary_data_size")
    if size is not None:
        levels = np.frombuffer(binary, np.uint8)
    else:
        try:
            levels = np.asarray([] if tensor.data is None else tensor.data)
        except ValueError as error:
            raise Refusal(422, f"{INPUT}: data: lists of one length, flat or nested") from error
        whole = levels.size == 0 or np.issubdtype(levels.dtype, np.integer)
        if not whole or not ((levels >= 0) & (levels <= 255)).all():  # noqa: PLR2004
            raise Refusal(422, f"{INPUT}: data: give integers 0 … 255")
    if levels.size != math.prod(shape) or size not in {None, levels.nbytes}:
        raise Refusal(422, f"{INPUT}: {levels.size} levels do not fill {shape}")
    return levels.astype(np.uint8).reshape(shape)
