"""What OpenAPI says of each path, beyond its words."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, PlainTextResponse

from tenfold.data.mnist import SIDE
from tenfold.serving.kserve import Inference
from tenfold.serving.requests import MAX_PICTURES, Drawn, ManyImages, OneImage
from tenfold.serving.responses import Answer, Refused

# A white picture of one pixel, for trying out.
_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTqPhQAAAABJRU5ErkJggg=="
)
_WHERE = "#/components/schemas/{model}"
_SEVEN = [[[5, 5], [35, 5], [15, 60]]]


def add_models(app: FastAPI) -> None:
    """Add the models to the description that FastAPI does not know of: it sees no bodies here."""
    models: list[type[BaseModel]] = [OneImage, ManyImages, Drawn, Inference, Refused]
    _, found = models_json_schema([(m, "validation") for m in models], ref_template=_WHERE)
    app.openapi()["components"]["schemas"] |= found["$defs"]


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _WHERE.format(model=model.__name__)}


def _flag(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", "enum": ["", "1", "true", "0", "false"]},
    }


def _json(schemas: list[type[BaseModel]], examples: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": {"anyOf": [_reference(model) for model in schemas]},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }


_PARAMETERS = [
    {
        "name": "layout",
        "in": "query",
        "description": "line: any number of digits, in lines; single: one; grid: cells of a "
        "printed grid. Of strokes the default is single.",
        "schema": {"type": "string", "enum": ["line", "single", "grid"], "default": "line"},
    },
    _flag("grid", "The same as layout=grid."),
    _flag("single", "The same as layout=single."),
    _flag("explain", "Send the images along that the network saw."),
]
_FORM = {
    "schema": {
        "type": "object",
        "properties": {
            "file": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_PICTURES,
                "items": {"type": "string", "contentMediaType": "application/octet-stream"},
            }
        },
        "required": ["file"],
    }
}
_ONE = {"image": _PNG}
_MANY = {"images": [_PNG, _PNG]}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    words = {
        400: "The body is not what it says it is.",
        401: "A token is needed.",
        404: "There is none.",
        408: "The request did not arrive in time.",
        413: "Too large, or too many.",
        415: "Of another type.",
        422: "Cannot be read.",
        503: "Too much waits already.",
    }
    content = {"application/json": {"schema": _reference(Refused)}}
    return {status: {"description": words[status], "content": content} for status in statuses}


_READ_BODIES = {
    "image/*": {"schema": {"type": "string", "format": "binary"}},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    "multipart/form-data": _FORM,
}
_REFUSED = _refusals(400, 401, 408, 413, 415, 422, 503)

READ: dict[str, Any] = {
    "tags": ["reading"],
    "response_model": Answer,
    "responses": _REFUSED,
    "openapi_extra": {
        "parameters": _PARAMETERS,
        "requestBody": {
            "required": True,
            "content": _READ_BODIES
            | {
                "application/json": _json(
                    [OneImage, ManyImages, Drawn],
                    {"image": _ONE, "images": _MANY, "strokes": {"strokes": _SEVEN}},
                )
            },
        },
    },
}
READ_BATCH: dict[str, Any] = {
    "tags": ["reading"],
    "response_model": Answer,
    "responses": _REFUSED,
    "openapi_extra": {
        "parameters": _PARAMETERS,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": _FORM,
                "application/json": _json([ManyImages], {"images": _MANY}),
            },
        },
    },
}
MODEL: dict[str, Any] = {"tags": ["reading"], "responses": _refusals(401)}
KSERVE: dict[str, Any] = {"tags": ["KServe v2"]}
KSERVE_MODEL: dict[str, Any] = KSERVE | {"responses": _refusals(401, 404)}
INFER: dict[str, Any] = KSERVE | {
    "responses": _refusals(400, 401, 404, 408, 413, 422, 503),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": _json(
                    [Inference],
                    {
                        "one image": {
                            "inputs": [
                                {
                                    "name": "images",
                                    "datatype": "UINT8",
                                    "shape": [1, SIDE, SIDE],
                                    "data": [0] * SIDE**2,
                                }
                            ]
                        }
                    },
                )
            },
        }
    },
}
HEALTH: dict[str, Any] = {"tags": ["health"]}
READY: dict[str, Any] = {"tags": ["health"], "responses": {503: {"description": "Stopping."}}}
METRICS: dict[str, Any] = {
    "tags": ["health"],
    "response_class": PlainTextResponse,
    "responses": _refusals(401),
}
REPORT: dict[str, Any] = {
    "tags": ["page"],
    "response_class": HTMLResponse,
    "responses": _refusals(401, 404),
}
