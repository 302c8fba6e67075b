"""`tenfold sweep`."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli.output import (
    RECIPE_ARGUMENT,
    DataOption,
    DeviceOption,
    JsonFlag,
    OnOption,
    PrecisionOption,
    SetOption,
    ThreadsOption,
    console,
    execution_of,
    on_interrupt,
    overrides_of,
    print_json,
    table_of_figures,
)

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tenfold.artifacts.studies import PairedScores, SweepResult, TrialStateName
    from tenfold.artifacts.training import JournalRecord
    from tenfold.execution.job import Job
    from tenfold.studies.sweep import Sweep


def sweep(  # noqa: PLR0913 - a command line
    *,
    recipe: Annotated[str, RECIPE_ARGUMENT],
    space: Annotated[Path, typer.Option(help="TOML file: recipe keys with ranges or choices.")],
    trials: Annotated[int, typer.Option(min=1, help="How many, those before a stop included.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the sweep [default: runs/RECIPE-sweep].")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh ones, for the best recipe.")] = 5,
    storage: Annotated[
        str | None, typer.Option(help="URL of a storage that machines share [default: a file].")
    ] = None,
    data: DataOption = None,
    set_: SetOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    on: OnOption = None,
    json_: JsonFlag = False,
) -> None:
    """Search a recipe's values, a trial a core; the same command continues it (extra sweep)."""
    from tenfold.report.sweep import write_sweep
    from tenfold.studies.finals import FINAL_SEEDS, choose, finalize_sweep
    from tenfold.studies.space import load_space
    from tenfold.studies.sweep import open_sweep
    from tenfold.training.recipe import load_recipe

    loaded = load_recipe(recipe, overrides_of(set_, data=data))
    folder = out or Path("runs") / f"{loaded.name}-sweep"
    execution = execution_of(device, precision, threads, on)
    if storage:  # its connection would not survive in forked workers
        execution = dataclasses.replace(execution, start_method="spawn")
    with (
        on_interrupt("the same command continues"),
        open_sweep(load_space(space, loaded), folder, storage) as opened,
        execution.connected() as connected,
    ):
        typer.echo(f"sweeping {loaded.name} in {folder}", err=True)
        opened.run(trials, connected, partial(_print_trial, opened, trials))
        typer.echo(f"finals: the best trials and {loaded.name}, {FINAL_SEEDS} seeds", err=True)
        chosen = choose(opened, connected, _print_trained)
        typer.echo(f"{seeds} fresh seeds of trial {chosen[0].number}, {loaded.name}", err=True)
        result = finalize_sweep(opened, chosen, seeds, connected, _print_trained)
    _print_result(result, folder, write_sweep(result, folder / "report.html"), as_json=json_)


def _print_trial(opened: "Sweep", trials: int, trial: "FrozenTrial") -> None:
    """Print how a trial ended, and how many of `trials` have."""
    from tenfold.studies.sweep import FINISHED

    finished = opened.trials(*FINISHED)
    complete = [t.value for t in finished if t.state.name == "COMPLETE" and t.value is not None]
    what = f"nll_sum {trial.value:.1f}" if trial.value is not None else "no value"
    if trial.state.name == "PRUNED":
        what = trial.user_attrs.get("reason") or f"{what}, pruned at {trial.last_step}"
    best = f" · best {min(complete):.1f}" if complete else ""
    typer.echo(f"{len(finished)}/{trials} · trial {trial.number}: {what}{best}", err=True)


def _print_trained(job: "Job", record: "JournalRecord") -> None:
    """Print a line for each member that was trained with another seed."""
    where = f"{job.run.parent.name}/{job.run.name}, member {job.member + 1}"
    typer.echo(f"{where}: nll_sum {record.nll_sum:.1f}", err=True)


def _print_result(result: "SweepResult", folder: Path, page: Path, *, as_json: bool) -> None:
    """Print the result of a sweep."""
    from tenfold.studies.compare import compare_fresh_seeds

    compared = compare_fresh_seeds(result)
    states: tuple[TrialStateName, ...] = ("complete", "pruned", "fail")
    counts = {state: result.count(state) for state in states}
    best = folder / "best.toml"
    if as_json:
        fresh = {name: found.model_dump() for name, found in compared.items()}
        chosen = result.best.model_dump()
        paths = {"recipe": str(best), "folder": str(folder), "report": str(page)}
        print_json({"trials": counts, "best": chosen, "fresh_seeds": fresh, **paths})
        return
    _print_fresh_seeds(result, compared)
    typer.echo(f"{counts['complete']} trials complete, {counts['pruned']} pruned · {best} · {page}")


def _print_fresh_seeds(result: "SweepResult", compared: "dict[str, PairedScores]") -> None:
    """Print a table: the best recipe beside the one that the sweep began with."""
    from tenfold.studies.compare import METRICS

    seeds = len(result.seeds)
    table = table_of_figures(
        f"{seeds} fresh seed{'s' if seeds > 1 else ''}",
        ("", result.recipe, result.best.recipe, "difference", "p"),
    )
    for name, found in compared.items():
        show = METRICS[name.split("_", 1)[1]].format.format
        means = [
            show(s.mean) + (f" ± {show(s.half)}" if s.half is not None else "")
            for s in (found.baseline, found.best)
        ]
        gap = found.difference
        p = "–" if gap.p is None else f"{gap.p:.2g}"
        table.add_row(name.replace("_", " ", 1), *means, show(gap.mean), p)
    console().print(table)
