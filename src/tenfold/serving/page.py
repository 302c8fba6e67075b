"""The page and a run's report, read into memory once: no path is ever made of a caller's words."""

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenfold.errors import RunError

FOLDER = Path(__file__).parents[1] / "page"

_SERVED = frozenset({".html", ".js", ".mjs", ".css", ".svg", ".png", ".ico", ".webmanifest"})
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A report is one file with its styles and figures inside, and may stand in a frame of the page.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def page_routes(folder: Path = FOLDER) -> list[Route]:
    """Return a route for each file of the page, none if there is no page."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _SERVED)
    routes = [_file_route(f"/{file.relative_to(folder).as_posix()}", file) for file in files]
    index = folder / "index.html"
    return [*routes, *([_file_route("/", index)] if index in files else [])]


def read_report(run: Path) -> bytes:
    """Return a run's report.

    Raises:
        RunError: there is none.
    """
    try:
        return (run / "report.html").read_bytes()
    except OSError as error:
        raise RunError(
            f"{run / 'report.html'}: {error.strerror}; write it with `tenfold report {run}`"
        ) from error


def report_response(report: bytes) -> Response:
    """Return a report as an answer that a frame of the page may show."""
    return Response(
        report, media_type="text/html", headers={"Content-Security-Policy": _REPORT_POLICY}
    )


def _file_route(path: str, file: Path) -> Route:
    content = file.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICY,
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return Route(path, answer, include_in_schema=False)
