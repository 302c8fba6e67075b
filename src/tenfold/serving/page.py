"""The page, read into memory once: no request can name a path."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenfold.serving.assets import MEDIA_TYPES, PAGE_FOLDER, page_files

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# A report is one file with its styles and figures inside, shown in a frame of the page.
REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
}


def page_routes(folder: Path = PAGE_FOLDER, shared: Sequence[str] = ()) -> list[Route]:
    """Return a route for each file in a folder, or `shared` by the service's page, and for `/`."""
    files = {name: (PAGE_FOLDER / name).read_bytes() for name in shared} | page_files(folder)
    routes = [_route(f"/{name}", content) for name, content in files.items()]
    return [*routes, _route("/", files["index.html"], "text/html")]


def _route(path: str, content: bytes, media_type: str | None = None) -> Route:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    media_type = media_type or MEDIA_TYPES[Path(path).suffix]
    headers = PAGE_HEADERS | {"ETag": etag}

    async def send_file(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return Route(path, send_file, include_in_schema=False)
