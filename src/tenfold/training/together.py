"""One network trained by several processes, each with its share of every batch: torchrun.

Every process holds the whole network, the same one at each step. Gradients are added up over the
processes; batch norm normalises each share by the share's own statistics, and what it remembers
for reading is their mean. The number of processes is therefore part of what a run is: as many of
them on like machines end with the same bytes, another number with other ones.
"""

import atexit
import contextlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import distributed as dist

from tenfold.errors import RecipeError, RunError
from tenfold.machine import available_cores
from tenfold.model.kernels import tune_process
from tenfold.training.hardware import choose_device, choose_dtype
from tenfold.training.launch import Job, OnEvent
from tenfold.training.loop import Placement, Trainer
from tenfold.training.member import Interrupted, MemberRun, train_member
from tenfold.training.run import Run
from tenfold.training.share import ALONE, Share
from tenfold.training.train import jobs_of

LEAST = 2  # images a process, below which batch norm has no statistics


def join() -> Share:
    """Return this process's share if torchrun started it, `ALONE` if not."""
    if not dist.is_available() or not dist.is_torchelastic_launched():
        return ALONE
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    atexit.register(dist.destroy_process_group)
    return Share(dist.get_rank(), dist.get_world_size())


def cores(share: Share) -> int:
    """Return the CPU threads for each of the processes of this machine."""
    here = 1 if share.world == 1 else int(os.environ["LOCAL_WORLD_SIZE"])
    return max(1, available_cores() // here)


def lead(run: Run, share: Share) -> "Together | None":
    """Tell the other processes which run is trained; the launcher for it, None if there are none.

    A run that has not begun is one of so many processes from now on.
    """
    if share.world == 1:
        return None
    if not (run.path / "members").exists():
        run.write_manifest({**run.manifest, "processes": share.world})
    dist.broadcast_object_list([str(run.path)])
    return Together(share)


def follow(share: Share) -> None:
    """Train along with the first process."""
    names = [""]
    dist.broadcast_object_list(names)
    jobs = jobs_of(Run.open(names[0]))
    with contextlib.suppress(Interrupted):
        Together(share)(jobs, lambda _job, _event: None)


class Together:
    """A launcher: members one after the other, each by all processes, which all call it.

    The first process writes the run folder; the others read it, and write to a folder that is
    thrown away.
    """

    def __init__(self, share: Share) -> None:
        self.share = share

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent) -> None:
        """See `Launcher`.

        Raises:
            RunError: the run began with another number of processes.
            RecipeError: a batch is too small to be shared.
        """
        with told_to_stop() as stop:
            for job in jobs:
                self._train(job, on_event, lambda: self.share.any(flag=stop()))

    def _train(self, job: Job, on_event: OnEvent, stop: Callable[[], bool]) -> None:
        run = Run.open(job.run)
        check(run, self.share)
        tune_process()
        torch.set_num_threads(run.manifest["threads"])
        device = choose_device(job.device)
        where = Placement(device, choose_dtype(job.precision, device), self.share)
        training, monitored = run.digits()
        with own_folder(run.members[job.member], self.share) as folder:
            dist.barrier()  # all have read what the first will now write
            trainer = Trainer(run.recipe, job.member, training, where)
            for event in train_member(MemberRun(trainer, folder, monitored), stop):
                on_event(job, event)


def check(run: Run, share: Share) -> None:
    """Refuse a run that these processes cannot train to the bytes that it should end with."""
    began = run.manifest.get("processes", 1)
    if began != share.world:
        raise RunError(f"{run.path}: began with {began} processes, not {share.world}")
    least = min(
        min(stage.batch_size.start, stage.batch_size.end) for stage in run.recipe.schedule.stages
    )
    if least < LEAST * share.world:
        raise RecipeError(
            f"training.stages: a batch of {least:g} images is too small for {share.world} "
            f"processes; use batches of {LEAST * share.world} or more"
        )


@contextlib.contextmanager
def own_folder(folder: Path, share: Share) -> Iterator[Path]:
    """Yield a member's folder to the first process, and a copy of it, soon lost, to the others."""
    if share.rank == 0:
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.name
        if folder.exists():
            shutil.copytree(folder, copy)
        yield copy


@contextlib.contextmanager
def told_to_stop() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a flag, however often it comes: torchrun repeats it to its processes."""
    flag = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: flag.set()) for number in signals]
    try:
        yield flag.is_set
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
