"""Members trained on machines that share no folder with this one, and may go away.

A member leaves as a `Parcel`: recipe, job, and what its folder holds. It comes back in letters:
events, and the folder's files whenever there is a new checkpoint. Only this side writes into
the run folder, so that whatever happens elsewhere it holds a member's last checkpoint, which is
what the next machine is given.
"""

import platform
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from tenfold.data.digits import Digits
from tenfold.errors import RunError, TenfoldError
from tenfold.execution.local import (
    Job,
    OnEvent,
    TrainJob,
    interruptible,
    run_job,
)
from tenfold.execution.run import Run
from tenfold.files import write_atomically
from tenfold.training.member import Interrupted

LOSSES = 3  # in a row, of one member, without a checkpoint between them

Files = dict[str, bytes]
Letter = tuple[int, str, Any]  # (number of the parcel, "event" | "files" | "error", content)
# Delivers (kind, content); True asks the sender to stop.
Post = Callable[[str, Any], bool]


@dataclass(frozen=True)
class Parcel:
    """All that a machine needs to train a member, but the digits."""

    train: TrainJob
    job: Job
    recipe: str
    files: Files
    versions: dict[str, str]


class Machines(Protocol):
    """Somewhere to train: `on_ray.RayMachines`, or a fake in tests."""

    def room(self) -> int:
        """Return how many parcels can be under way at a time, at least one."""

    def share(self, digits: tuple[Digits, Digits]) -> object:
        """Bring digits near every machine; return what `send` knows them by."""

    def send(self, parcel: Parcel, digits: object) -> int:
        """Have `train_parcel` called somewhere, some time; return the parcel's number."""

    def listen(self) -> tuple[list[Letter], dict[int, str]]:
        """Wait a moment; return the letters that came, in order, and the parcels that ended.

        The text of one that ended is why its machine was lost, or empty. Its letters are
        among these or earlier ones.
        """

    def end(self, number: int) -> None:
        """Ask for the end of one parcel; nothing more is heard of it."""

    def stop(self) -> None:
        """Ask what trains to write a checkpoint and end; what waits never begins."""


def train_parcel(parcel: Parcel, digits: tuple[Digits, Digits], post: Post) -> None:
    """Train a member on the machine where this is called, in a folder that is gone afterwards."""
    if differing := _differing(parcel.versions):
        post("error", f"{platform.node()}: {differing}; install the same versions everywhere")
        return
    with tempfile.TemporaryDirectory(prefix="tenfold-") as name:
        run = Run(Path(name))
        write_atomically(run.path / "recipe.toml", parcel.recipe)
        run.write_manifest({})  # it stays with the run folder
        folder = run.members[parcel.job.member]
        store(folder, parcel.files)
        stopping = threading.Event()
        sent = _written(folder)
        try:
            for event in parcel.train(replace(parcel.job, run=run.path), stopping.is_set, digits):
                if (written := _written(folder)) != sent:
                    sent = written
                    post("files", contents(folder))
                if post("event", event):
                    stopping.set()
        except Interrupted:
            pass
        except TenfoldError as error:
            post("error", str(error).replace(str(run.path), str(parcel.job.run)))
            return
        post("files", contents(folder))


class Remote:
    """A `Launcher` that sends members to machines, again if one is lost."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent, train: TrainJob = run_job) -> None:
        """See `Launcher`.

        Raises:
            RunError: a member cannot be trained, or loses its machine time and again.
        """
        waiting: Iterator[Job] = (job for job in jobs if not _trained(job))
        away = _Away(self.machines, train)
        asked = False
        with interruptible() as stop:
            while True:
                if stop() and not asked:
                    asked = True
                    waiting = iter(())
                    self.machines.stop()
                while (
                    not stop()
                    and len(away.jobs) < self.machines.room()
                    and (job := next(waiting, None))
                ):
                    away.send(job)
                if not away.jobs:
                    asked = asked or stop()
                    break
                letters, ended = self.machines.listen()
                away.take_in(letters, on_event)
                for job, why in away.ended(ended):
                    if not asked:
                        away.send_again(job, why)
        if asked:
            raise Interrupted


class _Away:
    """The members that are elsewhere, by their parcels' numbers."""

    def __init__(self, machines: Machines, train: TrainJob) -> None:
        self.machines = machines
        self.train = train
        self.jobs: dict[int, Job] = {}
        self.shared: dict[str, object] = {}
        self.losses: Counter[Job] = Counter()

    def send(self, job: Job) -> None:
        run = Run.open(job.run)
        data = run.recipe.data.model_dump_json()
        if data not in self.shared:
            self.shared[data] = self.machines.share(run.digits())
        recipe = (job.run / "recipe.toml").read_text(encoding="utf-8")
        parcel = Parcel(self.train, job, recipe, contents(_folder(job)), _versions())
        self.jobs[self.machines.send(parcel, self.shared[data])] = job

    def take_in(self, letters: Iterable[Letter], on_event: OnEvent) -> None:
        for number, kind, content in letters:
            if number not in self.jobs:  # given up for lost, or ended
                continue
            job = self.jobs[number]
            self.losses[job] *= kind != "files"
            if _take_in(job, kind, content, on_event):
                del self.jobs[number]
                self.machines.end(number)

    def ended(self, ended: dict[int, str]) -> list[tuple[Job, str]]:
        """Forget what has ended; return those that lost their machine, and why."""
        lost = []
        for number, why in ended.items():
            job = self.jobs.pop(number, None)
            if job and why:
                lost.append((job, why))
        return lost

    def send_again(self, job: Job, why: str) -> None:
        self.losses[job] += 1
        if self.losses[job] == LOSSES:
            raise RunError(_lost(job, why))
        self.send(job)


def _take_in(job: Job, kind: str, content: Any, on_event: OnEvent) -> bool:  # noqa: ANN401 - by kind
    """Take a letter in; true if the member is to end."""
    if kind == "error":
        raise RunError(f"member {job.member}: {content}")
    if kind == "files":
        store(_folder(job), content)
        return False
    return bool(on_event(job, content))


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


def _trained(job: Job) -> bool:
    return (_folder(job) / "weights.safetensors").exists()


def _written(folder: Path) -> tuple[int, int] | None:
    """Tell one checkpoint from the next."""
    try:
        state = (folder / "checkpoint.safetensors").stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_mtime_ns


def _lost(job: Job, why: str) -> str:
    return (
        f"member {job.member}: lost its machine {LOSSES} times before it wrote a checkpoint "
        f"({why}); lower training.checkpoint_seconds, or continue with --resume --out {job.run}"
    )


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
