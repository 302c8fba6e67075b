"""Jobs: the members that are still to be trained, and what an executor does with them.

A job is plain data and `run_job` needs only the run folder. An executor for other machines
ships the two and forwards the events.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from tenfold.artifacts.training import Event
from tenfold.data.digits import Digits
from tenfold.data.download import file_sha256
from tenfold.errors import RunError
from tenfold.execution.run import Run
from tenfold.model.kernels.functional import tune_process
from tenfold.training.hardware import Precision, choose_placement
from tenfold.training.member import MemberRun, train_member
from tenfold.training.tasks import recipe_task
from tenfold.training.trainer import Trainer


@dataclass(frozen=True)
class Job:
    """One member to train.

    Attributes:
        run: the run folder.
        member: its number, from 0.
        device: cpu, cuda or mps.
        precision: of convolutions and matrix multiplies.
        threads: CPU threads that train it.
    """

    run: Path
    member: int
    device: str
    precision: Precision
    threads: int


OnEvent = Callable[[Job, Event], bool | None]
TrainJob = Callable[[Job, Callable[[], bool], tuple[Digits, Digits] | None], Iterator[Event]]
"""Trains one job, as `run_job` does; a function that can be pickled."""
Executor = Callable[[Iterable[Job], OnEvent, TrainJob], None]
"""Trains every job to its end and reports `(job, event)` on the way.

It takes the next job when there is capacity for it. A job ends early when `on_event` returns true.
`Interrupted` is raised if the user asked to stop; every member has written a checkpoint then.
"""


def run_job(
    job: Job, stop: Callable[[], bool], digits: tuple[Digits, Digits] | None
) -> Iterator[Event]:
    """Train one member in its run folder, from its checkpoint if it has one.

    `stop` is asked after each step. `digits` are what `Run.digits` would load.
    """
    tune_process()
    torch.set_num_threads(job.threads)
    run = Run.open(job.run)
    training, monitored = digits or run.digits()
    where = choose_placement(job.device, job.precision)
    task = recipe_task(run.recipe, job.member, training, monitored, where.device)
    trainer = Trainer(task, run.recipe.training, run.recipe.ema, where.dtype)
    yield from train_member(MemberRun(trainer, run.members[job.member]), stop)


def parallel_members(run: Run) -> int:
    """Return how many members of a run are trained at a time: on a CPU one for each thread."""
    manifest = run.manifest
    return min(run.recipe.members, manifest.threads) if manifest.device == "cpu" else 1


def jobs_of(run: Run) -> list[Job]:
    """Return the jobs of a run's members that are not trained yet.

    Raises:
        RunError: the recipe is not the one that the run began with.
    """
    manifest, recipe = run.manifest, run.path / "recipe.toml"
    if file_sha256(recipe) != manifest.recipe_sha256:
        raise RunError(f"{recipe}: changed since the run began; start another with it")
    threads = manifest.threads // parallel_members(run)
    return [
        Job(run.path, member, manifest.device, manifest.precision, threads)
        for member, folder in enumerate(run.members)
        if not (folder / "weights.safetensors").exists()
    ]


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag; the second one interrupts as usual."""
    flag = threading.Event()

    def on_signal(signum: int, frame: FrameType | None) -> None:
        if flag.is_set():
            signal.default_int_handler(signum, frame)
        flag.set()

    if threading.current_thread() is not threading.main_thread():
        yield flag.is_set
        return
    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield flag.is_set
    finally:
        signal.signal(signal.SIGINT, before)
