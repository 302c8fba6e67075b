"""uvicorn's HTTP protocol with time-outs, bounded headers and a limit of connections."""

import asyncio
from typing import Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The head is a request's first line and its headers.
HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 60.0
MAX_HEAD_BYTES = 32 * 1024
MAX_CONNECTIONS = 900  # below the usual limit of 1,024 open files
# After SIGTERM an idle connection stays open for so long: a request may be on its way.
IDLE_DRAIN_S = 1.0

Part = Literal["head", "body"]


def _response(status: str, message: str) -> bytes:
    body = f'{{"error":"{message}"}}'
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{body}"
    ).encode()


_TIMED_OUT = _response("408 Request Timeout", "the request did not arrive in time")
_HEAD_TOO_LONG = _response("431 Request Header Fields Too Large", "headers above 32 KiB")
_TOO_MANY_CONNECTIONS = _response("503 Service Unavailable", "too many connections; try again")


class Protocol(HttpToolsProtocol):
    """A connection with time-outs, which is drained when the service stops.

    One timer runs while a request's head arrives, then while its body does, even if the response
    was sent meanwhile. Between requests uvicorn's `timeout_keep_alive` applies.

    Attributes:
        _arriving: the part of a request that is arriving, if any.
        _timed: the part that the timer runs for, if any.
        _request_began: whether a request began since the timer was set.
        _head_bytes: the size of the head so far.
    """

    _timer: asyncio.TimerHandle | None = None
    _arriving: Part | None = "head"
    _timed: Part | None = None
    _request_began = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or respond 503 if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._respond_and_close(_TOO_MANY_CONNECTIONS)
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._arriving = None
        self._set_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, bound the head, and set the timer if another part began to arrive."""
        super().data_received(data)
        if self._arriving == "head":
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._respond_and_close(_HEAD_TOO_LONG)
        if self._arriving != self._timed or self._request_began:
            self._set_timer()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        super().on_message_begin()
        self._arriving, self._request_began, self._head_bytes = "head", True, 0

    def on_headers_complete(self) -> None:
        """Note that its body begins."""
        self._arriving = "body"
        super().on_headers_complete()
        if self.app_state.get("draining"):
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Expect no more data until the response is sent, or the next request if it was."""
        super().on_message_complete()
        self._arriving = "head" if self.cycle.response_complete else None
        self._head_bytes = 0

    def shutdown(self) -> None:
        """Finish the current request; wait a moment for one if the connection is idle."""
        self.app_state["draining"] = True
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
        else:
            self.loop.call_later(IDLE_DRAIN_S, super().shutdown)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timed, self._request_began = None, self._arriving, False
        if self._arriving is not None:
            seconds = HEAD_TIMEOUT_S if self._arriving == "head" else BODY_TIMEOUT_S
            self._timer = self.loop.call_later(seconds, self._time_out)

    def _time_out(self) -> None:
        responding = self.cycle is not None and not self.cycle.response_complete
        if self._arriving == "head" and responding:  # to an earlier request
            self.cycle.keep_alive = False
        elif self._arriving == "head":
            self._respond_and_close(_TIMED_OUT if self._head_bytes else b"")
        else:
            self._respond_and_close(b"" if self.cycle.response_started else _TIMED_OUT)

    def _respond_and_close(self, response: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(response)
            self.transport.close()
