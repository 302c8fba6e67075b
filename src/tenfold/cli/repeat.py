"""`tenfold repeat`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli.output import (
    RECIPE_ARGUMENT,
    DataOption,
    DeviceOption,
    JsonFlag,
    MembersOption,
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
    from tenfold.artifacts.studies import Spread
    from tenfold.execution.config import Execution
    from tenfold.execution.run import Run


def repeat(  # noqa: PLR0913 - a command line
    *,
    recipe: Annotated[str, RECIPE_ARGUMENT],
    seeds: Annotated[int, typer.Option(min=1, help="How many: 0, 1, 2 …")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="Folder of runs [default: runs/RECIPE-seeds].")
    ] = None,
    members: MembersOption = None,
    data: DataOption = None,
    set_: SetOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    on: OnOption = None,
    json_: JsonFlag = False,
) -> None:
    """Train a recipe with several seeds, a member a core; the same command continues it."""
    from tenfold.artifacts.finished_run import read_runs
    from tenfold.report.page import write_report
    from tenfold.studies.compare import METRICS, summarise
    from tenfold.studies.repeat import create_runs
    from tenfold.training.recipe import load_recipe

    loaded = load_recipe(recipe, overrides_of(set_, members=members, data=data))
    folder = out or Path("runs") / f"{loaded.name}-seeds"
    with execution_of(device, precision, threads, on).connected() as execution:
        runs = create_runs(loaded, range(seeds), folder, execution)
        _train(runs, execution)
    finished = read_runs(folder)
    page = write_report([folder], folder / "report.html")
    spreads = summarise(finished)
    if json_:
        known = {name: spread.model_dump() for name, spread in spreads.items()}
        paths = {"folder": str(folder), "report": str(page)}
        print_json({"runs": len(finished), **dict.fromkeys(METRICS), **known, **paths})
        return
    _print_spreads(spreads, f"{len(finished)} runs of {loaded.name}")
    typer.echo(f"report: {page}")


def _train(runs: "list[Run]", execution: "Execution") -> None:
    """Train and measure what is left of the runs, and show the progress."""
    from tenfold.artifacts.training import Event
    from tenfold.execution.job import Job
    from tenfold.execution.progress import ProgressView
    from tenfold.studies.repeat import train_runs

    recipe = runs[0].recipe
    waiting = [(run.path, m) for run in runs if not run.finished for m in range(recipe.members)]
    typer.echo(f"{len(waiting)} members to train in {runs[0].path.parent}", err=True)
    names = [f"{path.name} · {member + 1}" for path, member in waiting]
    view = ProgressView(recipe, console(stderr=True), names)

    def on_event(job: Job, event: Event) -> None:
        view.on_event(waiting.index((job.run, job.member)), event)

    def on_finalized(run: "Run") -> None:
        headline = run.evaluation.headline
        figures = f"{headline.accuracy:.2%}, nll_sum {headline.nll_sum:,.1f}"
        view.console.print(f"{run.path.name} on test images: {figures}", highlight=False)

    with on_interrupt("the same command continues"), view:
        train_runs(runs, execution, on_event=on_event, on_finalized=on_finalized)


def _print_spreads(spreads: "dict[str, Spread]", title: str) -> None:
    from tenfold.studies.compare import METRICS

    table = table_of_figures(title, ("", "mean", "± (95 %)", "deviation", "least", "most"))
    for name, spread in spreads.items():
        show = METRICS[name].format.format
        values: tuple[Any, ...] = (spread.half, spread.deviation, spread.least, spread.most)
        table.add_row(name, show(spread.mean), *("–" if v is None else show(v) for v in values))
    console().print(table)
