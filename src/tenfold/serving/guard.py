"""What every request passes: the token, the headers of every answer, the count, errors."""

import hmac
import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serving.queue import Queue

_OPEN = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
_POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_UNLESS_SAID = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY),
)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_GONE = 499  # the caller went away

_log = logging.getLogger("tenfold.serving")


class Metrics:
    """What /metrics tells of this process."""

    def __init__(self, queue: Queue) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tenfold_requests", "Requests answered.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "tenfold_request_seconds",
            "From a request's headers to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        waiting = Gauge("tenfold_waiting", "Jobs under way or waiting.", registry=self.registry)
        waiting.set_function(lambda: queue.waiting)

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)


class Guard:
    """The outermost layer of the service but CORS.

    Args:
        app: what is guarded.
        token: that callers must bear, but for `public` paths and those that tell of health.
        metrics: where answers are counted.
        public: paths of the page.
    """

    def __init__(
        self, app: ASGIApp, token: str | None, metrics: Metrics, public: frozenset[str]
    ) -> None:
        self._app = app
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._metrics = metrics
        self._open = public | _OPEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message["headers"])
            await send(message)

        try:
            app = self._app if self._admits(scope) else _unauthorised
            await app(scope, receive, send_on)
        except ClientDisconnect:
            status = _GONE
        except Exception:  # noqa: BLE001 - a bug, of which the caller learns nothing
            identity = secrets.token_hex(6)
            _log.exception("error %s", identity)
            if not status:
                await _failed(identity)(scope, receive, send_on)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.note(route, status or _GONE, time.perf_counter() - begun)

    def _admits(self, scope: Mapping[str, Any]) -> bool:
        if self._expected is None or scope["path"] in self._open:
            return True
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        return hmac.compare_digest(given, self._expected)


def _completed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    said = {name for name, _ in headers}
    return [*headers, *_HEADERS, *(pair for pair in _UNLESS_SAID if pair[0] not in said)]


_unauthorised = JSONResponse(
    {"error": "a token is needed: Authorization: Bearer …"},
    401,
    {"WWW-Authenticate": "Bearer"},
)


def _failed(identity: str) -> JSONResponse:
    return JSONResponse({"error": f"internal error {identity}"}, 500)
