"""The page on which a template is drawn, as an ASGI application."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from tenfold.data.decoding import decode
from tenfold.forms.blank import BlankPage
from tenfold.forms.marks import missing_marks
from tenfold.forms.template import KEYS_OF_KIND, Kind, Template
from tenfold.forms.template_file import TemplateFile
from tenfold.forms.template_parsing import template_faults
from tenfold.reading.constraints import CheckDigit
from tenfold.reading.foreground import to_grey
from tenfold.serving.assets import FORMS_FOLDER
from tenfold.serving.bodies import BodyReceiver
from tenfold.serving.loopback import create_page_app
from tenfold.serving.requests import parse_json

MAX_BODY_BYTES = 2**20  # a template of 64 KiB has less as JSON


def create_template_app(file: TemplateFile, pages: Sequence[BlankPage]) -> ASGIApp:
    """Return the application.

    Args:
        file: the template.
        pages: of the blank form.
    """
    endpoints = TemplateEndpoints(file, pages)

    def add_endpoints(app: FastAPI) -> None:
        app.get("/api/template")(endpoints.show)
        app.get("/api/pages/{number}")(endpoints.picture)
        app.post("/api/check")(endpoints.check)
        app.post("/api/template")(endpoints.write)

    return create_page_app(FORMS_FOLDER / "new", add_endpoints)


class TemplateEndpoints:
    """What the page asks the server for.

    Args:
        file: the template.
        pages: of the blank form.
    """

    def __init__(self, file: TemplateFile, pages: Sequence[BlankPage]) -> None:
        self._file, self._pages = file, pages
        self._receiver = BodyReceiver()

    async def show(self) -> JSONResponse:
        """Return the template, and what may be in one."""
        return JSONResponse(
            {
                "document": self._file.document,
                "file": Path(self._file.path).name,
                "is_written": self._file.is_written,
                "keys_of_kind": {kind: sorted(KEYS_OF_KIND[kind]) for kind in get_args(Kind)},
                "checks": get_args(CheckDigit),
            }
        )

    async def picture(self, number: int) -> Response:
        """Return the picture of a page of the blank form, from 1."""
        if not 1 <= number <= len(self._pages):
            raise HTTPException(404, "there is no such page")
        return Response(self._pages[number - 1].png, media_type="image/png")

    async def check(self, request: Request) -> JSONResponse:
        """Return what is wrong with a template."""
        document = await self._receive(request)
        return JSONResponse({"faults": template_faults(document)})

    async def write(self, request: Request) -> JSONResponse:
        """Write a template, if nothing is wrong with it; `advice` is what to look at again."""
        document = await self._receive(request)
        if faults := template_faults(document):
            return JSONResponse({"error": "not written", "faults": faults}, 422)
        template = self._file.write(document)
        advice = await asyncio.to_thread(self._advice, template)
        return JSONResponse({"written": str(self._file.path), "advice": advice})

    def _advice(self, template: Template) -> str:
        """Return which marks are not printed on the blank form; "" if none."""
        return missing_marks(template, (to_grey(decode(page.png)) for page in self._pages))

    async def _receive(self, request: Request) -> dict[str, Any]:
        document = parse_json(await self._receiver.receive_json(request, MAX_BODY_BYTES))
        if not isinstance(document, dict):
            raise HTTPException(400, "the body is no object")
        return document
