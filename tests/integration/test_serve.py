"""`tenfold serve` as a process: limits, time-outs, and a client of another project."""

import contextlib
import http.client
import json
import os
import re
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.digits import Digits

from .serve_process import Service, Start, receive_all

SHORT_TIMEOUTS = """
from tenfold.serving import protocol
protocol.HEAD_TIMEOUT_S, protocol.BODY_TIMEOUT_S, protocol.MAX_CONNECTIONS = 0.5, 0.7, 20
"""
POST = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def service(launch: Start) -> Service:
    return launch(prelude=SHORT_TIMEOUTS)


def test_a_digit_is_read(service: Service, digit: bytes) -> None:
    status, content = service.post(digit)
    assert (status, [number["text"] for number in content["numbers"]]) == (200, ["1"])


@pytest.mark.parametrize(
    ("first_bytes", "drip"),
    [
        (b"", b""),
        (POST, b"X-A: b\r\n"),
        (POST + b"Content-Type: image/png\r\nContent-Length: 900\r\n\r\n", b"x"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        # The head of a second request, after one that was answered.
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal", b"t"),
    ],
    ids=["nothing", "head", "body", "chunks", "second"],
)
def test_slow_requests_time_out(service: Service, first_bytes: bytes, drip: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(first_bytes)
        beginning = time.monotonic()
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(drip)
                connection.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(65536, socket.MSG_PEEK) or drip == b"t":
                        break
                if b" 408 " in connection.recv(65536, socket.MSG_PEEK):
                    break
        connection.settimeout(10)
        answer = receive_all(connection)
        assert time.monotonic() - beginning < 5
        assert (b" 408 " in answer) == (first_bytes != b"")
    assert service.get("/healthz") == 200


def test_a_connection_in_use_does_not_time_out(service: Service, digit: bytes) -> None:
    client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    client.connect()
    own = client.sock
    for _ in range(8):  # for longer than a head or a body may take
        client.request("POST", "/v1/read", digit, {"Content-Type": "image/png"})
        response = client.getresponse()
        response.read()
        assert response.status == 200
        time.sleep(0.15)
    assert client.sock is own
    client.close()


def test_slow_requests_do_not_delay_others(service: Service, digit: bytes) -> None:
    slow = [service.connect() for _ in range(10)]
    for connection in slow:
        connection.sendall(b"POST /v1/read HTTP/1.1\r\n")
    beginning = time.monotonic()
    assert service.post(digit)[0] == 200
    assert time.monotonic() - beginning < 0.4
    for connection in slow:
        assert b" 408 " in receive_all(connection)
        connection.close()


def test_too_many_connections_are_rejected(service: Service) -> None:
    connections = [service.connect() for _ in range(20)]
    time.sleep(0.1)
    with service.connect() as late:
        assert b" 503 " in receive_all(late)
    for connection in connections:
        connection.close()
    time.sleep(0.2)
    assert service.get("/healthz") == 200


def test_an_endless_head_is_rejected(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            for sent in range(100_000):
                connection.sendall(b"X-%d: %s\r\n" % (sent, b"y" * 1000))
        assert sent < 20_000  # what the system keeps on the way is all that went
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * 33_000)
        assert b" 431 " in receive_all(connection)
    assert service.get("/healthz") == 200


def memory(service: Service) -> int:
    """Return the process's memory in MiB."""
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("has_length", [True, False])
def test_a_gigabyte_is_rejected_at_once(service: Service, has_length: bool) -> None:  # noqa: FBT001
    before = memory(service)
    head = POST + b"Content-Type: image/png\r\n"
    head += b"Content-Length: 1073741824\r\n" if has_length else b"Transfer-Encoding: chunked\r\n"
    sent = 0
    with service.connect() as connection:
        connection.sendall(head + b"\r\n")
        piece = bytes(2**20) if has_length else b"100000\r\n" + bytes(2**20) + b"\r\n"
        with contextlib.suppress(OSError):
            while sent < 1024:
                connection.sendall(piece)
                sent += 1
                if select.select([connection], [], [], 0)[0]:
                    break
        assert sent < 200
        connection.settimeout(10)
        assert connection.recv(12) == b"HTTP/1.1 413"
    assert memory(service) - before < 60
    assert service.get("/healthz") == 200


def test_damaged_pictures_are_each_answered(service: Service, digit: bytes) -> None:
    random = np.random.default_rng(0)
    client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    statuses = []
    for number in range(1000):
        damaged = np.frombuffer(digit, np.uint8).copy()
        at = random.integers(0, len(damaged), random.integers(1, 8))
        damaged[at] = random.integers(0, 256, len(at))
        body = damaged.tobytes()[: random.integers(1, len(damaged) + 1) if number % 2 else None]
        client.request("POST", "/v1/read", body, {"Content-Type": "image/png"})
        response = client.getresponse()
        response.read()
        statuses.append(response.status)
    client.close()
    assert set(statuses) <= {200, 422}
    assert statuses.count(422) > 500


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"POST /v1/read HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/read HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /%2e%2e/%00 HTTP/1.1\r\nConnection: close\r\n\r\n",
    ],
)
def test_malformed_requests_are_rejected(service: Service, raw: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(raw)
        answer = receive_all(connection)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer
    head, _, content = answer.partition(b"\r\n\r\n")
    assert b"\r\nx-content-type-options: nosniff" in head
    assert json.loads(content).keys() == {"error"}
    assert service.get("/healthz") == 200


def test_a_client_of_the_kserve_protocol_works(
    service: Service, tiny_digits: Digits, require_module: Callable[[str], Any]
) -> None:
    client_of = require_module("tritonclient.http")
    images = tiny_digits.images[:5].numpy()
    expected = OnnxClassifier.load().probabilities(images)
    client = client_of.InferenceServerClient(f"127.0.0.1:{service.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("field")
    assert client.get_model_metadata("field")["inputs"][0]["shape"] == [-1, 28, 28]
    for binary in (True, False):
        tensor = client_of.InferInput("images", list(images.shape), "UINT8")
        tensor.set_data_from_numpy(images, binary_data=binary)
        wanted = [
            client_of.InferRequestedOutput(name, binary_data=binary)
            for name in ("probabilities", "digits")
        ]
        found = client.infer("field", [tensor], outputs=wanted)
        np.testing.assert_allclose(found.as_numpy("probabilities"), expected, atol=1e-5)
        np.testing.assert_array_equal(found.as_numpy("digits"), expected.argmax(axis=1))
    client.close()


def test_no_file_was_written_and_no_error_logged(service: Service) -> None:
    assert service.stop() == ""
    assert list(service.home.iterdir()) == []
