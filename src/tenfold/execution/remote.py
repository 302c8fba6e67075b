"""What a machine needs that shares no folder with the run, and what it sends back.

A member leaves as a `Task`: recipe, job, and what its folder holds. Messages come back: events,
and the folder's files whenever there is a new checkpoint.
"""

import platform
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenfold.data.digits import Digits
from tenfold.errors import TenfoldError
from tenfold.execution.job import Job, TrainJob
from tenfold.execution.run import Run
from tenfold.files import write_atomically
from tenfold.training.hardware import installed_versions
from tenfold.training.member import Interrupted

Files = dict[str, bytes]
Message = tuple[int, str, Any]  # (number of the task, "event" | "files" | "error", content)
# Delivers (kind, content); True asks the sender to stop.
Send = Callable[[str, Any], bool]


@dataclass(frozen=True)
class Task:
    """All that a machine needs to train a member, but the digits."""

    train: TrainJob
    job: Job
    recipe: str
    files: Files
    versions: dict[str, str]

    @classmethod
    def of(cls, job: Job, train: TrainJob) -> "Task":
        """Return the task that goes on with a job where its folder stands."""
        run = Run.open(job.run)
        recipe = (run.path / "recipe.toml").read_text(encoding="utf-8")
        return cls(train, job, recipe, contents(run.members[job.member]), _versions())


def train_task(task: Task, digits: tuple[Digits, Digits], send: Send) -> None:
    """Train a member on the machine where this is called, in a folder that is gone afterwards."""
    if differing := _differing(task.versions):
        send("error", f"{platform.node()}: {differing}; install the same versions everywhere")
        return
    with tempfile.TemporaryDirectory(prefix="tenfold-") as name:
        run = Run(Path(name))
        write_atomically(run.path / "recipe.toml", task.recipe)
        folder = run.members[task.job.member]
        store(folder, task.files)
        stopping = threading.Event()
        sent = _checkpoint_state(folder)
        try:
            for event in task.train(replace(task.job, run=run.path), stopping.is_set, digits):
                if (state := _checkpoint_state(folder)) != sent:
                    sent = state
                    send("files", contents(folder))
                if send("event", event):
                    stopping.set()
        except Interrupted:
            pass
        except TenfoldError as error:
            send("error", str(error).replace(str(run.path), str(task.job.run)))
            return
        send("files", contents(folder))


def contents(folder: Path) -> Files:
    """Return the files of a member's folder, by name."""
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def store(folder: Path, files: Files) -> None:
    """Make a member's folder hold these files.

    In this order: probabilities, the journal that counts them, the checkpoint that counts its
    records. What is ahead is cut back, the other way round is damage. A finished member's
    checkpoint goes last.
    """
    order = {".jsonl": 1, ".safetensors": 2}
    for name in sorted(files, key=lambda name: order.get(Path(name).suffix, 0)):
        write_atomically(folder / name, files[name])
    if "weights.safetensors" in files:
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def _checkpoint_state(folder: Path) -> tuple[int, int] | None:
    """Tell one checkpoint from the next."""
    try:
        state = (folder / "checkpoint.safetensors").stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_mtime_ns


def _versions() -> dict[str, str]:
    """Return what the bytes of a result depend on."""
    return installed_versions("tenfold", "torch", "numpy")


def _differing(wanted: dict[str, str]) -> str:
    here = _versions()
    return ", ".join(
        f"{name} is {here[name]}, not {wanted[name]}"
        for name in wanted
        if here[name] != wanted[name]
    )
