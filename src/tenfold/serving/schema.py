"""The OpenAPI description of each path, beyond the docstring of its endpoint."""

from typing import Any, get_args

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, PlainTextResponse

from tenfold.data.mnist import SIDE
from tenfold.reading.constraints import CHECKS, RuleName
from tenfold.reading.reader import Layout
from tenfold.serving.kserve import InferenceRequest
from tenfold.serving.query import LIMITS
from tenfold.serving.requests import MAX_PICTURES, ImageRequest, ImagesRequest, StrokesRequest
from tenfold.serving.responses import BatchResponse, ErrorResponse, ReadResponse

REFERENCE = "#/components/schemas/{model}"
# The same seven, drawn and as a picture.
SEVEN_STROKES = [[[5, 5], [35, 5], [15, 60]]]
SEVEN_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAwAQAAAABY10XCAAAAVUlEQVR42n2PwQ2AMAwDL1mAjsAmdHgmYYIMEGFeRc"
    "kDPpbs+CzFBDgfQsJRMgfclDjkLD0ptKzhEO/K1UdPGrapXjVa+d6bzdnY0GINnABngP1+9ADuABix2PX25wAAAABJ"
    "RU5ErkJggg=="
)
ERRORS = {
    400: "The body is not of the type that the request states.",
    401: "The request needs a token.",
    403: "Pages of other sites may not call.",
    404: "There is no such model or report.",
    408: "The request did not arrive in time.",
    413: "The request is too large, or has too many pictures.",
    415: "The body's type is not supported.",
    422: "The request does not fit the schema, or its picture cannot be read.",
    421: "The service is not called by this name.",
    503: "Too many requests wait or arrive already.",
}
ERRORS_OF_CALLERS = (403, 421)


def add_models(app: FastAPI) -> None:
    """Add the models that FastAPI does not know: the endpoints parse their bodies themselves."""
    models: list[type[BaseModel]] = [ImageRequest, ImagesRequest, StrokesRequest]
    models += [InferenceRequest, ErrorResponse]
    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template=REFERENCE
    )
    app.openapi()["components"]["schemas"] |= schema["$defs"]


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": _reference(ErrorResponse)}}
    statuses = (*statuses, *ERRORS_OF_CALLERS)
    return {status: {"description": ERRORS[status], "content": content} for status in statuses}


def _json_body(models: list[type[BaseModel]], examples: dict[str, Any]) -> dict[str, Any]:
    return {
        "application/json": {
            "schema": {"anyOf": [_reference(model) for model in models]},
            "examples": {name: {"value": value} for name, value in examples.items()},
        }
    }


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _count(name: str, description: str) -> dict[str, Any]:
    return _query(name, description, type="integer", minimum=1, maximum=LIMITS[name])


def _read(response: type[BaseModel], content: dict[str, Any]) -> dict[str, Any]:
    flag = _choice("", "1", "true", "0", "false")
    return {
        "tags": ["reading"],
        "response_model": response,
        "responses": _errors(400, 401, 408, 413, 415, 422, 503),
        "openapi_extra": {
            "parameters": [
                _query(
                    "layout",
                    "numbers: any count of numbers; single: one digit; grid: the cells of a "
                    "grid, one digit each; table: those of a table, one number each. For strokes "
                    "the default is single.",
                    **_choice(*get_args(Layout)),
                    default="numbers",
                ),
                _query("grid", "The same as layout=grid.", **flag),
                _query("table", "The same as layout=table.", **flag),
                _query("single", "The same as layout=single.", **flag),
                _count("rows", "Of the grid or table; without it they are found."),
                _count("columns", "Of the grid or table; without it they are found."),
                _query(
                    "rule",
                    "What the cells of the grid or table obey together.",
                    **_choice(*get_args(RuleName)),
                ),
                _count("length", "How many digits each number has; marks do not count."),
                _query(
                    "pattern",
                    "A regular expression that each number matches as a whole, in RE2's syntax.",
                    type="string",
                ),
                _query(
                    "check",
                    "The rule that the last digit of each number satisfies.",
                    **_choice(*CHECKS),
                ),
                _query("digits_only", "Leave the marks out of the texts.", **flag),
                _count("page", "Of the document; without it all pages are read. Not in a batch."),
                _query(
                    "explain",
                    "Return each digit's probabilities and the image that the network saw, and "
                    "where the cells are, too.",
                    **flag,
                ),
            ],
            "requestBody": {"required": True, "content": content},
        },
    }


_FILE = {"schema": {"type": "string", "format": "binary"}}


def _form(max_pictures: int) -> dict[str, Any]:
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    files = {"type": "array", "minItems": 1, "maxItems": max_pictures, "items": file}
    return {"schema": {"type": "object", "properties": {"file": files}, "required": ["file"]}}


_ONE_IMAGE = {"image": SEVEN_PNG}
_TWO_IMAGES = {"images": [SEVEN_PNG, SEVEN_PNG]}
_TENSOR = {
    "name": "images",
    "datatype": "UINT8",
    "shape": [1, SIDE, SIDE],
    "data": [0] * SIDE**2,
}

READ = _read(
    ReadResponse,
    dict.fromkeys(("image/*", "application/pdf", "application/octet-stream"), _FILE)
    | {"multipart/form-data": _form(1)}
    | _json_body(
        [ImageRequest, StrokesRequest],
        {"image": _ONE_IMAGE, "strokes": {"strokes": SEVEN_STROKES}},
    ),
)
READ_BATCH = _read(
    BatchResponse,
    {"multipart/form-data": _form(MAX_PICTURES)}
    | _json_body([ImagesRequest], {"images": _TWO_IMAGES}),
)
MODEL: dict[str, Any] = {"tags": ["reading"], "responses": _errors(401)}
KSERVE: dict[str, Any] = {"tags": ["KServe v2"]}
KSERVE_MODEL: dict[str, Any] = KSERVE | {"responses": _errors(401, 404)}
INFER: dict[str, Any] = KSERVE | {
    "responses": _errors(400, 401, 404, 408, 413, 415, 422, 503),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": _json_body([InferenceRequest], {"one image": {"inputs": [_TENSOR]}}),
        }
    },
}
HEALTH: dict[str, Any] = {"tags": ["health"]}
READY: dict[str, Any] = HEALTH | {"responses": {503: {"description": "The service is stopping."}}}
METRICS: dict[str, Any] = HEALTH | {
    "response_class": PlainTextResponse,
    "responses": _errors(401),
}
REPORT: dict[str, Any] = {
    "tags": ["page"],
    "response_class": HTMLResponse,
    "responses": _errors(401, 404),
}
