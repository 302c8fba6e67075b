"""Kill a command right before its n-th write, run it again, and compare what is left.

    python tests/integration/kill_points.py [--command train|repeat|sweep] [--sample N] [--full]

Every point counts at which a process changes a file: opening one for writing, each write (before
it, and when half of it is on disk), fsync, rename, mkdir, remove, truncate. A first run counts
them; then the command is killed by SIGKILL at each point (or at a sample) in a fresh folder, and
the same command must finish with the files and the bytes of the run that was never killed.

With --full the disk is full from that point on instead: the command must say so in one line and
exit with 2, and finish when it is given again.
"""

import argparse
import builtins
import errno
import functools
import hashlib
import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tenfold import cli
from tenfold.data import digits
from tenfold.report import page

SMALL = (
    "training.stages.0.iterations=4",
    "training.stages.1.iterations=4",
    "training.evaluate_every=3",
    "data.validation=200",
)
SET = [word for setting in SMALL for word in ("--set", setting)]
SPACE = '"training.stages.1.learning_rate.start" = { low = 0.001, high = 0.01 }\n'
COMMANDS = {
    "train": ("train", "smoke"),
    "repeat": ("repeat", "smoke", "--members", "1", "--seeds", "2"),
    "sweep": ("sweep", "smoke", "--space", "space.toml", "--trials", "2", "--seeds", "1"),
}
GROWING_EVENTS = {"os.mkdir", "os.symlink"}
PATH_EVENTS = GROWING_EVENTS | {"os.rename", "os.remove", "os.rmdir", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
RAW = argparse.RawDescriptionHelpFormatter
TIMINGS = {"seconds", "images_per_second"}  # of a journal's lines


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and the points that it passed."""

    status: int
    points: int
    output: str


class Points:
    """The points at which this process changes a file below a folder.

    At one of them it dies, or finds the disk full from then on.
    """

    def __init__(self, folder: Path, fault_at: int, *, full: bool) -> None:
        self.folder = f"{folder}{os.sep}"
        self.fault_at = fault_at
        self.full = full
        self.passed = 0

    def here(self, *, growing: bool = True) -> None:
        self.passed += 1
        if self.full and growing and self.passed >= self.fault_at > 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not self.full and self.passed == self.fault_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def is_inside(self, path: object) -> bool:
        if not isinstance(path, (str, os.PathLike)):
            return False
        return f"{os.path.abspath(path)}{os.sep}".startswith(self.folder)  # noqa: PTH100

    def watch(self) -> None:
        """Pass a point before each change from now on."""
        fsync, open_file = os.fsync, io.open

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            opened = event == "open" and bool(arguments[2] & WRITING)
            if (opened or event in PATH_EVENTS) and self.is_inside(arguments[0]):
                self.here(growing=opened or event in GROWING_EVENTS)

        def counted_fsync(file: int) -> None:
            self.here()
            fsync(file)

        def counted_open(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            opened = open_file(file, mode, *more, **named)
            writing = set(mode) & set("wax+") and self.is_inside(file)
            return TornFile(opened, self) if writing else opened

        sys.addaudithook(audit)
        os.fsync = counted_fsync  # type: ignore[assignment]
        io.open = builtins.open = counted_open


class TornFile:
    """A file whose writes can be cut in half."""

    def __init__(self, file: Any, points: Points) -> None:
        self._file = file
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, data: Any) -> int:
        half = len(data) // 2
        self._points.here()
        self._file.write(data[:half])
        self._file.flush()
        self._points.here()
        self._file.write(data[half:])
        return len(data)


def run(words: tuple[str, ...], folder: Path, fault_at: int = 0, *, full: bool = False) -> Outcome:
    """Run a command in a fork of this process; kill it, or fill the disk, at a point (0: never)."""
    with tempfile.TemporaryFile() as output:
        receiver, sender = os.pipe()
        if (child := os.fork()) == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            points = Points(folder, fault_at, full=full)
            points.watch()
            code = command(words, folder)
            os.write(sender, str(points.passed).encode())
            os._exit(code)
        os.close(sender)
        with os.fdopen(receiver, "rb") as pipe:
            passed = int(pipe.read() or 0)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return Outcome(os.waitstatus_to_exitcode(status), passed, output.read().decode())


def command(words: tuple[str, ...], folder: Path) -> int:
    """Run a command in this process, on one thread; return its exit code."""
    sys.argv = ["tenfold", *words, *SET, "--threads", "1", "--out", str(folder)]
    try:
        cli.main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except BaseException:  # noqa: BLE001 - a bug, to be shown
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def contents(folder: Path) -> dict[str, str]:
    """Return every file of a folder of runs with the SHA-256 of what no clock has written."""
    found = {}
    for path in sorted(folder.rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        if path.name == "journal.jsonl":
            records = [json.loads(line) for line in data.splitlines()]
            kept = [{k: v for k, v in r.items() if k not in TIMINGS} for r in records]
            data = json.dumps(kept).encode()
        elif path.name in {"manifest.json", "report.html"} or path.suffix == ".svg":
            data = b""
        found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def summary_of_sweep(folder: Path) -> dict[str, str]:
    """Return what a sweep must come to, wherever it was killed: a trial may be drawn anew."""
    result = json.loads((folder / "sweep.json").read_text())
    ended = sum(trial["state"] in {"complete", "pruned"} for trial in result["trials"])
    temporary = [path.name for path in folder.rglob("*.tmp")]
    return {"trials": str(ended), "seeds": str(result["seeds"]), "temporary": str(temporary)}


def try_point(
    words: tuple[str, ...],
    folder: Path,
    point: int,
    look: Callable[[Path], dict[str, str]],
    *,
    full: bool,
) -> dict[str, str] | str:
    """Stop the command at a point, run it again; return what is left, or what went wrong."""
    stopped = run(words, folder, point, full=full)
    if full and not ends_with_one_line(stopped):
        return f"ended with {stopped.status}: {stopped.output}"
    if not full and stopped.status != -signal.SIGKILL:
        return f"was not killed, ended with {stopped.status}"
    again = run(words, folder)
    if again.status:
        return f"ended with {again.status}: {again.output.splitlines()[-1]}"
    return look(folder)


def ends_with_one_line(stopped: Outcome) -> bool:
    """Whether a command on a full disk said so. What only removes files may need no room."""
    if stopped.status == 0:
        return True
    *before, last = stopped.output.splitlines()
    told = re.fullmatch(r"tenfold: .*No space left on device\)?; make room, .*", last)
    return stopped.status == 2 and bool(told) and not any("Traceback" in line for line in before)


def difference(found: dict[str, str] | str, expected: dict[str, str]) -> str:
    """Describe a failure."""
    if isinstance(found, str):
        return found
    names = [name for name in found | expected if found.get(name) != expected.get(name)]
    return f"other files or bytes: {', '.join(names)}"


def warm_up(words: tuple[str, ...]) -> None:
    """Run the command in this process, so that forks of it find every module imported.

    On one thread: threads would not survive in forks. What takes longest and writes no file, the
    drawing of digits and of the report, is done once.
    """
    digits.synthetic_digits = functools.cache(digits.synthetic_digits)
    page.run_figures = only_once(page.run_figures)
    page.render_run = only_once(page.render_run)
    assert command(words, Path("warm-up")) == 0


def only_once(function: Any) -> Any:
    """Return a function that gives its first result to every call."""
    results: list[Any] = []

    def call(*arguments: object) -> Any:
        results.append(results[0] if results else function(*arguments))
        return results[0]

    return call


def sample(points: int, count: int | None) -> list[int]:
    """Return `count` points spread evenly, or all."""
    count = min(count or points, points)
    return [1 + k * points // count for k in range(count)]


def main() -> int:
    """Try the points; print a line for each failure, and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=RAW)
    parser.add_argument("--command", choices=COMMANDS, default="train")
    parser.add_argument("--sample", type=int, help="points, spread evenly [default: all]")
    parser.add_argument("--full", action="store_true", help="fill the disk in place of killing")
    options = parser.parse_args()
    words = COMMANDS[options.command]
    look = summary_of_sweep if options.command == "sweep" else contents
    failures = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("space.toml").write_text(SPACE)
        warm_up(words)
        whole = run(words, Path(name, "whole"))
        assert whole.status == 0, whole.output
        expected = look(Path(name, "whole"))
        chosen = sample(whole.points, options.sample)
        for number, point in enumerate(chosen):
            if number % 20 == 0:
                print(f"{number} of {len(chosen)} points, {failures} failures", file=sys.stderr)
            found = try_point(words, Path(name, "killed"), point, look, full=options.full)
            if found != expected:
                failures += 1
                print(f"point {point}: {difference(found, expected)}", flush=True)
            shutil.rmtree(Path(name, "killed"), ignore_errors=True)
        os.chdir("/")
    print(f"{'command':8} {'points':>7} {'killed at':>10} {'failures':>9} {'seconds':>8}")
    seconds = time.monotonic() - begun
    print(f"{options.command:8} {whole.points:7} {len(chosen):10} {failures:9} {seconds:8.0f}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
