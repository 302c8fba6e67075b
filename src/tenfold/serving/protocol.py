"""uvicorn's HTTP protocol with time-outs, bounded headers and a limit of connections."""

import asyncio
import math
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tenfold.serving.middleware import DEFAULT_HEADERS, SECURITY_HEADERS

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

# The head is a request's first line and its headers.
HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 60.0
WRITE_TIMEOUT_S = 30.0
MAX_HEAD_BYTES = 32 * 1024
# Of one connection, besides the one that is responded to. Others are parsed later.
MAX_WAITING_REQUESTS = 16
PARSED_AT_ONCE_BYTES = 8 * 1024  # hundreds of small requests, a few milliseconds
MAX_CONNECTIONS = 900  # below the usual limit of 1,024 open files
# After SIGTERM an idle connection stays open for so long: a request may be on its way.
IDLE_DRAIN_S = 1.0


def _response(status: str, message: str, **more_headers: str) -> bytes:
    body = f'{{"error":"{message}"}}'
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    headers |= {name.decode(): value.decode() for name, value in SECURITY_HEADERS + DEFAULT_HEADERS}
    headers |= {name.replace("_", "-"): value for name, value in more_headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "connection: close", "", body]).encode()


_INVALID = _response("400 Bad Request", "not a valid HTTP request")
_TIMED_OUT = _response("408 Request Timeout", "the request did not arrive in time")
_HEAD_TOO_LONG = _response("431 Request Header Fields Too Large", "headers above 32 KiB")
_TOO_MANY_CONNECTIONS = _response(
    "503 Service Unavailable", "too many connections; try again", retry_after="1"
)


class _FlowControl(FlowControl):
    """Reads no more while the connection has unparsed data; uvicorn would for each response."""

    has_unparsed_data = False

    def resume_reading(self) -> None:
        if not self.has_unparsed_data:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """A connection with deadlines, which is drained when the service stops.

    The server calls `check_deadlines` ten times a second: that costs less than timers would.
    Between requests uvicorn's `timeout_keep_alive` applies.

    Attributes:
        _head_bytes: the size of the head that is arriving so far; None if no head is arriving.
        _arrival_deadline: when the head, or the body, that is arriving must have arrived.
        _write_deadline: when the caller must have read most of the response.
        _answering: the request that the application is called with.
        _unparsed: data that waits until there are fewer requests.
    """

    flow: _FlowControl
    _head_bytes: int | None = 0
    _arrival_deadline = math.inf
    _write_deadline = math.inf
    _answering: RequestResponseCycle | None = None
    _unparsed = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or respond 503 if there are too many."""
        super().connection_made(transport)
        self.flow = _FlowControl(transport)
        self._arrival_deadline = self.loop.time() + HEAD_TIMEOUT_S
        if len(self.connections) > MAX_CONNECTIONS:
            self._respond_and_close(_TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application; uvicorn tells it only about the last request of a pipeline."""
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Parse data while few requests wait, and bound the head."""
        data, start = self._unparsed + data, 0
        while (
            start < len(data)
            and len(self.pipeline) < MAX_WAITING_REQUESTS
            and not self.transport.is_closing()
        ):
            part = data[start : start + PARSED_AT_ONCE_BYTES]
            start += len(part)
            super().data_received(part)
            if self._head_bytes is not None:
                self._head_bytes += len(part)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._respond_and_close(_HEAD_TOO_LONG)
        self._unparsed = data[start:]
        self.flow.has_unparsed_data = bool(self._unparsed)
        if self._unparsed:
            self.flow.pause_reading()

    def on_response_complete(self) -> None:
        """Begin the next request, and parse what has waited."""
        super().on_response_complete()
        if self._unparsed and not self.transport.is_closing():
            self.data_received(b"")
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """Respond as every error is responded to."""
        self._respond_and_close(_INVALID)

    def on_message_begin(self) -> None:
        """Give the head time to arrive."""
        super().on_message_begin()
        self._head_bytes = 0
        self._arrival_deadline = self.loop.time() + HEAD_TIMEOUT_S

    def on_headers_complete(self) -> None:
        """Give the body time to arrive, also if the response does not wait for it."""
        self._head_bytes = None
        self._arrival_deadline = self.loop.time() + BODY_TIMEOUT_S
        super().on_headers_complete()
        if self.app_state.get("draining"):
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Expect nothing more for now."""
        super().on_message_complete()
        self._arrival_deadline = math.inf

    def pause_writing(self) -> None:
        """Give the caller time to read."""
        super().pause_writing()
        self._write_deadline = self.loop.time() + WRITE_TIMEOUT_S

    def resume_writing(self) -> None:
        """Note that the caller has read."""
        super().resume_writing()
        self._write_deadline = math.inf

    def check_deadlines(self, now: float) -> None:
        """Close the connection if the caller sends or reads too slowly."""
        if now > self._write_deadline:
            self.transport.abort()
        if now < self._arrival_deadline:
            return
        responding = self.cycle is not None and not self.cycle.response_complete
        if self._head_bytes is None:  # the body is late
            self._respond_and_close(b"" if self.cycle.response_started else _TIMED_OUT)
        elif responding:  # to an earlier request
            self.cycle.keep_alive = False
        else:
            self._respond_and_close(_TIMED_OUT if self._head_bytes else b"")

    def shutdown(self) -> None:
        """Finish the current request; wait a moment for one if the connection is idle."""
        self.app_state["draining"] = True
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
        else:
            self.loop.call_later(IDLE_DRAIN_S, super().shutdown)

    def _respond_and_close(self, response: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(response)
            self.transport.close()
