"""`tenfold serve` as a process, and a helper for raw connections."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tenfold

SOURCE = str(Path(tenfold.__file__).parents[1])
# Run in the service before it starts: each large request takes ten minutes.
SLOW_READING = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from integration.serve_process import read_for_ten_minutes
from tenfold.serving import read
read.read_body = read_for_ten_minutes
"""


def read_for_ten_minutes(*_: object, **__: object) -> bytes:
    """Do as `read_body` does with a picture that is a lot of work; leave a file that says where."""
    Path(f"reading-{os.getpid()}").touch()
    time.sleep(600)
    return b"{}"


def running_processes() -> dict[int, int]:
    """Return the parent of every running process."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(path.parent.name)] = int(parent)
    return parents


def descendants(process: int) -> set[int]:
    """Return the running processes that a process started, directly or not."""
    parents, found = running_processes(), {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def command_line(process: int) -> str:
    """Return the command line of a process, empty when it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended after it was opened
        return ""


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait, and fail if it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Service:
    """The command in a process of its own, in an empty home folder."""

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
        """Stop it by a signal; return its log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, log
        return log


Start = Callable[..., Service]


def receive_all(connection: socket.socket) -> bytes:
    """Return all bytes until the other side closes the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
