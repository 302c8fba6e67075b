"""The command in this process and in others, a service, and one finished run to look at."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tenfold import cli

from .drawn_pictures import Ended, Tenfold
from .serve_process import Service
from .small_sweep import SPACE

Start = Callable[..., "subprocess.Popen[str]"]


@dataclass(frozen=True)
class Finished:
    """A run folder, and what the command that made it printed."""

    path: Path
    stdout: str
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON object of the last line."""
        value: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return value


def popen(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tenfold", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_here(*arguments: object) -> int:
    """Run the command in this process; return its exit code."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["tenfold", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as leaving:
            return int(leaving.code or 0)
    return 0


@pytest.fixture(scope="session", autouse=True)
def hear_ctrl_c() -> None:
    """Undo what shells do to background jobs: these tests' processes would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `tenfold ARGUMENTS…` in a session of its own, to be signalled as a group."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*arguments: object) -> "subprocess.Popen[str]":
        started.append(popen(*arguments))
        return started[-1]

    yield start_one
    for process in started:
        with process, contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever a failed test has left


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Train the smoke recipe once, uninterrupted, on one thread."""
    path = tmp_path_factory.mktemp("finished") / "run"
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = run_here("train", "smoke", "--out", path, "--threads", 1, "--json")
    assert code == 0, stderr.getvalue()
    return Finished(path, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def tenfold(capfd: pytest.CaptureFixture[str]) -> Tenfold:
    """Run the command in this process."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run_here(*arguments)
        sys.stdout.flush()
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def digit() -> bytes:
    """Draw a 1 of 28 × 28 pixels, as a PNG."""
    one = np.zeros((28, 28), np.uint8)
    one[5:23, 13:16] = 255
    file = io.BytesIO()
    Image.fromarray(one).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Service]]:
    """Start `tenfold serve ARGUMENTS…`, as often as a module needs."""
    started: list[Service] = []

    def one(*arguments: object, **more: Any) -> Service:
        started.append(Service(tmp_path_factory.mktemp("home"), *arguments, **more))
        return started[-1]

    yield one
    for service in started:
        with service.process, contextlib.suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """Write what `small_sweep` sweeps to a file."""
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path
