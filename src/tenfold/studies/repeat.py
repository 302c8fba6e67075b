"""One recipe with many seeds: a folder of runs whose members are trained at the same time."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from tenfold.cpu import available_cores
from tenfold.execution.config import Execution
from tenfold.execution.create import open_or_create
from tenfold.execution.finalize import finalize_run
from tenfold.execution.job import OnEvent, jobs_of
from tenfold.execution.run import Run
from tenfold.execution.train import journaled_seconds
from tenfold.folder_lock import exclusive
from tenfold.training.recipe import Recipe


def create_runs(recipe: Recipe, seeds: Sequence[int], out: Path, execution: Execution) -> list[Run]:
    """Create `out/seed-K` for each seed, or open the run that is there already.

    Raises:
        RecipeError: the recipe trains no classifier.
        RunError: a folder holds another run, or another process is at work in it.
    """
    recipe.require_classifier()
    one_thread = replace(execution, threads=1)
    with exclusive(out):
        return [
            open_or_create(
                recipe.model_copy(update={"seed": seed}), out / f"seed-{seed}", one_thread
            )
            for seed in seeds
        ]


def train_runs(
    runs: Sequence[Run],
    execution: Execution,
    *,
    on_event: OnEvent = lambda _job, _event: None,
    on_finalized: Callable[[Run], None] = lambda _run: None,
) -> None:
    """Train and measure what is unfinished: a member a thread, whichever run it belongs to.

    Args:
        runs: all of them.
        execution: where and how; `threads` members are trained at a time, one a core by default.
        on_event: called with (job, event) as training goes on.
        on_finalized: called with each run once it is measured, after all are trained.

    Raises:
        Interrupted: stopped by Ctrl-C; calling it again continues.
    """
    workers = execution.threads or available_cores()
    with contextlib.ExitStack() as folders:
        for run in runs:
            folders.enter_context(exclusive(run.path))
        unfinished = [run for run in runs if not run.finished]
        jobs = [job for run in unfinished for job in jobs_of(run)]
        on_cpu = all(job.device == "cpu" for job in jobs)
        members = sum(run.recipe.members for run in unfinished)
        at_a_time = min(workers, members) if on_cpu else 1
        execution.run(jobs, on_event, workers=at_a_time)
        torch.set_num_threads(workers)
        for run in unfinished:
            seconds = journaled_seconds(run, workers=run.recipe.members)
            finalize_run(run, seconds, at_a_time)
            on_finalized(run)
