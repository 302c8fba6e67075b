"""`tenfold serve` starts or prints one line why not, and loses no request when it stops."""

import contextlib
import functools
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from .drawn_pictures import Tenfold
from .serve_process import Service, Start, receive_all, wait_until

pytestmark = pytest.mark.processes


def send_until_closed(port: int, digit: bytes, answers: list[int], lost: list[str]) -> None:
    """Send digits over one connection after the other until the port is closed."""
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


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_under_load_loses_nothing_and_the_port_is_free_again(
    launch: Start, digit: bytes, workers: int
) -> None:
    service = launch("--workers", workers)
    answers: list[int] = []
    lost: list[str] = []
    while not answers:  # workers take a moment to start
        with contextlib.suppress(OSError):
            answers.append(service.post(digit)[0])
    threads = [
        threading.Thread(
            target=functools.partial(send_until_closed, service.port, digit, answers, lost)
        )
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answers) > 30, seconds=60)
    log = service.stop()
    for thread in threads:
        thread.join(30)
    assert lost == []
    assert set(answers) == {200}
    assert log == ""
    again = launch(port=service.port)
    assert again.post(digit)[0] == 200
    assert again.stop(signal.SIGINT) == ""


def is_closed(service: Service) -> bool:
    try:
        service.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_that_is_arriving_is_still_answered(launch: Start, digit: bytes) -> None:
    service = launch()
    assert service.post(digit)[0] == 200
    idle, started = service.connect(), service.connect()
    head = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    head += b"Content-Length: %d\r\n\r\n"
    started.sendall(head % len(digit) + digit[:10])
    time.sleep(0.2)
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: is_closed(service))
    idle.sendall(head % len(digit) + digit)  # on a connection that was open before
    started.sendall(digit[10:])
    for connection in (idle, started):
        answer = receive_all(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        connection.close()
    assert service.process.wait(10) == 0


def test_a_failure_to_start_is_one_line(
    tenfold: Tenfold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error_of(*arguments: object) -> str:
        ended = tenfold("serve", *arguments)
        assert ended.code == 2, ended.err
        assert ended.out == ""
        assert len(ended.err.splitlines()) == 1
        return ended.err

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"127.0.0.1:{port}: cannot listen there (Address already in use)"
        assert message in error_of("--port", port)
    assert "cannot be read" in error_of("--model", tmp_path / "nothing")
    assert "report.html" in error_of("--report", tmp_path)
    assert "no such" in error_of("--token-file", tmp_path / "none").lower()
    (tmp_path / "token").write_text(" \n")
    assert "token: a token is one word" in error_of("--token-file", tmp_path / "token")
    (tmp_path / "token").write_text("a" * 10_001)
    assert "token: a token has at most" in error_of("--token-file", tmp_path / "token")
    assert "--cors a.example: an origin is" in error_of("--cors", "a.example")
    assert "--allowed-host a:80: give a name" in error_of("--allowed-host", "a:80")
    monkeypatch.setenv("TENFOLD_TOKEN", "a b")
    assert "TENFOLD_TOKEN: a token is one word" in error_of()
    monkeypatch.setenv("TENFOLD_TOKEN", "a")
    assert "--report: goes without a token" in error_of("--report", tmp_path)


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
