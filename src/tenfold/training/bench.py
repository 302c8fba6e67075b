"""`tenfold bench train`: images a second of tenfold's step, beside others doing the same.

Every variant has a process of its own (see `bursts`), so that allocators, threads and peak
memory are its own, and only one computes at a time. They take turns, a burst of steps each,
`ROUNDS` times over: what the machine does meanwhile falls on all of them.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from tenfold.data.batches import Stream, derive_seed
from tenfold.data.sources import load_digits, verify
from tenfold.errors import RunError
from tenfold.model.network import CLASSES, SIDE, NetworkConfig
from tenfold.training.hardware import describe_machine

ROUNDS = 5
TOO_SLOW = 10  # seconds a step; what takes longer is left out
SWEEP = (32, 64, 128, 256, 512, 1024, 2048)
PHASE_STEPS = 20
HERE = Path(__file__).parent
PEERS = HERE.parents[2] / "benchmarks" / "peers"  # of a source checkout

Tell = Callable[[str], None]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """Something to measure: a row's name, and where `build(variant, …)` is."""

    name: str
    variant: str
    file: Path = HERE / "variants.py"


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


def bench(  # noqa: PLR0913 - each is an option of the command line
    *,
    batch: int = 400,
    seconds: float = 3.0,
    compiled: bool = False,
    peers: bool = True,
    sweep: bool = False,
    phases: bool = False,
    tell: Tell = lambda _line: None,
) -> dict[str, Any]:
    """Measure training; return the JSON-ready result, `rows` in the order of measuring.

    Args:
        batch: images a step.
        seconds: of measuring for each variant, in `ROUNDS` bursts.
        compiled: include torch.compile, which compiles for up to minutes first.
        peers: include Keras and JAX where they are installed.
        sweep: measure tenfold at batch sizes 32 … 2048 too.
        phases: measure the phases and the operators of tenfold's step too.
        tell: called with lines of progress.

    Raises:
        RunError: tenfold's own step cannot run.
    """
    chosen = [PEAK, TENFOLD, *STOCK, *([COMPILED] if compiled else []), *(OTHERS if peers else [])]
    entries = [(variant, batch) for variant in chosen]
    with tempfile.TemporaryDirectory(prefix="tenfold-bench-") as name:
        folder = Path(name)
        result: dict[str, Any] = {"batch": batch, "seconds": seconds, "data": _lay_data(folder)}
        (multiply, *raced), skipped = race(entries, folder, seconds, tell)
        peak = {
            key: max((answer.get(key, 0.0) for answer in multiply.answers), default=0.0) or None
            for key in ("bfloat16_gflops", "float32_gflops")
        }
        ceiling = 1e9 * max(filter(None, peak.values())) / training_flops(NetworkConfig())
        result["rows"] = [_row(contestant, ceiling) for contestant in raced]
        result |= {"skipped": skipped, "peak": peak, **describe_machine(torch.device("cpu"))}
        result["ceiling_images_per_second"] = ceiling
        if sweep:
            sizes, _ = race([(TENFOLD, size) for size in SWEEP], folder, seconds, tell)
            result["sweep"] = [_sweep_row(contestant, ceiling) for contestant in sizes]
        if phases:
            result["phases"] = _phases(batch, folder, tell)
    return result


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
            contestant = stack.enter_context(_started(variant, batch, folder))
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


def training_flops(config: NetworkConfig) -> int:
    """Return the floating-point operations to train on one image: 2 a multiply-add.

    Backward takes the forward products twice, for the gradients of weights and of inputs; the
    first convolution's input is the image, which needs none. Convolutions count their padding,
    everything but convolutions and matrix products is left out.
    """
    first = SIDE * SIDE * 9 * config.widths[0]
    forward, side = first, SIDE
    for inputs, outputs in pairwise(config.widths):
        side = -(-side // 2)
        forward += side * side * 9 * inputs * outputs
    side = -(-side // 2)
    units = (side * side * config.widths[-1], *config.fully_connected, CLASSES)
    forward += sum(a * b for a, b in pairwise(units))
    return 2 * (3 * forward - first)


@contextlib.contextmanager
def _started(variant: Variant, batch: int, folder: Path) -> Iterator[Contestant]:
    """Start a variant's process; on leaving, end it with all that it started."""
    own = PEERS / ".venv" / "bin" / "python"
    python = str(own) if variant in OTHERS and own.exists() else sys.executable
    # -P: else the other files beside bursts.py could be imported in place of packages.
    paths = [str(path) for path in (HERE / "bursts.py", variant.file, folder)]
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


def _lay_data(folder: Path) -> str:
    """Write images, labels and an order as .npy: MNIST if it is here, else noise of its shape."""
    if all(state == "ok" for _, state, _ in verify("mnist")):
        digits = load_digits("mnist", "train")
        name, images, labels = digits.name, digits.images.numpy(), digits.labels.numpy()
    else:
        random = np.random.default_rng(0)
        name = "random bytes"
        images = random.integers(0, 256, (60_000, SIDE, SIDE), np.uint8)
        labels = random.integers(0, CLASSES, 60_000, np.int64)
    order = Stream(len(images), derive_seed("bench")).indices(0, len(images)).numpy()
    for stem, array in (("images", images), ("labels", labels), ("order", order)):
        np.save(folder / f"{stem}.npy", array)
    return name


def _row(contestant: Contestant, ceiling: float) -> dict[str, Any]:
    speeds = contestant.speeds()
    memory = [answer["peak_memory_mb"] for answer in contestant.answers]
    return {
        "name": contestant.variant.name,
        "images_per_second": statistics.median(speeds),
        "min": min(speeds),
        "max": max(speeds),
        "peak_fraction": statistics.median(speeds) / ceiling,
        "peak_memory_mb": None if None in memory else max(memory),
        "start_seconds": contestant.start_seconds,
        "versions": contestant.versions,
    }


def _sweep_row(contestant: Contestant, ceiling: float) -> dict[str, Any]:
    row = _row(contestant, ceiling)
    row["seconds_per_million_images"] = 1e6 / row["images_per_second"]
    return {"batch": contestant.batch, **row}


def _phases(batch: int, folder: Path, tell: Tell) -> dict[str, Any]:
    """Return milliseconds a step of tenfold, by phase and by operator."""
    with _started(Variant("phases", "phases"), batch, folder) as contestant:
        contestant.warm_up(0)
        answer = contestant.burst(PHASE_STEPS)
    tell(f"phases of {PHASE_STEPS} steps measured")
    return {key: answer[key] for key in ("phases", "operators")}
