"""Members trained on machines that share no folder with this one, and may go away.

A member leaves as a `Task`: recipe, job, and what its folder holds. Messages come back: events,
and the folder's files whenever there is a new checkpoint. Only this side writes into the run
folder, so that whatever happens elsewhere it holds a member's last checkpoint, which is what the
next machine is given.
"""

import platform
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from tenfold.data.digits import Digits
from tenfold.errors import RunError, TenfoldError
from tenfold.execution.job import Job, OnEvent, TrainJob, interruptible, run_job
from tenfold.execution.run import Run
from tenfold.files import write_atomically
from tenfold.training.member import Interrupted

LOSSES = 3  # in a row, of one member, without a checkpoint between them

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


class Machines(Protocol):
    """Somewhere to train: `ray.RayMachines`, or a fake in tests."""

    def capacity(self) -> int:
        """Return how many tasks can run at a time, at least one."""

    def upload(self, digits: tuple[Digits, Digits]) -> object:
        """Bring digits near every machine; return what `submit` takes for them."""

    def submit(self, task: Task, digits: object) -> int:
        """Have `train_task` called somewhere, some time; return the task's number."""

    def receive(self) -> tuple[list[Message], dict[int, str]]:
        """Wait a moment; return the messages that came, in order, and the tasks that ended.

        The text of one that ended is why its machine was lost, or empty. Its messages are
        among these or earlier ones.
        """

    def end(self, number: int) -> None:
        """Ask for the end of one task; its further messages are dropped."""

    def stop(self) -> None:
        """Ask running tasks to write a checkpoint and end; those that wait never begin."""


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


class RemoteExecutor:
    """An `Executor` that submits members to machines, again if one is lost."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent, train: TrainJob = run_job) -> None:
        """See `Executor`.

        Raises:
            RunError: a member cannot be trained, or loses its machine time and again.
        """
        waiting = iter(jobs)
        submitted = _Submitted(self.machines, train)
        stopping = False
        with interruptible() as stop:
            while True:
                if stop() and not stopping:
                    stopping = True
                    waiting = iter(())
                    self.machines.stop()
                while (
                    not stop()
                    and len(submitted.jobs) < self.machines.capacity()
                    and (job := next(waiting, None))
                ):
                    submitted.submit(job)
                if not submitted.jobs:
                    break
                messages, ended = self.machines.receive()
                submitted.take_in(messages, on_event)
                for job, reason in submitted.remove(ended):
                    if not stopping:
                        submitted.submit_again(job, reason)
            if stop():
                raise Interrupted


class _Submitted:
    """The jobs that are elsewhere, by their tasks' numbers."""

    def __init__(self, machines: Machines, train: TrainJob) -> None:
        self.machines = machines
        self.train = train
        self.jobs: dict[int, Job] = {}
        self.uploaded: dict[str, object] = {}
        self.losses: Counter[Job] = Counter()

    def submit(self, job: Job) -> None:
        run = Run.open(job.run)
        data = run.recipe.data.model_dump_json()
        if data not in self.uploaded:
            self.uploaded[data] = self.machines.upload(run.digits())
        recipe = (job.run / "recipe.toml").read_text(encoding="utf-8")
        task = Task(self.train, job, recipe, contents(_folder(job)), _versions())
        self.jobs[self.machines.submit(task, self.uploaded[data])] = job

    def take_in(self, messages: Iterable[Message], on_event: OnEvent) -> None:
        for number, kind, content in messages:
            job = self.jobs.get(number)
            if job is None:  # lost, or ended
                continue
            if kind == "error":
                raise RunError(f"member {job.member}: {content}")
            if kind == "files":
                self.losses[job] = 0
                store(_folder(job), content)
            elif on_event(job, content):
                del self.jobs[number]
                self.machines.end(number)

    def remove(self, ended: dict[int, str]) -> list[tuple[Job, str]]:
        """Forget the tasks that ended; return the jobs that lost their machine, and why."""
        jobs = {number: self.jobs.pop(number, None) for number in ended}
        return [(job, ended[number]) for number, job in jobs.items() if job and ended[number]]

    def submit_again(self, job: Job, reason: str) -> None:
        self.losses[job] += 1
        if self.losses[job] == LOSSES:
            raise RunError(
                f"member {job.member}: lost its machine {LOSSES} times before it wrote a "
                f"checkpoint ({reason}); lower training.checkpoint_seconds, or continue with: "
                f"tenfold train --resume --out {job.run}"
            )
        self.submit(job)


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


def _folder(job: Job) -> Path:
    return Run.open(job.run).members[job.member]


def _checkpoint_state(folder: Path) -> tuple[int, int] | None:
    """Tell one checkpoint from the next."""
    try:
        state = (folder / "checkpoint.safetensors").stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_mtime_ns


def _versions() -> dict[str, str]:
    """Return what the bytes of a result depend on."""
    found = {}
    for package in ("tenfold", "torch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "no installed package"
    return found


def _differing(wanted: dict[str, str]) -> str:
    here = _versions()
    return ", ".join(
        f"{name} is {here[name]}, not {wanted[name]}"
        for name in wanted
        if here[name] != wanted[name]
    )
