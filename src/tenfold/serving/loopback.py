"""A page of its own for one command, on this machine only."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from tenfold.errors import TenfoldError, WriteError
from tenfold.serving.callers import LOOPBACK_HOSTS, Callers
from tenfold.serving.middleware import Metrics, ServiceMiddleware, http_error, internal_error
from tenfold.serving.page import page_routes
from tenfold.serving.queue import WorkQueue

SHARED_FILES = ("style.css", "icon.svg")  # of the service's page


def create_page_app(folder: Path, add_endpoints: Callable[[FastAPI], None]) -> ASGIApp:
    """Return an application that shows a page, with the service's checks of who calls.

    Args:
        folder: of the page's files.
        add_endpoints: adds what the page calls. A `WriteError` there is status 507, another
            `TenfoldError` a conflict, 409.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(TenfoldError, _mendable)
    app.add_exception_handler(Exception, internal_error)
    add_endpoints(app)
    app.router.routes.extend(page_routes(folder, SHARED_FILES))
    return ServiceMiddleware(
        app,
        direct={},
        callers=Callers(LOOPBACK_HOSTS, frozenset(), None, frozenset()),
        metrics=Metrics(WorkQueue()),
        access_log=False,
    )


async def _mendable(_: Request, error: Exception) -> JSONResponse:
    is_full = isinstance(error, WriteError)
    status = HTTPStatus.INSUFFICIENT_STORAGE if is_full else HTTPStatus.CONFLICT
    return JSONResponse({"error": str(error)}, status)
