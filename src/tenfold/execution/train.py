"""From a recipe to a finished run: create its folder, train the members, finalize."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from tenfold.artifacts.training import Event
from tenfold.errors import RecipeError
from tenfold.execution.config import THIS_MACHINE, Execution
from tenfold.execution.create import open_or_create
from tenfold.execution.finalize import finalize_run
from tenfold.execution.job import jobs_of, parallel_members
from tenfold.execution.run import Run
from tenfold.folder_lock import exclusive
from tenfold.training.journal import Journal
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.tasks import record_type

OnMemberEvent = Callable[[int, Event], None]


def train(
    recipe: Recipe | str | Path = "default",
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    execution: Execution = THIS_MACHINE,
    on_event: OnMemberEvent = lambda _member, _event: None,
) -> Run:
    """Train a recipe in a run folder and measure it; go on where an earlier call was stopped.

    A new run starts where there is nothing. An unfinished run of the same recipe goes on from
    its checkpoints and ends with the same bytes as if it had never stopped. A finished one is
    returned as it is.

    Args:
        recipe: a `Recipe`, the name of a shipped one, or a TOML file.
        out: the run folder; by default a new one, `runs/NAME-K`.
        overrides: `key.path=value` settings, as with `--set`.
        execution: where and how; device, precision and threads of a run that goes on must be
            its own, or the defaults.
        on_event: called with (member, event) as training goes on.

    Raises:
        RunError: the folder holds another run, or another process is at work there.
        TenfoldError: something else that the caller can mend.
        Interrupted: stopped by Ctrl-C; the same call continues.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    elif overrides:
        raise RecipeError("overrides go with a recipe's name or file, not with a Recipe")
    with execution.connected() as connected:
        run = open_or_create(recipe, out, connected)
        return resume(run, execution=connected, on_event=on_event)


def resume(
    run: Run | str | Path,
    *,
    execution: Execution = THIS_MACHINE,
    on_event: OnMemberEvent = lambda _member, _event: None,
) -> Run:
    """Train what is left of a run, then bundle and evaluate it; a finished run is left alone.

    Device, precision and threads are those that the run began with.

    Args:
        run: a run, or its folder.
        execution: on which machines; see above.
        on_event: called with (member, event) as training goes on.

    Raises:
        RunError: the folder holds no run, a checkpoint is damaged, the recipe is not the one
            that the run began with, or another process is at work there.
        Interrupted: stopped by Ctrl-C; the same call continues.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    with exclusive(run.path):
        if run.finished:
            return run
        manifest, jobs = run.manifest, jobs_of(run)
        workers = parallel_members(run)
        begun = time.monotonic()
        execution.run(jobs, lambda job, event: on_event(job.member, event), workers=workers)
        seconds = max(time.monotonic() - begun, journaled_seconds(run, workers))
        torch.set_num_threads(manifest.threads)
        finalize_run(run, seconds, workers)
    return run


def journaled_seconds(run: Run, workers: int) -> float:
    """Return the seconds of training in a trained run's journals, `workers` members at a time."""
    record = record_type(run.recipe)
    seconds = [Journal(folder).read(record)[-1].seconds for folder in run.members]
    return max(*seconds, sum(seconds) / workers)
