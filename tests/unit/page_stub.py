"""What `tenfold serve` answers to the page, and no more."""

import base64
import io
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

import tenfold
from tenfold.errors import DataError
from tenfold.reading.reader import Layout, Reader, Reading

FOLDER = Path(tenfold.__file__).parent / "page"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; script-src 'self' 'wasm-unsafe-eval'; "
    "worker-src 'self' blob:"
)
_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Stub(BaseHTTPRequestHandler):
    """Reads with the shipped bundle. Set `report`, `refusal` or `token` on a subclass."""

    reader: Reader
    report: bytes | None = None
    refusal: tuple[int, str] | None = None
    token: str | None = None

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        file = FOLDER / ("index.html" if path == "/" else path[1:])
        if path == "/v1/model":
            if self._allowed():
                config = self.reader.predictor.config
                members = len(config.members)
                self._json(200, {"name": config.name, "members": members, "accept": config.accept})
        elif path == "/report" and self.report:
            self._send(200, "text/html", self.report)
        elif file.is_file() and file.suffix in _KINDS:
            self._send(200, _KINDS[file.suffix], file.read_bytes())
        else:
            self._json(404, {"error": "there is nothing here"})

    def do_POST(self) -> None:
        asked = urlsplit(self.path)
        query = parse_qs(asked.query)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._allowed():
            return
        if self.refusal:
            self._json(self.refusal[0], {"error": self.refusal[1]})
            return
        assert asked.path == "/v1/read"
        assert query.pop("explain") == ["true"]
        layout: Layout = "grid" if "grid" in query else "single" if "single" in query else "line"
        try:
            readings = self.reader.read(content, layout)
        except DataError as error:
            self._json(422, {"error": str(error)})
            return
        told = [_told(reading, index) for index, reading in enumerate(readings)]
        self._json(
            200, {"model": "stub", "results": [{"name": None, "readings": told, "error": None}]}
        )

    def _allowed(self) -> bool:
        if self.token is None or self.headers["Authorization"] == f"Bearer {self.token}":
            return True
        self._json(401, {"error": "a token is needed: Authorization: Bearer …"})
        return False

    def _json(self, status: int, value: Any) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _told(reading: Reading, index: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(reading.image).save(buffer, format="PNG")
    probabilities = reading.probabilities.tolist()
    return {
        "index": index,
        "box": reading.box,
        "digit": reading.digit,
        "probability": reading.probability,
        "runner_up": reading.runner_up,
        "rejected": reading.rejected,
        "reason": reading.reason,
        "probabilities": probabilities,
        "members": [probabilities],
        "image": base64.b64encode(buffer.getvalue()).decode(),
    }
