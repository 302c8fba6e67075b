"""Launching members: jobs that share nothing but the run folder, on some backend.

A `Launcher` takes jobs and calls back with their events; `local` is the one for this
machine. A job is plain data and `run_job` needs only the run folder, so a backend for
other machines ships the two and forwards the events.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple, Protocol

import torch

from tenfold.data.digits import Digits
from tenfold.errors import RunError, TenfoldError
from tenfold.execution.run import Run
from tenfold.model.kernels.functional import tune_process
from tenfold.training.hardware import Precision, choose_device, choose_dtype
from tenfold.training.member import Event as MemberEvent
from tenfold.training.member import Interrupted, MemberRun, train_member
from tenfold.training.trainer import Placement, Trainer

OnEvent = Callable[["Job", MemberEvent], bool | None]

PATIENCE_SECONDS = 10  # for a worker to write its checkpoint


@dataclass(frozen=True)
class Job:
    """One member to train."""

    run: Path
    member: int
    device: str
    precision: Precision
    threads: int


class TrainJob(Protocol):
    """Train one job, as `run_job` does; a function that can be pickled."""

    def __call__(  # noqa: D102
        self, job: Job, stop: Callable[[], bool], digits: tuple[Digits, Digits] | None = None
    ) -> Iterator[MemberEvent]: ...


class Launcher(Protocol):
    """Train every job to its end, reporting `(job, event)` on the way.

    The next job is taken when there is room for it. A job ends early when `on_event` returns true.

    Raises:
        Interrupted: the user asked to stop; every member has written a checkpoint.
    """

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent) -> None: ...  # noqa: D102


# A launcher that can be told what trains.
LaunchBy = Callable[[Iterable[Job], OnEvent, TrainJob], None]
Context = ForkContext | SpawnContext


def run_job(
    job: Job, stop: Callable[[], bool], digits: tuple[Digits, Digits] | None = None
) -> Iterator[MemberEvent]:
    """Train one member where it stands, resuming if it has a checkpoint.

    Args:
        job: the member.
        stop: asked after each step.
        digits: what `Run.digits` would load.
    """
    tune_process()
    torch.set_num_threads(job.threads)
    run = Run.open(job.run)
    folder = run.members[job.member]
    if (folder / "weights.safetensors").exists():
        return
    device = choose_device(job.device)
    training, monitored = digits or run.digits()
    where = Placement(device, choose_dtype(job.precision, device))
    trainer = Trainer(run.recipe, job.member, training, where)
    yield from train_member(MemberRun(trainer, folder, monitored), stop)


class Local:
    """This machine: members one after the other in this process, or `workers` processes.

    Two members on one core each train 13 % (report's network) to 27 % (a small one) more
    images a second than one after the other on both cores: less is spent on waiting.

    Args:
        workers: members that are trained at the same time.
        start_method: `fork` saves each worker the import of torch, but is safe only where
            this process has not computed anything with torch yet; `spawn` always is.
    """

    def __init__(self, workers: int = 1, start_method: Literal["fork", "spawn"] = "spawn") -> None:
        self.workers = workers
        self.start_method = start_method

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent, train: TrainJob = run_job) -> None:
        """See `Launcher`."""
        if self.workers == 1:
            with interruptible() as stop:
                for job in jobs:
                    for event in train(job, stop):
                        if on_event(job, event):
                            break
            return
        with interruptible() as stop:
            self._share(iter(jobs), on_event, train, stop)

    def _share(
        self, waiting: Iterator[Job], on_event: OnEvent, train: TrainJob, stop: Callable[[], bool]
    ) -> None:
        """Keep `workers` processes busy until no job waits, or the user stops them all."""
        fork = self.start_method == "fork"
        context = (
            multiprocessing.get_context("fork") if fork else multiprocessing.get_context("spawn")
        )
        running: dict[Connection, _Worker] = {}
        try:
            while True:
                if stop():
                    waiting = iter(())
                    _tell_to_stop(running.values())
                while not stop() and len(running) < self.workers and (job := next(waiting, None)):
                    receiver, worker = _started(context, train, job)
                    running[receiver] = worker
                if not running:
                    break
                ready = wait(list(running), timeout=1)
                for receiver in [known for known in running if known in ready]:
                    if _forward(receiver, running[receiver], on_event):
                        running.pop(receiver).process.join()
        finally:
            _tell_to_stop(running.values())
            for worker in running.values():
                worker.process.join(PATIENCE_SECONDS)
                worker.process.kill()
        if stop():
            raise Interrupted


class _Worker(NamedTuple):
    """A process that trains a job.

    Its flag is its own: a process that is killed while it looks at a shared one keeps the lock.
    """

    job: Job
    process: BaseProcess
    stopping: Event


def _started(context: Context, train: TrainJob, job: Job) -> tuple[Connection, _Worker]:
    """Start a process; return where it is heard."""
    stopping = context.Event()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(train, job, sender, stopping))
    process.start()
    sender.close()
    return receiver, _Worker(job, process, stopping)


def _tell_to_stop(workers: Iterable[_Worker]) -> None:
    for worker in workers:
        worker.stopping.set()


def _forward(receiver: Connection, worker: _Worker, on_event: OnEvent) -> bool:
    """Pass one message on; true when the worker is done, or was ended early."""
    job = worker.job
    try:
        kind, content = receiver.recv()
    except EOFError:
        raise RunError(
            f"member {job.member}: its process died; continue with --resume --out {job.run}"
        ) from None
    if kind == "error":
        raise content
    if kind == "event" and on_event(job, content):
        worker.process.kill()
        return True
    return bool(kind == "done")


def _work(train: TrainJob, job: Job, sender: Connection, stopping: Event) -> None:
    """Run a job in a process of its own, which stops when told to and ends with its parent.

    Ctrl-C reaches every process of a terminal; only the parent listens to it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this is a child

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    try:
        for event in train(job, stopping.is_set):
            sender.send(("event", event))
        sender.send(("done", None))
    except Interrupted:
        sender.send(("done", None))
    except TenfoldError as error:
        sender.send(("error", RunError(str(error))))


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag; the second one interrupts as usual."""
    flag = threading.Event()

    def note(signum: int, frame: FrameType | None) -> None:
        if flag.is_set():
            signal.default_int_handler(signum, frame)
        flag.set()

    if threading.current_thread() is not threading.main_thread():
        yield flag.is_set
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield flag.is_set
    finally:
        signal.signal(signal.SIGINT, before)
