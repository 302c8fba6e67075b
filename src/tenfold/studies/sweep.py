"""A sweep: trials of a recipe with other values, chosen by Optuna, a trial a core, resumable.

    recipe.toml, space.toml    what is swept           trials/NNNN/    a run folder a trial
    journal.log                Optuna's storage        best.toml       the best recipe so far

Only this process uses Optuna; workers only train. Optuna's sampler is seeded anew for
each trial by the trial's number, so that a resumed sweep does not draw what it drew before.
"""

import contextlib
import hashlib
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from tenfold.artifacts.training import Event, FailureEvent, JournalRecord, TrialEvaluationEvent
from tenfold.cpu import available_cores
from tenfold.data.seeds import derive_seed
from tenfold.errors import RecipeError, RunError
from tenfold.execution.config import Execution
from tenfold.execution.create import open_or_create
from tenfold.execution.job import Job, jobs_of
from tenfold.execution.run import Run
from tenfold.files import write_atomically
from tenfold.folder_lock import exclusive
from tenfold.studies.space import Space
from tenfold.studies.storage import JOURNAL, check_trial, open_study
from tenfold.studies.trial import evaluations, train_trial
from tenfold.training.curves import curve_of, selected_rows
from tenfold.training.recipe import Recipe
from tenfold.untrusted import read_text

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
UNPRUNED_SHARE = 0.25  # of the schedule: before, curves are too noisy to prune by

OnTrial = Callable[[FrozenTrial], None]


@dataclass(frozen=True)
class _Running:
    """A trial that trains, with its evaluations so far, by their iterations."""

    trial: Trial
    recipe: Recipe
    evaluated: dict[int, TrialEvaluationEvent] = field(default_factory=dict)


class Sweep:
    """A study in a folder of its own, which one process at a time may run: see `open_sweep`."""

    def __init__(self, folder: Path, space: Space, study: optuna.Study, *, alone: bool) -> None:
        self.folder = folder
        self.space = space
        self.study = study
        self.alone = alone
        self.owner = f"{platform.node()}:{folder.resolve()}"
        self.running: dict[Path, _Running] = {}

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states, or all."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def run(
        self, trials: int, execution: Execution, on_trial: OnTrial = lambda _trial: None
    ) -> None:
        """Go on until `trials` of the study are complete or pruned, or running elsewhere.

        Args:
            trials: how many, those of earlier calls included.
            execution: where and how; `threads` trials run at a time, one a core by default.
            on_trial: called with each trial that has ended.

        Raises:
            Interrupted: stopped by Ctrl-C; trials that were running go on with the next call.
            RunError: none was completed.
        """
        self._requeue_abandoned()
        if not self.trials() and (own := self.space.own()):
            self.study.enqueue_trial(own)
        try:
            execution.run(
                self._jobs(trials, execution, on_trial),
                lambda job, event: self._on_event(job.run, event, on_trial),
                workers=execution.threads or available_cores(),
                train=train_trial,
            )
        finally:
            for running in self.running.values():
                self._requeue(running.trial)
            self.running.clear()
        if not self.trials(TrialState.COMPLETE):
            raise RunError(f"{self.folder}: no trial came to its end; narrow the space")

    def is_own(self, trial: FrozenTrial) -> bool:
        """Whether a trial has the values of the recipe that the sweep began with."""
        return trial.params == self.space.own()

    def recipe_of(self, trial: FrozenTrial) -> Recipe:
        """Return the recipe with a trial's values; the one that the sweep began with as it is."""
        if self.is_own(trial):
            return self.space.recipe
        recipe = self.space.applied(trial.params)
        return recipe.model_copy(update={"name": f"{recipe.name}-swept"})

    def _jobs(self, trials: int, execution: Execution, on_trial: OnTrial) -> Iterator[Job]:
        """Ask for the next trial whenever there is capacity for one, until there are enough."""
        while len(self.trials(*FINISHED, TrialState.RUNNING)) < trials:
            number = len(self.trials())
            seed = derive_seed(self.space.recipe.seed, "sweep", number) % 2**32
            self.study.sampler = optuna.samplers.TPESampler(seed=seed)
            trial = self.study.ask(self.space.distributions)
            name = trial.user_attrs.get("run", f"{trial.number:04}")
            trial.set_user_attr("owner", self.owner)
            trial.set_user_attr("run", name)
            try:
                recipe = self.space.applied(trial.params).model_copy(update={"members": 1})
            except RecipeError as error:
                self._end(trial, on_trial, reason=str(error))
                continue
            run = _trial_run(recipe, self.folder / "trials" / name, execution)
            self.running[run.path] = _Running(trial, recipe)
            for event in evaluations(run):  # of a trial that was stopped
                self._on_event(run.path, event, on_trial)
            if run.path in self.running:
                yield from jobs_of(run)

    def _on_event(self, path: Path, event: Event, on_trial: OnTrial) -> bool:
        """Report an evaluation in the run at `path`; true if its trial is to be pruned."""
        if path not in self.running:
            return False
        running = self.running[path]
        trial, recipe, evaluated = running.trial, running.recipe, running.evaluated
        if isinstance(event, FailureEvent):
            del self.running[path]
            self._end(trial, on_trial, reason=event.reason)
            return False
        if not isinstance(event, TrialEvaluationEvent):
            return False
        step = event.record.step
        if step not in evaluated:  # else a machine that was lost had reported it
            evaluated[step] = event
            trial.report(event.calibrated_nll_sum, step)
        if step == recipe.schedule.iterations:
            del self.running[path]
            kept = kept_step(recipe.training.keep, list(evaluated.values()))
            self._end(trial, on_trial, evaluated[kept].calibrated_nll_sum)
        elif trial.should_prune():
            del self.running[path]
            self._end(trial, on_trial)
            return True
        return False

    def _end(
        self, trial: Trial, on_trial: OnTrial, nll_sum: float | None = None, reason: str = ""
    ) -> None:
        """End a trial with its loss; without one it counts as pruned, or cannot be trained."""
        if reason:
            trial.set_user_attr("reason", reason)
        self.study.tell(trial, nll_sum, TrialState.PRUNED if nll_sum is None else None)
        on_trial(self.trials()[trial.number])

    def _requeue_abandoned(self) -> None:
        """Requeue trials of a dead process: while this one holds the folder, none else is alive."""
        for trial in self.trials(TrialState.RUNNING):
            if self.alone or trial.user_attrs.get("owner") == self.owner:
                self._requeue(trial)

    def _requeue(self, trial: Trial | FrozenTrial) -> None:
        """Mark a trial failed and queue its parameters, with the run that it had begun.

        In this order: dying in between forgets a trial, the other would count it twice. One that
        died while it was being asked for has not all parameters, and nothing to keep.
        """
        kept = {key: trial.user_attrs[key] for key in ("run",) if key in trial.user_attrs}
        self.study.tell(trial.number, state=TrialState.FAIL)
        if trial.params.keys() == self.space.distributions.keys():
            self.study.enqueue_trial(trial.params, user_attrs=kept)


@contextlib.contextmanager
def open_sweep(space: Space, folder: Path, storage: str | None = None) -> Iterator[Sweep]:
    """Create a sweep's folder, or open it to go on; no other process may at the same time.

    Args:
        space: recipe and ranges.
        folder: where trials are kept, and Optuna's journal unless `storage` is given.
        storage: an SQLAlchemy URL, or grpc://HOST:PORT of Optuna's proxy. Sweeps of the same
            recipe and space with the same storage share their trials.

    Raises:
        RunError: another process has it, it is of another recipe or space, or no storage answers.
        RecipeError: the recipe has no validation images.
    """
    if space.recipe.data.monitor != "validation":
        raise RecipeError(
            "data.monitor: a sweep selects on validation images; "
            "set data.monitor=validation and data.validation"
        )
    texts = {"recipe.toml": space.recipe.to_toml(), "space.toml": space.text}
    with exclusive(folder):
        for name, text in texts.items():
            path = folder / name
            if path.exists() and read_text(path, RunError, "name another --out") != text:
                raise RunError(f"{path}: of another sweep; name another --out")
            write_atomically(path, text)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        digest = hashlib.sha256("".join(texts.values()).encode()).hexdigest()
        iterations = space.recipe.schedule.iterations
        name = f"{space.recipe.name}-{digest[:12]}"
        pruner = optuna.pruners.MedianPruner(n_warmup_steps=int(UNPRUNED_SHARE * iterations))
        study = open_study(folder, storage, name, pruner)
        for trial in study.get_trials(deepcopy=False):
            check_trial(trial, space, storage or str(folder / JOURNAL))
        yield Sweep(folder, space, study, alone=storage is None)


def _trial_run(recipe: Recipe, folder: Path, execution: Execution) -> Run:
    """Return a trial's run: the one that was begun, or a new one in place of another study's."""
    if (folder / "recipe.toml").exists() and Run(folder).recipe != recipe:
        shutil.rmtree(folder)
    return open_or_create(recipe, folder, replace(execution, threads=1))


def kept_step(keep: str, evaluated: Sequence[TrialEvaluationEvent]) -> int:
    """Return the iteration whose weights a trial's recipe keeps."""
    records = [cast("JournalRecord", event.record) for event in evaluated]
    curve = curve_of("trial", [record.step for record in records], records)
    return next(row.step for row in selected_rows(curve) if row.rule == keep)
