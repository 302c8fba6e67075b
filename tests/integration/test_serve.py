"""`tenfold serve` as a process: limits, patience, signals, clients of others."""

import contextlib
import functools
import http.client
import io
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from tenfold.data.dataset import Digits
from tenfold.model.predict import Predictor

SOURCE = str(Path(tenfold.__file__).parents[1])
IMPATIENT = """
from tenfold.serving import protocol
protocol.HEAD_SECONDS, protocol.BODY_SECONDS, protocol.MAX_CONNECTIONS = 0.5, 0.7, 20
"""


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def digit() -> bytes:
    one = np.zeros((28, 28), np.uint8)
    one[5:23, 13:16] = 255
    return png(one)


class Service:
    """The command in a process of its own, with nothing but an empty folder around it."""

    def __init__(self, home: Path, *arguments: object, prelude: str = "", port: int = 0) -> None:
        self.home = home
        code = f"{prelude}\nfrom tenfold.cli import main\nmain()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--port", str(port), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home,
            env=os.environ | {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": SOURCE},
            start_new_session=True,
        )
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line + self.process.communicate(timeout=10)[1]
        self.port = int(found[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def post(self, body: Any, kind: str = "image/png", path: str = "/v1/read") -> tuple[int, Any]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(client):
            client.request("POST", path, body, {"Content-Type": kind})
            response = client.getresponse()
            return response.status, json.loads(response.read())

    def get(self, path: str) -> int:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(client):
            client.request("GET", path)
            return client.getresponse().status

    def stop(self, number: int = signal.SIGTERM) -> str:
        """End it as an operator does; return what it wrote to its log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, log
        return log


Start = Callable[..., Service]


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    started: list[Service] = []

    def one(*arguments: object, **more: Any) -> Service:
        started.append(Service(tmp_path_factory.mktemp("home"), *arguments, **more))
        return started[-1]

    yield one
    for service in started:
        with service.process, contextlib.suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def service(launch: Start) -> Service:
    return launch(prelude=IMPATIENT)


def whole_answer(connection: socket.socket) -> bytes:
    """Return what comes until the other side hangs up."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_a_digit_is_read(service: Service, digit: bytes) -> None:
    status, told = service.post(digit)
    assert (status, told["results"][0]["readings"][0]["digit"]) == (200, 1)


@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        (b"", b""),
        (b"POST /v1/read HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n"),
        (b"POST /v1/read HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: 900\r\n\r\n", b"x"),
        (b"POST /v1/read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        # Of another request before: what is patient with it is patient with this.
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal", b"t"),
    ],
    ids=["nothing", "head", "body", "chunks", "second"],
)
def test_who_dawdles_is_cut_off(service: Service, begun: bytes, drip: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(begun)
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
        answer = whole_answer(connection)
        assert time.monotonic() - beginning < 5
        assert (b" 408 " in answer) == (begun != b"")
    assert service.get("/healthz") == 200


def test_a_connection_in_use_lasts(service: Service, digit: bytes) -> None:
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


def test_slow_ones_do_not_hold_up_others(service: Service, digit: bytes) -> None:
    slow = [service.connect() for _ in range(10)]
    for connection in slow:
        connection.sendall(b"POST /v1/read HTTP/1.1\r\n")
    beginning = time.monotonic()
    assert service.post(digit)[0] == 200
    assert time.monotonic() - beginning < 0.4
    for connection in slow:
        assert b" 408 " in whole_answer(connection)
        connection.close()


def test_a_full_house_says_so(service: Service) -> None:
    inside = [service.connect() for _ in range(20)]
    time.sleep(0.1)
    with service.connect() as late:
        assert b" 503 " in whole_answer(late)
    for connection in inside:
        connection.close()
    time.sleep(0.2)
    assert service.get("/healthz") == 200


def test_an_endless_head_is_refused(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            for sent in range(100_000):
                connection.sendall(b"X-%d: %s\r\n" % (sent, b"y" * 1000))
        assert sent < 20_000  # what the system keeps on the way is all that went
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * 33_000)
        assert b" 431 " in whole_answer(connection)
    assert service.get("/healthz") == 200


def memory(service: Service) -> int:
    """Return the process's memory in MiB."""
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("announced", [True, False])
def test_a_gigabyte_is_refused_at_once(service: Service, announced: bool) -> None:  # noqa: FBT001
    before = memory(service)
    head = b"POST /v1/read HTTP/1.1\r\nContent-Type: image/png\r\n"
    head += b"Content-Length: 1073741824\r\n" if announced else b"Transfer-Encoding: chunked\r\n"
    sent = 0
    with service.connect() as connection:
        connection.sendall(head + b"\r\n")
        piece = bytes(2**20) if announced else b"100000\r\n" + bytes(2**20) + b"\r\n"
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


def test_a_thousand_damaged_pictures_are_each_answered(service: Service, digit: bytes) -> None:
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
def test_what_is_no_request_is_refused(service: Service, raw: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(raw)
        answer = whole_answer(connection)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer
    assert service.get("/healthz") == 200


def test_clients_of_the_protocol_work(service: Service, tiny_digits: Digits) -> None:
    client_of = pytest.importorskip("tritonclient.http")
    images = tiny_digits.images[:5].numpy()
    expected = Predictor.load().probabilities(images)
    client = client_of.InferenceServerClient(f"127.0.0.1:{service.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("field")
    assert client.get_model_metadata("field")["inputs"][0]["shape"] == [-1, 28, 28]
    for binary in (True, False):
        given = client_of.InferInput("images", list(images.shape), "UINT8")
        given.set_data_from_numpy(images, binary_data=binary)
        wanted = [
            client_of.InferRequestedOutput(name, binary_data=binary)
            for name in ("probabilities", "digits")
        ]
        found = client.infer("field", [given], outputs=wanted)
        np.testing.assert_allclose(found.as_numpy("probabilities"), expected, atol=1e-5)
        np.testing.assert_array_equal(found.as_numpy("digits"), expected.argmax(axis=1))
    client.close()


def test_nothing_was_written_and_nothing_went_wrong(service: Service) -> None:
    assert list(service.home.iterdir()) == []
    assert service.stop() == ""


def hammer(port: int, digit: bytes, answers: list[int], lost: list[str]) -> None:
    """Send digits over one connection after the other until nobody listens."""
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        except OSError:
            return
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        client.sock = connection
        while True:
            try:
                client.request("POST", "/v1/read", digit, {"Content-Type": "image/png"})
                response = client.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                lost.append(repr(error))
                break
            answers.append(response.status)
            if response.will_close:
                break
        client.close()


@pytest.mark.processes
@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_under_load_loses_nothing_and_the_port_is_free_again(
    launch: Start, digit: bytes, workers: int
) -> None:
    service = launch("--workers", workers)
    answers: list[int] = []
    lost: list[str] = []
    while not answers:  # workers take a moment to come up
        with contextlib.suppress(OSError):
            answers.append(service.post(digit)[0])
    threads = [
        threading.Thread(target=functools.partial(hammer, service.port, digit, answers, lost))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    log = service.stop()
    for thread in threads:
        thread.join(30)
    assert lost == []
    assert len(answers) > 30
    assert set(answers) == {200}
    assert log == ""
    again = launch(port=service.port)
    assert again.post(digit)[0] == 200
    assert again.stop(signal.SIGINT) == ""


def test_a_request_that_is_arriving_is_still_answered(launch: Start, digit: bytes) -> None:
    service = launch()
    quiet, begun = service.connect(), service.connect()
    head = b"POST /v1/read HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    begun.sendall(head % len(digit) + digit[:10])
    time.sleep(0.2)
    service.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    with pytest.raises(ConnectionRefusedError):
        service.connect()
    quiet.sendall(head % len(digit) + digit)  # on a connection that was open before
    begun.sendall(digit[10:])
    for connection in (quiet, begun):
        answer = whole_answer(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        connection.close()
    assert service.process.wait(10) == 0


def failing(*arguments: object, **variables: str) -> str:
    """Run the command, which is to end at once with a line."""
    done = subprocess.run(
        [sys.executable, "-m", "tenfold", "serve", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | variables,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_what_cannot_be_served_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"127.0.0.1:{port}: cannot listen there (Address already in use)"
        assert message in failing("--port", port)
    assert "cannot be read" in failing("--model", tmp_path / "nothing")
    assert "report.html" in failing("--report", tmp_path)
    assert "no such" in failing("--token-file", tmp_path / "none").lower()
    (tmp_path / "token").write_text(" \n")
    assert "token: a token is one word" in failing("--token-file", tmp_path / "token")
    assert "TENFOLD_TOKEN: a token is one word" in failing(TENFOLD_TOKEN="a b")


def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None\n"
        "from tenfold.cli import main; sys.argv[1:] = ['serve']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "tenfold: tenfold serve needs an extra: pip install 'tenfold[serve]'\n",
    )
