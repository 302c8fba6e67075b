"""One recipe with many seeds: a folder of runs, trained side by side, resumable."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch

from tenfold.cpu import available_cores
from tenfold.errors import RunError
from tenfold.execution.local import Launcher, Local, OnEvent
from tenfold.execution.run import Run
from tenfold.execution.train import finish, jobs_of, prepare
from tenfold.training.hardware import Precision
from tenfold.training.journal import Journal
from tenfold.training.recipe import Recipe


def lay(
    recipe: Recipe,
    seeds: Sequence[int],
    out: Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
) -> list[Run]:
    """Lay `out/seed-K` for each seed, or open what is there already.

    Raises:
        RunError: a folder holds a run of another recipe.
    """
    runs = []
    for seed in seeds:
        folder = out / f"seed-{seed}"
        wanted = recipe.model_copy(update={"seed": seed})
        if (folder / "recipe.toml").exists():
            run = Run.open(folder)
            if run.recipe != wanted:
                raise RunError(f"{folder}: made with another recipe; name another --out")
        else:
            run = prepare(wanted, out=folder, device=device, precision=precision, threads=1)
        runs.append(run)
    return runs


def train_all(  # noqa: PLR0913 - who trains, how, and who is told
    runs: Sequence[Run],
    *,
    workers: int | None = None,
    launcher: Launcher | None = None,
    start_method: Literal["fork", "spawn"] = "spawn",
    on_event: OnEvent = lambda _job, _event: None,
    on_measured: Callable[[Run], None] = lambda _run: None,
) -> None:
    """Train and measure what is unfinished: a member a core, whichever run it belongs to.

    Args:
        runs: all of them.
        workers: members at a time on this machine; one a core by default.
        launcher: where members are trained instead.
        start_method: see `Local`.
        on_event: called with (job, event) as training goes on.
        on_measured: called with each run when it is measured, after all are trained.

    Raises:
        Interrupted: stopped by Ctrl-C; calling it again continues.
    """
    waiting = [run for run in runs if not run.finished]
    workers = workers or available_cores()
    jobs = [job for run in waiting for job in jobs_of(run)]
    on_cpu = all(job.device == "cpu" for job in jobs)
    launch = launcher or Local(workers if on_cpu else 1, start_method)
    launch(jobs, on_event)
    torch.set_num_threads(workers)
    for run in waiting:
        finish(run, {"training_seconds": round(_seconds(run), 2), "side_by_side": workers})
        on_measured(run)


def _seconds(run: Run) -> float:
    """Return the training time of the slowest member, as its journal has it."""
    return max(float(Journal(folder).records()[-1]["seconds"]) for folder in run.members)
