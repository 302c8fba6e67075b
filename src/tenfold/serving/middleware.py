"""Middleware of every request: authentication, security headers, metrics and error responses."""

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

from tenfold.serving.queue import WorkQueue

Endpoint = Callable[[Request], Awaitable[Response]]

PATHS_WITHOUT_TOKEN = frozenset(
    {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json"}
)
SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
DEFAULT_HEADERS = [
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
]
LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
STATUS_CLIENT_GONE = 499  # no standard status; nginx logs this one

_log = logging.getLogger("tenfold.serving")


class Metrics:
    """The metrics of this process that /metrics shows to Prometheus."""

    def __init__(self, queue: WorkQueue) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tenfold_requests", "Requests answered.", ("route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "tenfold_request_seconds",
            "From a request's headers to the end of its response.",
            ("route",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        pending = Gauge("tenfold_waiting", "Requests running or waiting.", registry=self.registry)
        pending.set_function(lambda: queue.pending)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class ServiceMiddleware:
    """Checks the token, sets headers, counts, and calls the endpoint.

    The endpoints in `direct` are called from here: FastAPI's routing would add a tenth to the time
    in which a digit is read.

    Args:
        app: the application.
        direct: endpoints of POST requests by path.
        token: the bearer token that requests must have, if any.
        public: paths that need no token, besides those of health and the OpenAPI document.
        metrics: counts the responses.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        direct: Mapping[str, Endpoint],
        token: str | None,
        public: frozenset[str],
        metrics: Metrics,
    ) -> None:
        self._app, self._direct, self._metrics = app, direct, metrics
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._public = public | PATHS_WITHOUT_TOKEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_headers(message["headers"])
            await send(message)

        path = scope["path"]
        endpoint = self._direct.get(path) if scope["method"] == "POST" else None
        try:
            if not self._is_authorized(scope):
                await UNAUTHORIZED(scope, receive, send_with_headers)
            elif endpoint:
                response = await _call(endpoint, Request(scope, receive))
                await response(scope, receive, send_with_headers)
            else:
                await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = STATUS_CLIENT_GONE
        except Exception:
            if not status:  # otherwise FastAPI has sent `internal_error` and raises once more
                raise
        finally:
            route = path if endpoint else getattr(scope.get("route"), "path", "other")
            self._metrics.count(route, status, time.perf_counter() - start)

    def _is_authorized(self, scope: Scope) -> bool:
        if self._authorization is None or scope["path"] in self._public:
            return True
        given = next((value for key, value in scope["headers"] if key == b"authorization"), b"")
        return hmac.compare_digest(given, self._authorization)


async def _call(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except ClientDisconnect:
        raise
    except HTTPException as error:
        return await http_error(request, error)
    except Exception as error:  # noqa: BLE001 - a bug; its details go to the log only
        return await internal_error(request, error)


async def http_error(_: Request, error: Exception) -> JSONResponse:
    """Respond with an HTTP error's status and one line."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for it
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def internal_error(_: Request, error: Exception) -> JSONResponse:
    """Respond to a bug with an identifier, under which the log has the traceback."""
    identifier = secrets.token_hex(6)
    _log.error("error %s", identifier, exc_info=error)
    return JSONResponse({"error": f"internal error {identifier}"}, 500)


def _with_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    present = {name for name, _ in headers}
    missing = [header for header in DEFAULT_HEADERS if header[0] not in present]
    return [*headers, *SECURITY_HEADERS, *missing]


UNAUTHORIZED = JSONResponse(
    {"error": "a token is needed: Authorization: Bearer …"}, 401, {"WWW-Authenticate": "Bearer"}
)
