"""The benchmark runner: a process for each candidate; they take turns, one computing at a time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tenfold.errors import RunError

ROUNDS = 5
MAX_STEP_SECONDS = 10
"""A candidate whose step takes longer is skipped."""
HERE = Path(__file__).parent
PEERS = HERE.parents[2] / "benchmarks" / "peers"  # of a source checkout

OnProgress = Callable[[str], None]
Measurement = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """What is measured: a row's name, and the file whose `build(key, …)` makes it."""

    name: str
    key: str
    file: Path = HERE / "candidates.py"


PEAK = Candidate("matrix multiply", "peak")
TENFOLD = Candidate("tenfold", "tenfold")
STOCK = (
    Candidate("PyTorch eager, float32", "stock"),
    Candidate("PyTorch eager, bfloat16", "tuned"),
)
COMPILED = Candidate("torch.compile, bfloat16", "compiled")
OTHERS = (
    Candidate("Keras, float32", "float32", PEERS / "keras_peer.py"),
    Candidate("Keras, mixed_bfloat16", "mixed_bfloat16", PEERS / "keras_peer.py"),
    Candidate("JAX, float32", "float32", PEERS / "jax_peer.py"),
    Candidate("JAX, bfloat16", "bfloat16", PEERS / "jax_peer.py"),
)


class CannotRunError(Exception):
    """A candidate's process ended, or takes too long; the message says why in one line."""


@dataclass
class Worker:
    """A candidate in its process, and what was measured."""

    candidate: Candidate
    batch: int
    process: "subprocess.Popen[str]"
    errors: IO[str]
    begun: float = field(default_factory=time.monotonic)
    start_seconds: float = 0.0  # until the first step was done: imports, data, compiling
    versions: dict[str, str] = field(default_factory=dict)
    steps: int = 1  # of a turn
    measurements: list[Measurement] = field(default_factory=list)

    def run(self, steps: int) -> Measurement:
        """Run some steps and return what the process measured.

        Raises:
            CannotRunError: the process ended instead.
        """
        with contextlib.suppress(BrokenPipeError):  # reading fails too, then
            assert self.process.stdin is not None  # noqa: S101 - a pipe
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        return self._read_measurement()

    def warm_up(self, seconds: float) -> None:
        """Wait until it is built, take the first steps, and fit the steps of a turn to `seconds`.

        Raises:
            CannotRunError: it ended, or is too slow.
        """
        self.versions = self._read_measurement()["versions"]
        self.run(1)  # compiles, where anything does
        self.start_seconds = time.monotonic() - self.begun
        step = self.run(1)["seconds"]
        if step > MAX_STEP_SECONDS:
            raise CannotRunError(f"a step takes {step:.1f} s")
        if self.candidate != PEAK:
            self.steps = max(1, round(2 * seconds / self.run(2)["seconds"]))

    def speeds(self) -> list[float]:
        """Return the images per second of each turn."""
        return [
            self.steps * self.batch / measurement["seconds"] for measurement in self.measurements
        ]

    def _read_measurement(self) -> Measurement:
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            written = [text.strip() for text in self.errors if text.strip()]
            raise CannotRunError(written[-1] if written else f"exit {self.process.returncode}")
        measurement: Measurement = json.loads(line)
        return measurement


def measure_in_turns(
    entries: Sequence[tuple[Candidate, int]], folder: Path, seconds: float, on_progress: OnProgress
) -> tuple[list[Worker], list[dict[str, str]]]:
    """Let candidates take turns, each at its batch size; return those that ran and those skipped.

    Raises:
        RunError: tenfold's step, or the matrix multiply that bounds it, did not run.
    """
    running: list[Worker] = []
    skipped: list[dict[str, str]] = []

    def drop(worker: Worker, error: CannotRunError) -> None:
        if worker.candidate in {PEAK, TENFOLD}:
            raise RunError(f"bench: {worker.candidate.name} did not run: {error}") from error
        skipped.append({"name": worker.candidate.name, "why": str(error)})
        on_progress(f"{worker.candidate.name}: skipped: {error}")

    with contextlib.ExitStack() as stack:
        for candidate, batch in entries:
            worker = stack.enter_context(start_worker(candidate, batch, folder))
            try:
                worker.warm_up(seconds / ROUNDS)
            except CannotRunError as error:
                drop(worker, error)
                continue
            running.append(worker)
            on_progress(
                f"{candidate.name}, batch {batch}: first step after {worker.start_seconds:.1f} s"
            )
        for turn in range(ROUNDS):
            for worker in list(running):
                try:
                    worker.measurements.append(worker.run(worker.steps))
                except CannotRunError as error:
                    drop(worker, error)
                    running.remove(worker)
            on_progress(f"round {turn + 1} of {ROUNDS}")
    return running, skipped


@contextlib.contextmanager
def start_worker(candidate: Candidate, batch: int, folder: Path) -> Iterator[Worker]:
    """Start a candidate's process; on leaving, end it and its children."""
    own = PEERS / ".venv" / "bin" / "python"
    python = str(own) if candidate in OTHERS and own.exists() else sys.executable
    # -P: without it, files beside worker.py could be imported in place of packages.
    paths = [str(path) for path in (HERE / "worker.py", candidate.file, folder)]
    command = [python, "-P", *paths[:2], candidate.key, paths[2], str(batch)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C reaches only this process, which ends the others
        ) as process,
    ):
        try:
            yield Worker(candidate, batch, process, errors)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # compilers that it started, too
        else:
            process.kill()
