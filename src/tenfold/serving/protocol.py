"""HTTP as uvicorn speaks it, with an end to patience: time-outs, bounded heads, a full house."""

import asyncio
from typing import Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0  # for a request's line and headers
BODY_SECONDS = 60.0  # for its body
DRAIN_SECONDS = 1.0  # a quiet connection stays open so long after SIGTERM: a request may be coming
MAX_HEAD = 32 * 1024  # bytes
MAX_CONNECTIONS = 900  # below the usual limit of 1,024 open files

Part = Literal["head", "body"]


def _raw(status: str, message: str) -> bytes:
    body = f'{{"error":"{message}"}}'
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{body}"
    ).encode()


_LATE = _raw("408 Request Timeout", "the request did not arrive in time")
_LONG = _raw("431 Request Header Fields Too Large", "headers above 32 KiB")
_FULL = _raw("503 Service Unavailable", "too many connections; try again")


class Protocol(HttpToolsProtocol):
    """A connection that must not dawdle, and that is drained rather than cut.

    One timer runs: over a request's head, then over its body, whether or not it was answered
    meanwhile. Between requests it is uvicorn's own, `timeout_keep_alive`.
    """

    _timer: asyncio.TimerHandle | None = None
    _part: Part | None = "head"  # what is arriving
    _timed: Part | None = None  # what the timer runs over
    _anew = False  # whether a request began since it was set
    _head = 0  # bytes of the head so far

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that the house is full."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._end(_FULL)
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._part = None
        self._time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and look at the clock where a request is not yet whole."""
        super().data_received(data)
        if self._part == "head":
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._end(_LONG)
        if self._part != self._timed or self._anew:
            self._time()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._part, self._anew, self._head = "head", True, 0

    def on_headers_complete(self) -> None:
        """Begin its body."""
        self._part = "body"
        super().on_headers_complete()
        if self.app_state.get("draining"):
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Wait for the answer, or for the next request if it was given already."""
        super().on_message_complete()
        self._part, self._head = "head" if self.cycle.response_complete else None, 0

    def shutdown(self) -> None:
        """Let what is under way end, and a request that is coming be answered."""
        self.app_state["draining"] = True
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
        else:
            self.loop.call_later(DRAIN_SECONDS, super().shutdown)

    def _time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timed, self._anew = None, self._part, False
        if self._part is not None:
            seconds = HEAD_SECONDS if self._part == "head" else BODY_SECONDS
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._part == "head" and answering:  # the answer to an earlier request
            self.cycle.keep_alive = False
        elif self._part == "head":
            self._end(_LATE if self._head else b"")
        else:
            self._end(b"" if self.cycle.response_started else _LATE)

    def _end(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
