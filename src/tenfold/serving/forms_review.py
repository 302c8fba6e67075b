"""The page on which the doubtful fields of a table are reviewed, as an ASGI application."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import cv2
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from tenfold.errors import DataError
from tenfold.forms.review import ReviewSession
from tenfold.forms.review_folder import (
    MAX_NAME_CHARACTERS,
    FieldReading,
    Value,
    cut,
)
from tenfold.serving.assets import FORMS_FOLDER
from tenfold.serving.bodies import BodyReceiver
from tenfold.serving.loopback import create_page_app
from tenfold.serving.requests import parse_json, validate

MAX_BODY_BYTES = 16 * 2**10
MAX_HANDED_OUT = 8

Body = TypeVar("Body", bound=BaseModel)
Who = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=r"^[^\x00-\x1f]+$")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    who: Who


class HandOut(_Body):
    """Asks for fields to review; `sample` for fields that need no review."""

    count: int = Field(default=1, ge=1, le=MAX_HANDED_OUT)
    sample: bool = False


class Entry(_Body):
    """Says what is written in a field."""

    document: str
    field: str
    value: Value


class TakeBack(_Body):
    """Takes the person's last review back."""


class ReviewEndpoints:
    """What the page asks the server for.

    Args:
        session: the review.
        write_table: writes the table as it is after what was reviewed, and returns its name.
    """

    def __init__(self, session: ReviewSession, write_table: Callable[[], str]) -> None:
        self._session, self._write_table = session, write_table
        self._receiver = BodyReceiver()

    async def hand_out(self, request: Request) -> JSONResponse:
        """Return fields to review."""
        body = await self._receive(request, HandOut)
        found = self._session.hand_out(body.who, body.count, sample=body.sample)
        return self._respond(fields=[_shown(reading) for reading in found])

    async def enter(self, request: Request) -> JSONResponse:
        """Store a review.

        Returns:
            What somebody else had said, a rule that the value breaks, and fields of the document
            that need no review any more.
        """
        body = await self._receive(request, Entry)
        key = (body.document, body.field)
        try:
            before = self._session.enter(key, body.value, body.who)
        except KeyError:
            raise HTTPException(404, "there is no such field to review") from None
        other = before and {"who": before.who, "value": before.value}
        value = self._session.log.value(key) or ""
        settled = [
            {"document": document, "field": field}
            for document, field in self._session.wrong_sums.settled_in(key[0])
        ]
        broken = self._session.broken_rule(key, value)
        return self._respond(before=other, broken=broken, settled=settled)

    async def take_back(self, request: Request) -> JSONResponse:
        """Take a person's last review back, and return its field."""
        body = await self._receive(request, TakeBack)
        reading = self._session.take_back(body.who)
        return self._respond(field=reading and _shown(reading))

    async def write_table(self) -> JSONResponse:
        """Write the table."""
        return self._respond(table=await asyncio.to_thread(self._write_table))

    async def crop(self, document: str, field: str) -> Response:
        """Return the picture of a field."""
        reading = self._session.readings.get((document, field))
        if reading is None or reading.crop is None:
            raise HTTPException(404, "there is no picture of this field")
        try:
            pixels = cut(self._session.folder, reading.picture, reading.crop)
        except DataError as error:
            raise HTTPException(404, str(error)) from error
        return Response(cv2.imencode(".png", pixels)[1].tobytes(), media_type="image/png")

    async def _receive(self, request: Request, kind: type[Body]) -> Body:
        body = await self._receiver.receive_json(request, MAX_BODY_BYTES)
        return validate(kind, parse_json(body))

    def _respond(self, **content: Any) -> JSONResponse:  # noqa: ANN401 - JSON
        return JSONResponse({**content, "progress": self._session.progress().to_dict()})


def create_review_app(session: ReviewSession, write_table: Callable[[], str]) -> ASGIApp:
    """Return the application.

    Args:
        session: the review.
        write_table: see `ReviewEndpoints`.
    """
    endpoints = ReviewEndpoints(session, write_table)

    def add_endpoints(app: FastAPI) -> None:
        app.post("/api/fields")(endpoints.hand_out)
        app.post("/api/reviews")(endpoints.enter)
        app.post("/api/undo")(endpoints.take_back)
        app.post("/api/table")(endpoints.write_table)
        app.get("/api/crop")(endpoints.crop)

    return create_page_app(FORMS_FOLDER / "review", add_endpoints)


def _shown(reading: FieldReading) -> dict[str, Any]:
    """Return what the page needs of a field."""
    names = {"document", "field", "kind", "value", "probability", "rules", "review", "alternatives"}
    return reading.model_dump(include=names) | {"crop": reading.crop is not None}
