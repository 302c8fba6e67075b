"""Receiving request bodies, within limits of one and of all together."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES = 16 * 2**20
MAX_JSON_BYTES = 2**20
MAX_ARRIVING_BYTES = 256 * 2**20
# Requests up to this size may be read by the process that serves.
SMALL_BODY_BYTES = 8 * 2**10

JSON = "application/json"


def media_type(content_type: str) -> str:
    """Return the type of a body without its parameters."""
    return content_type.partition(";")[0].strip().lower()


class BodyReceiver:
    """Receives bodies. If too much is arriving, the body that began first is given up.

    Slow callers can therefore not keep others out.
    """

    def __init__(self, max_arriving_bytes: int = MAX_ARRIVING_BYTES) -> None:
        self._max_arriving_bytes = max_arriving_bytes
        self._arriving: dict[asyncio.Timeout, bytearray] = {}  # in the order of their beginning

    async def receive(self, request: Request, max_bytes: int) -> bytes:
        """Receive the whole body.

        Raises:
            HTTPException: the body is longer than `max_bytes` (413), or too much is arriving (503).
            ClientDisconnect: the client went away.
        """
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > max_bytes:
            raise _too_long(max_bytes)
        body = bytearray()
        try:
            async with asyncio.timeout(None) as timeout:
                self._arriving[timeout] = body
                try:
                    await self._receive(request, max_bytes, body)
                finally:
                    self._arriving.pop(timeout, None)
        except TimeoutError:
            raise HTTPException(
                503, "too many large bodies are arriving; try again", {"Retry-After": "1"}
            ) from None
        return bytes(body)

    async def receive_json(self, request: Request, max_bytes: int) -> bytes:
        """Receive the whole body of a request that says that it is JSON.

        Raises:
            HTTPException: it says something else (415); see also `receive`.
        """
        if media_type(request.headers.get("content-type", "")) != JSON:
            raise HTTPException(415, f"the body must be {JSON}")
        return await self.receive(request, max_bytes)

    async def _receive(self, request: Request, max_bytes: int, body: bytearray) -> None:
        more = True
        while more:
            message = await request.receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            more = message.get("more_body", False)
            body += message.get("body", b"")
            if len(body) > max_bytes:
                raise _too_long(max_bytes)
            if len(body) > SMALL_BODY_BYTES:
                self._make_room()

    def _make_room(self) -> None:
        while sum(map(len, self._arriving.values())) > self._max_arriving_bytes:
            oldest = next(iter(self._arriving))
            del self._arriving[oldest]
            oldest.reschedule(asyncio.get_running_loop().time())


def _too_long(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"body is above {max_bytes // 2**20} MiB")
