"""Callers who send, read or leave in bad faith, and processes that must end whatever they do."""

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tenfold.cpu import available_cores

from .serve_process import (
    SLOW_READING,
    Service,
    Start,
    command_line,
    descendants,
    receive_all,
    running_processes,
    wait_until,
)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

POST = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
LARGE = bytes(9000)  # above the size of what is read on the event loop
SHORT_TIMEOUTS = """
from tenfold.serving import protocol, server
protocol.WRITE_TIMEOUT_S, server.SHUTDOWN_TIMEOUT_S = 1, 1
"""


def send_large(service: Service, following: bytes = b"") -> socket.socket:
    connection = service.connect()
    connection.sendall(POST + b"Content-Length: 9000\r\n\r\n" + LARGE + following)
    return connection


def wait_for_reading(service: Service, count: int) -> set[int]:
    """Wait until so many processes read; return them."""
    wait_until(lambda: len(list(service.home.glob("reading-*"))) >= count)
    return {int(path.name.partition("-")[2]) for path in service.home.glob("reading-*")}


def send_forever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


def test_callers_who_do_not_send_their_bodies_keep_no_one_out(launch: Start) -> None:
    service = launch()
    slow = [service.connect() for _ in range(40)]
    for connection in slow:
        connection.sendall(POST + b"Content-Length: 9000\r\n\r\n")
    status, content = service.post(LARGE)
    assert (status, list(content)) == (422, ["error"])  # it was looked at
    for connection in slow:
        connection.close()


def test_a_caller_who_never_reads_is_cut_off(launch: Start, digit: bytes) -> None:
    service = launch(prelude=SHORT_TIMEOUTS)
    with service.connect() as connection:
        connection.settimeout(0.2)
        beginning = time.monotonic()
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:  # until neither side takes more
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        assert service.post(digit)[0] == 200
        connection.settimeout(20)
        with pytest.raises(ConnectionError):
            send_forever(connection)
        assert time.monotonic() - beginning < 15


@pytest.mark.parametrize("following", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_reading_stops_when_the_caller_has_gone(launch: Start, following: bytes) -> None:
    service = launch(prelude=SLOW_READING)
    connections = [send_large(service, following) for _ in range(available_cores() + 1)]
    busy = wait_for_reading(service, available_cores())
    for connection in connections:
        connection.close()
    wait_until(lambda: not busy & running_processes().keys(), seconds=10)  # before its time is up
    assert service.get("/healthz") == 200


def test_sigterm_ends_everything_whatever_runs(launch: Start, digit: bytes) -> None:
    service = launch(prelude=SLOW_READING + SHORT_TIMEOUTS)
    connections = [send_large(service) for _ in range(3)]
    wait_for_reading(service, available_cores())
    family = descendants(service.process.pid)
    assert service.post(digit)[0] == 200  # photographs do not delay digits
    beginning = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(20) == 0
    assert time.monotonic() - beginning < 10
    wait_until(lambda: not family & running_processes().keys())
    for connection in connections:
        receive_all(connection)
        connection.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_all_processes_end_with_the_first_one(launch: Start, digit: bytes, workers: int) -> None:
    service = launch("--workers", workers, prelude=SLOW_READING)
    answers: list[int] = []
    while not answers:
        with contextlib.suppress(OSError):
            answers.append(service.post(digit)[0])
    busy = [send_large(service) for _ in range(4)]
    if workers == 1:  # in the others what takes ten minutes has not been set
        wait_for_reading(service, 1)
    family = descendants(service.process.pid)
    assert len(family) > workers
    os.kill(service.process.pid, signal.SIGKILL)
    wait_until(lambda: not family & running_processes().keys())
    with pytest.raises(ConnectionRefusedError):
        service.connect()
    for connection in busy:
        connection.close()


MODEL_THAT_DISAPPEARS = """
import shutil
from tenfold.bundle.format import find_bundle
from tenfold.serving import server
shutil.copytree(find_bundle("field"), "bundle")
create_app = server.create_app

def create_app_once(*arguments, **options):
    app = create_app(*arguments, **options)
    shutil.rmtree("bundle")
    return app

server.create_app, server.MAX_FAILED_STARTS = create_app_once, 2
"""


def test_workers_that_cannot_start_are_not_started_for_ever(launch: Start) -> None:
    service = launch("--workers", 2, "--model", "bundle", prelude=MODEL_THAT_DISAPPEARS)
    _, log = service.process.communicate(timeout=60)
    assert service.process.returncode == 2
    assert len(log.splitlines()) == 1, log
    assert log.startswith("tenfold: --workers: 2 could not start: bundle/bundle.json: ")
    assert descendants(service.process.pid) == set()


def test_a_worker_that_dies_is_replaced(launch: Start, digit: bytes) -> None:
    service = launch("--workers", 2)
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")

    def workers() -> set[int]:
        """Return the children but for the one that watches what `multiprocessing` made."""
        processes = map(int, children.read_text().split())
        return {process for process in processes if "spawn_main" in command_line(process)}

    wait_until(lambda: len(workers()) == 2)
    first = workers()
    os.kill(min(first), signal.SIGKILL)
    wait_until(lambda: len(workers() - first) == 1)
    assert service.post(digit)[0] == 200
    assert service.stop() == ""
