"""What every request passes: the token, the headers of every answer, the count, errors."""

import hmac
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serving.errors import Refusal
from tenfold.serving.queue import Queue

Endpoint = Callable[[Request], Awaitable[Response]]

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
    """What every request passes first.

    The paths that must be fast are answered from here: FastAPI's way to them takes a tenth of the
    time in which a digit is read.

    Args:
        app: what is guarded.
        short: endpoints of POST requests by path.
        token: that callers must bear, but for `public` paths and those that tell of health.
        metrics: where answers are counted.
        public: paths of the page.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        short: Mapping[str, Endpoint],
        token: str | None,
        metrics: Metrics,
        public: frozenset[str],
    ) -> None:
        self._app, self._short, self._metrics = app, short, metrics
        self._expected = None if token is None else f"Bearer {token}".encode()
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

        path = scope["path"]
        endpoint = self._short.get(path) if scope["method"] == "POST" else None
        try:
            if not self._admits(scope):
                await _unauthorised(scope, receive, send_on)
            elif endpoint:
                response = await _answered(endpoint, Request(scope, receive))
                await response(scope, receive, send_on)
            else:
                await self._app(scope, receive, send_on)
        except ClientDisconnect:
            status = _GONE
        except Exception:
            if not status:  # else FastAPI has answered, by `failed`, and raised it again
                raise
        finally:
            route = path if endpoint else getattr(scope.get("route"), "path", "other")
            self._metrics.note(route, status, time.perf_counter() - begun)

    def _admits(self, scope: Scope) -> bool:
        if self._expected is None or scope["path"] in self._open:
            return True
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        return hmac.compare_digest(given, self._expected)


async def _answered(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except Refusal as refusal:
        return await refused(request, refusal)
    except ClientDisconnect:
        raise
    except Exception as error:  # noqa: BLE001 - a bug, of which the caller learns nothing
        return await failed(request, error)


async def refused(_: Request, refusal: Exception) -> JSONResponse:
    """Answer what is not served."""
    assert isinstance(refusal, Refusal)  # noqa: S101 - registered for it
    return JSONResponse({"error": str(refusal)}, refusal.status, refusal.headers)


async def not_found(_: Request, error: Exception) -> JSONResponse:
    """Answer what the router says no to."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def failed(_: Request, error: Exception) -> JSONResponse:
    """Answer a bug with an identifier that the log has."""
    identity = secrets.token_hex(6)
    _log.error("error %s", identity, exc_info=error)
    return JSONResponse({"error": f"internal error {identity}"}, 500)


def _completed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    said = {name for name, _ in headers}
    return [*headers, *_HEADERS, *(pair for pair in _UNLESS_SAID if pair[0] not in said)]


_unauthorised = JSONResponse(
    {"error": "a token is needed: Authorization: Bearer …"},
    401,
    {"WWW-Authenticate": "Bearer"},
)
