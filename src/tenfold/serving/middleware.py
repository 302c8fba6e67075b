"""Middleware of every request: who may call, security headers, metrics, log and errors."""

import json
import logging
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serving.callers import Callers
from tenfold.serving.queue import WorkQueue

Endpoint = Callable[[Request], Awaitable[Response]]

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
MAX_LOGGED_PATH = 200  # characters

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
    """Checks who calls, sets headers, counts, logs, and calls the endpoint.

    The endpoints in `direct`, of POST requests by path, are called from here: FastAPI's routing
    would add a tenth to the time in which a digit is read. `wrap` applies another middleware, such
    as CORS, after the check and before the endpoints.
    """

    def __init__(  # noqa: PLR0913 - one place where all of it is joined
        self,
        app: ASGIApp,
        *,
        direct: Mapping[str, Endpoint],
        callers: Callers,
        metrics: Metrics,
        access_log: bool,
        wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    ) -> None:
        self._app, self._direct, self._callers = app, direct, callers
        self._metrics, self._access_log = metrics, access_log
        self._serve = wrap(self._call)

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

        try:
            self._callers.check_origin(scope)
            await self._serve(scope, receive, send_with_headers)
        except HTTPException as error:
            response = await http_error(Request(scope), error)
            await response(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = STATUS_CLIENT_GONE
        except Exception:
            if not status:  # otherwise FastAPI has sent `internal_error` and raises once more
                raise
        finally:
            seconds = time.perf_counter() - start
            self._metrics.count(self._route(scope), status, seconds)
            if self._access_log:
                write_access_log(scope, status, seconds)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
        request = Request(scope, receive)
        respond: ASGIApp = self._app
        try:
            self._callers.check_token(scope)
            if endpoint:
                respond = await endpoint(request)
        except ClientDisconnect:
            raise
        except HTTPException as error:
            respond = await http_error(request, error)
        except Exception as error:  # noqa: BLE001 - a bug; its details go to the log only
            respond = await internal_error(request, error)
        await respond(scope, receive, send)

    def _route(self, scope: Scope) -> str:
        if scope["method"] == "POST" and scope["path"] in self._direct:
            return str(scope["path"])
        return getattr(scope.get("route"), "path", "other")


def write_access_log(scope: Scope, status: int, seconds: float) -> None:
    """Write one line of JSON about a request to standard output: no header and no body."""
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "client": (scope.get("client") or ("",))[0],
        "method": scope["method"],
        "path": scope["path"][:MAX_LOGGED_PATH],
        "status": status,
        "milliseconds": round(1000 * seconds, 3),
    }
    sys.stdout.write(json.dumps(entry) + "\n")
    sys.stdout.flush()


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
