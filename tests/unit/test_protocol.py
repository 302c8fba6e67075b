"""Connections, without a network."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from tenfold.serving.protocol import MAX_WAITING_REQUESTS, PARSED_AT_ONCE_BYTES, Protocol

READ_BYTES = 256 * 1024  # what one read of a socket may bring


class Transport(asyncio.Transport):
    """Keeps what is written; notes whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_paused = b"", False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written += data

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


async def echo_path(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    body = scope["path"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def connect(transport: Transport) -> Protocol:
    config = Config(echo_path, http=Protocol, lifespan="off", log_config=None, proxy_headers=False)
    config.load()
    protocol = Protocol(config, ServerState(), {})
    protocol.connection_made(transport)
    return protocol


@pytest.mark.parametrize("body", [b"", b"x" * 100, b"x" * 20_000])
async def test_many_requests_at_once_are_parsed_a_few_at_a_time(body: bytes) -> None:
    shortest = len(b"GET / HTTP/1.1\r\n\r\n")
    transport = Transport()
    protocol = connect(transport)
    sent, data = 0, b""
    while len(data) < READ_BYTES:
        data += b"POST /%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (sent, len(body)) + body
        sent += 1
    protocol.data_received(data)
    most = 0
    while protocol.server_state.total_requests < sent:
        most = max(most, len(protocol.pipeline))
        assert not protocol._unparsed or transport.is_paused
        await asyncio.sleep(0)
    assert most < MAX_WAITING_REQUESTS + PARSED_AT_ONCE_BYTES / shortest
    assert not transport.is_paused
    paths = [
        response.partition(b"\r\n\r\n")[2]
        for response in transport.written.split(b"HTTP/1.1 200 OK")
    ]
    assert paths[1:] == [b"/%d" % number for number in range(sent)]
