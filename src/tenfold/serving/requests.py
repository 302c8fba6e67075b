"""The pictures and strokes in request bodies."""

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field as FormField
from python_multipart.multipart import File, create_form_parser
from starlette.exceptions import HTTPException

from tenfold.reading.strokes import Strokes
from tenfold.serving.bodies import JSON, MAX_BODY_BYTES, SMALL_BODY_BYTES, media_type
from tenfold.untrusted import fault_line

M = TypeVar("M", bound=BaseModel)

MAX_PICTURES = 256
_FILE_TYPES = frozenset({"application/pdf", "application/octet-stream"})
MAX_STROKE_POINTS = 50_000
# PNGs within this limit and that of small bodies are read by the process that serves.
SMALL_SIDE_PX = 64

PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


# `FailFast`: otherwise a small body with many faults would be answered from a huge list of them.
Point = Annotated[list[float], Field(min_length=2, max_length=2), FailFast()]
Stroke = Annotated[list[Point], FailFast()]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class ImageRequest(_Body):
    """One picture."""

    image: str = Field(description="A picture file in base64.", examples=["iVBORw0KGgoAAAANSUhE…"])


class ImagesRequest(_Body):
    """Several pictures."""

    images: Annotated[list[str], FailFast()] = Field(
        min_length=1, description="Picture files in base64."
    )


class StrokesRequest(_Body):
    """Strokes drawn on a canvas."""

    strokes: Annotated[list[Stroke], FailFast()] = Field(
        description="Polylines of points [x, y], y downwards, in any unit.",
        examples=[[[[10, 5], [10, 40]]]],
    )


@dataclass(frozen=True)
class Item:
    """One thing to read: a picture file's bytes, or strokes; a form's files have names."""

    content: bytes | Strokes
    name: str | None = None


def is_small_png(body: bytes) -> bool:
    """Return whether a body is a PNG small enough to be read by the process that serves."""
    if len(body) > SMALL_BODY_BYTES or not body.startswith(PNG_START):
        return False
    size = body[len(PNG_START) : len(PNG_START) + 8]
    return len(size) == 8 and max(struct.unpack(">II", size)) <= SMALL_SIDE_PX  # noqa: PLR2004


def parse_body(content_type: str, body: bytes) -> list[Item]:
    """Return the pictures or strokes in a body; at least one.

    Raises:
        HTTPException: the body is not of its type (400), of an unsupported type (415), has too
            much in it (413) or does not fit the schema (422).
    """
    kind = media_type(content_type)
    if kind.startswith("image/") or kind in _FILE_TYPES:
        items = [Item(body)]
    elif kind == "multipart/form-data":
        items = _parse_form(content_type, body)
    elif kind == JSON:
        items = _parse_json_items(body)
    else:
        raise HTTPException(
            415,
            f"Content-Type {kind[:40]!r}: send image/*, application/pdf, "
            "application/octet-stream, multipart/form-data or application/json",
        )
    if not items:
        raise HTTPException(422, "no pictures; send files in the field 'file'")
    if len(items) > MAX_PICTURES:
        raise _too_many_pictures()
    return items


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Parse JSON.

    Raises:
        HTTPException: the body is not JSON (400).
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise HTTPException(400, f"body is not JSON: {error}") from error


def validate(model: type[M], value: object) -> M:
    """Check parsed JSON against a model.

    Raises:
        HTTPException: a field does not fit; the message names the first one (422).
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise HTTPException(422, fault_line(error, "body")) from error


def _parse_json_items(body: bytes) -> list[Item]:
    value = parse_json(body)
    if not isinstance(value, dict) or len(value) != 1:
        raise HTTPException(422, "body: give one of image, images, strokes")
    match next(iter(value)):
        case "image":
            return [Item(_decode_base64(validate(ImageRequest, value).image, "image"))]
        case "images":
            images = validate(ImagesRequest, value).images[: MAX_PICTURES + 1]
            return [Item(_decode_base64(text, f"images.{i}")) for i, text in enumerate(images)]
        case "strokes":
            strokes = validate(StrokesRequest, value).strokes
            if sum(1 + len(stroke) for stroke in strokes) > MAX_STROKE_POINTS:
                raise HTTPException(413, f"strokes: above {MAX_STROKE_POINTS:,} points")
            return [Item(cast("Strokes", strokes))]
        case other:
            raise HTTPException(422, f"{other[:40]!r}: unknown field; use image, images or strokes")


def _decode_base64(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, f"{field}: not base64") from error


def _parse_form(content_type: str, body: bytes) -> list[Item]:
    """Return the files of a form. They stay in memory, as the body does."""
    items: list[Item] = []

    def on_file(file: File) -> None:
        if file.field_name != b"file":
            raise _unknown_field(file.field_name)
        if len(items) == MAX_PICTURES:
            raise _too_many_pictures()
        name = (file.file_name or b"").decode(errors="replace")
        file.file_object.seek(0)
        items.append(Item(file.file_object.read(), name or None))

    def on_field(field: FormField) -> None:
        raise _unknown_field(field.field_name)

    try:
        parser = create_form_parser(
            {"Content-Type": content_type.encode("latin-1")},
            on_field,
            on_file,
            config={"MAX_MEMORY_FILE_SIZE": 2 * MAX_BODY_BYTES},
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise HTTPException(400, f"body is not multipart/form-data: {error}") from error
    return items


def _too_many_pictures() -> HTTPException:
    return HTTPException(413, f"above {MAX_PICTURES} pictures a request")


def _unknown_field(name: bytes | None) -> HTTPException:
    text = (name or b"").decode(errors="replace")
    return HTTPException(422, f"form field {text[:40]!r}: send files, in the field 'file'")
