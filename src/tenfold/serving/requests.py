"""A request's body: bounded, whole, and taken apart into pictures and strokes."""

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, create_form_parser
from starlette.requests import ClientDisconnect, Request

from tenfold.serving.errors import Refusal

M = TypeVar("M", bound=BaseModel)

MAX_BODY = 16 * 2**20  # bytes
SMALL_BODY = 8 * 2**10  # bytes: kept for many requests at once
MAX_PICTURES = 256
MAX_POINTS = 50_000

_SMALL_SIDE = 64  # pixels
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class OneImage(_Form):
    """A picture."""

    image: str = Field(description="A picture file in base64.", examples=["iVBORw0KGgoAAAANSUhE…"])


class ManyImages(_Form):
    """Several pictures."""

    images: list[str] = Field(min_length=1, description="Picture files in base64.")


class Drawn(_Form):
    """What was drawn on a canvas."""

    strokes: list[list[tuple[float, float]]] = Field(
        description="Polylines of points [x, y], y downwards, in any unit.",
        examples=[[[[10, 5], [10, 40]]]],
    )


@dataclass(frozen=True)
class Sent:
    """One thing to read: a picture file's bytes, or strokes."""

    content: bytes | Sequence[Sequence[tuple[float, float]]]
    name: str | None = None


def announced(request: Request) -> int | None:
    """Return the body's length in bytes; None where only its end will tell.

    Raises:
        Refusal: it is too long.
    """
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return None
    if int(length) > MAX_BODY:
        raise _too_long()
    return int(length)


async def receive(request: Request) -> bytes:
    """Return the body.

    Raises:
        Refusal: it is too long.
        ClientDisconnect: it never came.
    """
    message = await request.receive()
    body = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body") and len(body) <= MAX_BODY:
        return cast("bytes", body)
    whole = bytearray(body)
    while message["type"] == "http.request" and message.get("more_body"):
        message = await request.receive()
        whole += message.get("body", b"")
        if len(whole) > MAX_BODY:
            break
    if message["type"] != "http.request":
        raise ClientDisconnect
    if len(whole) > MAX_BODY:
        raise _too_long()
    return bytes(whole)


def is_small(body: bytes) -> bool:
    """Tell a PNG that is read at once, by its header; any other body is not small."""
    if len(body) > SMALL_BODY or not body.startswith(_PNG):
        return False
    size = body[len(_PNG) : len(_PNG) + 8]
    return len(size) == 8 and max(struct.unpack(">II", size)) <= _SMALL_SIDE  # noqa: PLR2004


def unpack(content_type: str, body: bytes) -> list[Sent]:
    """Take a body apart.

    Raises:
        Refusal: it is not what it says it is, or there is too much in it.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        sent = [Sent(body)]
    elif kind == "multipart/form-data":
        sent = _files(content_type, body)
    elif kind == "application/json":
        sent = _of_json(body)
    else:
        raise Refusal(
            415,
            f"Content-Type {kind[:40]!r}: send image/*, application/octet-stream, "
            "multipart/form-data or application/json",
        )
    if not sent:
        raise Refusal(422, "no pictures; send files in the field 'file'")
    if len(sent) > MAX_PICTURES:
        raise Refusal(413, f"{len(sent)} pictures are above {MAX_PICTURES} a request")
    return sent


def validated(model: type[M], body: bytes) -> M:
    """Read JSON as a model.

    Raises:
        Refusal: one line names the first field that does not fit.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Refusal(422, f"{where}: {first['msg']}") from error


def parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Parse JSON.

    Raises:
        Refusal: it is none.
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"body is not JSON: {error}") from error


def _of_json(body: bytes) -> list[Sent]:
    value = parsed(body)
    if not isinstance(value, dict) or len(value) != 1:
        raise Refusal(422, "body: give one of image, images, strokes")
    match next(iter(value)):
        case "image":
            return [Sent(_decoded(validated(OneImage, body).image, "image"))]
        case "images":
            images = validated(ManyImages, body).images[: MAX_PICTURES + 1]
            return [Sent(_decoded(text, f"images.{i}")) for i, text in enumerate(images)]
        case "strokes":
            strokes = validated(Drawn, body).strokes
            if sum(1 + len(stroke) for stroke in strokes) > MAX_POINTS:
                raise Refusal(413, f"strokes: above {MAX_POINTS:,} points")
            return [Sent(strokes)]
        case other:
            raise Refusal(422, f"{other[:40]!r}: unknown field; use image, images or strokes")


def _decoded(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(422, f"{field}: not base64") from error


def _files(content_type: str, body: bytes) -> list[Sent]:
    """Return the files of a form; it is kept in memory, as the whole body is."""
    sent: list[Sent] = []
    others: list[str] = []

    def on_file(file: File) -> None:
        field = (file.field_name or b"").decode(errors="replace")
        if field != "file":
            others.append(field)
        name = (file.file_name or b"").decode(errors="replace")
        file.file_object.seek(0)
        sent.append(Sent(file.file_object.read(), name or None))

    try:
        parser = create_form_parser(
            {"Content-Type": content_type.encode("latin-1")},
            lambda field: others.append((field.field_name or b"").decode(errors="replace")),
            on_file,
            config={"MAX_MEMORY_FILE_SIZE": 2 * MAX_BODY},
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refusal(400, f"body is not multipart/form-data: {error}") from error
    for field in islice(others, 1):
        raise Refusal(422, f"form field {field[:40]!r}: send files, in the field 'file'")
    return sent


def _too_long() -> Refusal:
    return Refusal(413, f"body is above {MAX_BODY // 2**20} MiB")
