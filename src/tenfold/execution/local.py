"""This machine: members one after the other in this process, or several worker processes."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.synchronize import Event
from typing import Literal

from tenfold.errors import RunError, TenfoldError
from tenfold.execution.job import Job, OnEvent, TrainJob, interruptible, run_job
from tenfold.files import mendable_in_one_line
from tenfold.processes import end_with_parent
from tenfold.training.member import Interrupted

CHECKPOINT_TIMEOUT_SECONDS = 10  # for a worker that is asked to stop to write its checkpoint


class LocalExecutor:
    """This machine: members one after the other in this process, or `workers` processes.

    Two members on one core each train 13 % (report's network) to 27 % (a small one) more
    images a second than one after the other on both cores: less is spent on waiting.

    Args:
        workers: members that are trained at the same time.
        start_method: see `Execution`.
    """

    def __init__(self, workers: int = 1, start_method: Literal["fork", "spawn"] = "spawn") -> None:
        self.workers = workers
        self.start_method = start_method

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent, train: TrainJob = run_job) -> None:
        """See `Executor`."""
        with interruptible() as stop:
            if self.workers > 1:
                self._run_workers(iter(jobs), on_event, train, stop)
                return
            for job in jobs:
                for event in train(job, stop, None):
                    if on_event(job, event):
                        break

    def _run_workers(
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
                    _ask_to_stop(running.values())
                while not stop() and len(running) < self.workers and (job := next(waiting, None)):
                    worker = _Worker(context, train, job)
                    running[worker.receiver] = worker
                if not running:
                    break
                ready = wait(list(running), timeout=1)
                for receiver in [known for known in running if known in ready]:
                    if running[receiver].forward(on_event):
                        running.pop(receiver).process.join()
        finally:
            _ask_to_stop(running.values())
            for worker in running.values():
                worker.process.join(CHECKPOINT_TIMEOUT_SECONDS)
                worker.process.kill()
        if stop():
            raise Interrupted


class _Worker:
    """A process that trains a job.

    Its flag is its own: a process that is killed while it looks at a shared one keeps the lock.
    """

    def __init__(self, context: ForkContext | SpawnContext, train: TrainJob, job: Job) -> None:
        self.job = job
        self.stopping = context.Event()
        self.receiver, sender = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(train, job, sender, self.stopping))
        self.process.start()
        sender.close()

    def forward(self, on_event: OnEvent) -> bool:
        """Pass one event on; true when the worker is done, or was ended early."""
        try:
            event = self.receiver.recv()
        except EOFError:
            raise RunError(
                f"member {self.job.member}: its process died; continue with: "
                f"tenfold train --resume --out {self.job.run}"
            ) from None
        if isinstance(event, RunError):
            raise event
        if event is not None and on_event(self.job, event):
            self.process.kill()
            return True
        return event is None


def _ask_to_stop(workers: Iterable[_Worker]) -> None:
    for worker in workers:
        worker.stopping.set()


def _work(train: TrainJob, job: Job, sender: Connection, stopping: Event) -> None:
    """Run a job in this process, which ends with its parent; send its events, then None.

    Ctrl-C reaches every process of a terminal; only the parent listens to it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    try:
        with mendable_in_one_line():
            for event in train(job, stopping.is_set, None):
                sender.send(event)
        sender.send(None)
    except Interrupted:
        sender.send(None)
    except TenfoldError as error:
        sender.send(RunError(str(error)))
