"""What a sweep came to: its trials, and its best recipe trained anew beside the one it began with.

The best of many trials owes a part of its score to luck. Seeds that no trial has seen tell how
large that part is.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from tenfold.evaluation.evaluate import evaluate_bundle
from tenfold.files import write_atomically
from tenfold.training.hardware import Precision
from tenfold.training.launch import Launcher, OnEvent
from tenfold.training.recipe import Recipe
from tenfold.training.repeat import lay, train_all
from tenfold.training.run import Run
from tenfold.training.sweep import Sweep

FORMAT = 1
FEW = 4  # complete trials, below which importances mean nothing


def lay_reruns(
    sweep: Sweep, seeds: int, *, device: str = "auto", precision: Precision = "auto"
) -> dict[str, list[Run]]:
    """Write `best.toml`, and lay runs of it and of the sweep's own recipe with fresh seeds."""
    trial, best = sweep.best()
    write_atomically(sweep.folder / "best.toml", best.to_toml())
    own = sweep.space.recipe
    fresh = range(own.seed + 1, own.seed + 1 + seeds)
    folders: dict[str, tuple[Recipe, Path]] = {
        "baseline": (own, sweep.folder / "baseline"),
        "best": (best, sweep.folder / f"best-{trial.number:04}"),
    }
    return {
        name: lay(recipe, fresh, folder, device=device, precision=precision)
        for name, (recipe, folder) in folders.items()
    }


def finish_sweep(  # noqa: PLR0913 - as `train_all` has them
    sweep: Sweep,
    reruns: dict[str, list[Run]],
    *,
    workers: int | None = None,
    launcher: Launcher | None = None,
    start_method: Literal["fork", "spawn"] = "spawn",
    on_event: OnEvent = lambda _job, _event: None,
) -> dict[str, Any]:
    """Train what `lay_reruns` laid; write `sweep.json` and return what it holds.

    Raises:
        Interrupted: stopped by Ctrl-C; calling it again continues.
    """
    train_all(
        [run for runs in reruns.values() for run in runs],
        workers=workers,
        launcher=launcher,
        start_method=start_method,
        on_event=on_event,
    )
    trial, best = sweep.best()
    result = {
        "format": FORMAT,
        "recipe": sweep.space.recipe.name,
        "study": sweep.study.study_name,
        "trials": [_describe(trial, sweep) for trial in sweep.trials()],
        "best": {
            "number": trial.number,
            "nll_sum": trial.value,
            "values": sweep.space.values(trial.params),
            "recipe": best.name,
        },
        "importance": _importance(sweep),
        "seeds": [run.recipe.seed for run in reruns["baseline"]],
        "validation_images": sweep.space.recipe.data.validation,
        "reruns": {name: _scores(runs) for name, runs in reruns.items()},
    }
    write_atomically(sweep.folder / "sweep.json", json.dumps(result) + "\n")
    return result


def _describe(trial: FrozenTrial, sweep: Sweep) -> dict[str, Any]:
    """Return a trial as JSON; `nll_sum` of one that was pruned is its last evaluation's."""
    curve = trial.intermediate_values
    value = trial.value if trial.state == TrialState.COMPLETE else None
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "nll_sum": curve[max(curve)] if value is None and curve else value,
        "step": max(curve, default=None),
        "values": sweep.space.values(trial.params),
        "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 2),
        "run": trial.user_attrs.get("run"),
        "reason": trial.user_attrs.get("reason"),
    }


def _importance(sweep: Sweep) -> dict[str, float]:
    """Return each key's share of what separates good trials from the rest (PED-ANOVA)."""
    values = {trial.value for trial in sweep.trials(TrialState.COMPLETE)}
    if len(values) < FEW:
        return {}
    return dict(optuna.importance.get_param_importances(sweep.study))


def _scores(runs: Sequence[Run]) -> dict[str, list[float]]:
    """Return what the bundles score, by seed: on validation, and on test."""
    scores: dict[str, list[float]] = {
        "validation_nll_sum": [],
        "validation_accuracy": [],
        "test_nll_sum": [],
        "test_accuracy": [],
    }
    for run in runs:
        validation = evaluate_bundle(run.bundle(), run.digits()[1], "validation")
        for split, evaluation in (("validation", validation), ("test", run.evaluation)):
            for figure in ("nll_sum", "accuracy"):
                scores[f"{split}_{figure}"].append(evaluation["models"][-1][figure])
    return scores
