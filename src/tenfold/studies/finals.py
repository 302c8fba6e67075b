"""The result of a sweep: finals between its best trials, and the winner beside the first recipe.

The best of many trials owes a part of its score to luck: the least of 60 scored 24 where five other
seeds scored 34 ± 5. So the best few are trained with other seeds before one is chosen. Fresh
seeds, which chose nothing, then measure what it is worth.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import cast

import optuna
from optuna.trial import FrozenTrial, TrialState

from tenfold.artifacts.studies import (
    BestTrial,
    Final,
    FreshSeeds,
    Scores,
    SweepResult,
    TrialResult,
    TrialStateName,
)
from tenfold.artifacts.training import EvaluationEvent, Event, JournalRecord
from tenfold.evaluation.evaluate import evaluate_bundle
from tenfold.execution.config import Execution
from tenfold.execution.job import Job
from tenfold.execution.run import Run
from tenfold.files import write_atomically
from tenfold.studies.repeat import create_runs, train_runs
from tenfold.studies.sweep import Sweep
from tenfold.training.recipe import Recipe

MAX_FINALISTS = 4  # trials, beside the recipe itself
FINAL_SEEDS = 3
MIN_TRIALS_FOR_IMPORTANCE = 4

Finals = dict[int, tuple[float, ...]]  # nll_sum on validation by trial, a figure a seed
OnTrained = Callable[[Job, JournalRecord], None]  # called with the last evaluation of each member


def train_with_seeds(
    recipes: Mapping[Path, Recipe],
    seeds: Sequence[int],
    execution: Execution,
    on_trained: OnTrained,
) -> dict[Path, Scores]:
    """Train each recipe in its folder with every seed; return what the bundles score.

    Raises:
        Interrupted: stopped by Ctrl-C; calling it again continues.
    """
    runs = {
        folder: create_runs(recipe, seeds, folder, execution) for folder, recipe in recipes.items()
    }
    every = list(chain.from_iterable(runs.values()))
    ends = {run.path: run.recipe.schedule.iterations for run in every}

    def on_event(job: Job, event: Event) -> None:
        if isinstance(event, EvaluationEvent) and event.record.step == ends[job.run]:
            on_trained(job, cast("JournalRecord", event.record))

    train_runs(every, execution, on_event=on_event)
    return {folder: _scores(some) for folder, some in runs.items()}


def choose(sweep: Sweep, execution: Execution, on_trained: OnTrained) -> tuple[FrozenTrial, Finals]:
    """Train the best few trials, and the recipe itself, with more seeds; return what is best then.

    Raises:
        Interrupted: see `train_with_seeds`.
    """
    trials = _finalists(sweep)
    if len(trials) == 1:
        return trials[0], {}
    first = sweep.space.recipe.seed + 1
    folders = {trial.number: sweep.folder / "finals" / f"{trial.number:04}" for trial in trials}
    recipes = {folders[trial.number]: sweep.recipe_of(trial) for trial in trials}
    seeds = range(first, first + FINAL_SEEDS)
    scores = train_with_seeds(recipes, seeds, execution, on_trained)
    finals = {number: scores[folder].validation_nll_sum for number, folder in folders.items()}
    return min(trials, key=lambda trial: fmean(finals[trial.number])), finals


def _finalists(sweep: Sweep) -> list[FrozenTrial]:
    """Return the best one in five, a few at most, and the recipe itself if it was tried."""
    complete = sorted(sweep.trials(TrialState.COMPLETE), key=lambda trial: trial.value or 0)
    best = complete[: max(1, min(MAX_FINALISTS, len(complete) // 5))]
    return best + [t for t in complete if sweep.is_own(t) and t not in best]


def finalize_sweep(
    sweep: Sweep,
    chosen: tuple[FrozenTrial, Finals],
    seeds: int,
    execution: Execution,
    on_trained: OnTrained,
) -> SweepResult:
    """Train what `choose` chose with fresh seeds, and the sweep's own recipe beside it.

    `sweep.json` then holds the result, and `best.toml` the recipe.

    Raises:
        Interrupted: see `train_with_seeds`.
    """
    (trial, finals), own = chosen, sweep.space.recipe
    best = sweep.recipe_of(trial)
    write_atomically(sweep.folder / "best.toml", best.to_toml())
    first = own.seed + 1 + FINAL_SEEDS
    fresh = range(first, first + seeds)
    baseline = sweep.folder / "baseline"
    folder = baseline if best == own else sweep.folder / f"best-{trial.number:04}"
    scores = train_with_seeds({baseline: own, folder: best}, fresh, execution, on_trained)
    result = SweepResult(
        recipe=own.name,
        study=sweep.study.study_name,
        trials=tuple(_describe(trial, sweep) for trial in sweep.trials()),
        finals=tuple(Final(number=n, validation_nll_sum=v) for n, v in finals.items()),
        best=BestTrial(
            number=trial.number,
            nll_sum=trial.value,
            values=sweep.space.values(trial.params),
            recipe=best.name,
        ),
        importance=_importance(sweep),
        seeds=tuple(fresh),
        validation_images=own.data.validation,
        fresh_seeds=FreshSeeds(baseline=scores[baseline], best=scores[folder]),
    )
    result.write_file(sweep.folder / "sweep.json")
    return result


def _describe(trial: FrozenTrial, sweep: Sweep) -> TrialResult:
    curve = trial.intermediate_values
    value = trial.value if trial.state == TrialState.COMPLETE else None
    return TrialResult(
        number=trial.number,
        state=cast("TrialStateName", trial.state.name.lower()),
        nll_sum=curve[max(curve)] if value is None and curve else value,
        step=max(curve, default=None),
        values=sweep.space.values(trial.params),
        seconds=None if trial.duration is None else round(trial.duration.total_seconds(), 2),
        run=trial.user_attrs.get("run"),
        reason=trial.user_attrs.get("reason"),
    )


def _importance(sweep: Sweep) -> dict[str, float]:
    """Return each key's share of what separates good trials from the rest (PED-ANOVA)."""
    values = {trial.value for trial in sweep.trials(TrialState.COMPLETE)}
    if len(values) < MIN_TRIALS_FOR_IMPORTANCE:
        return {}
    return dict(optuna.importance.get_param_importances(sweep.study))


def _scores(runs: Sequence[Run]) -> Scores:
    """Return what the bundles score, by seed: on validation, and on test."""
    validation = [
        evaluate_bundle(run.bundle(), run.digits()[1], "validation").headline for run in runs
    ]
    test = [run.evaluation.headline for run in runs]
    return Scores(
        validation_nll_sum=tuple(model.nll_sum for model in validation),
        validation_accuracy=tuple(model.accuracy for model in validation),
        test_nll_sum=tuple(model.nll_sum for model in test),
        test_accuracy=tuple(model.accuracy for model in test),
    )
