"""Contestants that take turns: a process for every variant, only one computing at a time."""

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
TOO_SLOW = 10  # seconds a step; what takes longer is left out
HERE = Path(__file__).parent
PEERS = HERE.parents[2] / "benchmarks" / "peers"  # of a source checkout

Tell = Callable[[str], None]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """Something to measure: a row's name, and where `build(variant, …)` is."""

    name: str
    variant: str
    file: Path = HERE / "candidates.py"


PEAK = Variant("matrix multiply", "peak")
TENFOLD = Variant("tenfold", "tenfold")
STOCK = (
    Variant("PyTorch eager, float32", "stock"),
    Variant("PyTorch eager, bfloat16", "careful"),
)
COMPILED = Variant("torch.compile, bfloat16", "compiled")
OTHERS = (
    Variant("Keras, float32", "float32", PEERS / "keras_peer.py"),
    Variant("Keras, mixed_bfloat16", "mixed_bfloat16", PEERS / "keras_peer.py"),
    Variant("JAX, float32", "float32", PEERS / "jax_peer.py"),
    Variant("JAX, bfloat16", "bfloat16", PEERS / "jax_peer.py"),
)


class CannotRunError(Exception):
    """A variant's process ended, or takes too long; the message says why in one line."""


@dataclass
class Contestant:
    """A variant in its process, and what was measured of it."""

    variant: Variant
    batch: int
    process: "subprocess.Popen[str]"
    errors: IO[str]
    begun: float = field(default_factory=time.monotonic)
    start_seconds: float = 0.0  # until the first step was done: imports, data, compiling
    versions: dict[str, str] = field(default_factory=dict)
    steps: int = 1  # of a burst
    answers: list[Answer] = field(default_factory=list)

    def burst(self, steps: int) -> Answer:
        """Run some steps and return what the process measured.

        Raises:
            CannotRunError: the process ended instead.
        """
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            assert self.process.stdin is not None  # noqa: S101 - a pipe
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        return self._answer()

    def warm_up(self, seconds: float) -> None:
        """Wait until it stands, take the first steps, and fit a burst into `seconds`.

        Raises:
            CannotRunError: it ended, or is too slow.
        """
        self.versions = self._answer()["versions"]
        self.burst(1)  # compiles, where anything does
        self.start_seconds = time.monotonic() - self.begun
        step = self.burst(1)["seconds"]
        if step > TOO_SLOW:
            raise CannotRunError(f"a step takes {step:.1f} s")
        if self.variant != PEAK:
            self.steps = max(1, round(2 * seconds / self.burst(2)["seconds"]))

    def speeds(self) -> list[float]:
        """Return the images a second of each burst."""
        return [self.steps * self.batch / answer["seconds"] for answer in self.answers]

    def _answer(self) -> Answer:
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            written = [text.strip() for text in self.errors if text.strip()]
            raise CannotRunError(written[-1] if written else f"exit {self.process.returncode}")
        answer: Answer = json.loads(line)
        return answer


def race(
    entries: Sequence[tuple[Variant, int]], folder: Path, seconds: float, tell: Tell
) -> tuple[list[Contestant], list[dict[str, str]]]:
    """Let variants, each at its batch size, take turns; return those that ran, and why others not.

    Raises:
        RunError: tenfold's step, or the matrix multiply that is its ceiling, did not run.
    """
    running: list[Contestant] = []
    skipped: list[dict[str, str]] = []

    def drop(contestant: Contestant, error: CannotRunError) -> None:
        if contestant.variant in {PEAK, TENFOLD}:
            raise RunError(f"bench: {contestant.variant.name} did not run: {error}") from error
        skipped.append({"name": contestant.variant.name, "why": str(error)})
        tell(f"{contestant.variant.name}: left out: {error}")

    with contextlib.ExitStack() as stack:
        for variant, batch in entries:
            contestant = stack.enter_context(started(variant, batch, folder))
            try:
                contestant.warm_up(seconds / ROUNDS)
            except CannotRunError as error:
                drop(contestant, error)
                continue
            running.append(contestant)
            tell(
                f"{variant.name}, batch {batch}: first step after {contestant.start_seconds:.1f} s"
            )
        for turn in range(ROUNDS):
            for contestant in list(running):
                try:
                    contestant.answers.append(contestant.burst(contestant.steps))
                except CannotRunError as error:
                    drop(contestant, error)
                    running.remove(contestant)
            tell(f"round {turn + 1} of {ROUNDS}")
    return running, skipped


@contextlib.contextmanager
def started(variant: Variant, batch: int, folder: Path) -> Iterator[Contestant]:
    """Start a variant's process; on leaving, end it with all that it started."""
    own = PEERS / ".venv" / "bin" / "python"
    python = str(own) if variant in OTHERS and own.exists() else sys.executable
    # -P: else the other files beside worker.py could be imported in place of packages.
    paths = [str(path) for path in (HERE / "worker.py", variant.file, folder)]
    command = [python, "-P", *paths[:2], variant.variant, paths[2], str(batch)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others
        ) as process,
    ):
        try:
            yield Contestant(variant, batch, process, errors)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # compilers too
        else:
            process.kill()
