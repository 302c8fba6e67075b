"""`tenfold repeat` and `tenfold compare`: several seeds, and how sure they make us."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli.output import (
    START_METHOD,
    DataOption,
    DeviceOption,
    JsonFlag,
    MembersOption,
    OnOption,
    PrecisionOption,
    SetOption,
    ThreadsOption,
    console,
    launcher_on,
    overrides_of,
    precision_of,
    print_json,
)

if TYPE_CHECKING:
    from tenfold.evaluation.statistics import Spread


def repeat(  # noqa: PLR0913 - a command line
    *,
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a TOML file.")],
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
    import torch

    from tenfold.execution.local import Job
    from tenfold.execution.progress import ProgressView
    from tenfold.execution.run import Run
    from tenfold.report.page import write_report
    from tenfold.report.runset import read_set, summarise
    from tenfold.studies.repeat import lay, train_all
    from tenfold.training.member import Event, Interrupted
    from tenfold.training.recipe import load_recipe

    with launcher_on(on) as launcher:
        torch.set_num_threads(1)  # threads of this process would not survive in forked workers
        loaded = load_recipe(recipe, overrides_of(set_, members=members, data=data))
        folder = out or Path("runs") / f"{loaded.name}-seeds"
        runs = lay(loaded, range(seeds), folder, device=device, precision=precision_of(precision))
        waiting = [(run.path, m) for run in runs if not run.finished for m in range(loaded.members)]
        typer.echo(f"{len(waiting)} members to train in {folder}", err=True)
        names = [f"{path.name} · {member + 1}" for path, member in waiting]
        view = ProgressView(loaded, console(stderr=True), names)

        def on_event(job: Job, event: Event) -> None:
            view.on_event(waiting.index((job.run, job.member)), event)

        def on_measured(run: Run) -> None:
            found = run.evaluation["models"][-1]
            figures = f"{found['accuracy']:.2%}, nll_sum {found['nll_sum']:,.1f}"
            view.console.print(f"{run.path.name} on test images: {figures}", highlight=False)

        try:
            with view:
                train_all(
                    runs,
                    workers=threads,
                    launcher=launcher,
                    start_method=START_METHOD,
                    on_event=on_event,
                    on_measured=on_measured,
                )
        except (Interrupted, KeyboardInterrupt):
            typer.echo("stopped; the same command continues", err=True)
            raise typer.Exit(130) from None
    done = read_set(folder)
    page = write_report([folder], folder / "report.html")
    spreads = summarise(done)
    if json_:
        summary = {name: dataclasses.asdict(spread) for name, spread in spreads.items()}
        print_json({"runs": len(done), **summary, "folder": str(folder), "report": str(page)})
        return
    _print_spreads(spreads, f"{len(done)} runs of {loaded.name}")
    typer.echo(f"report: {page}")


def compare(
    *,
    a: Annotated[Path, typer.Argument(help="A run, or a folder of runs.")],
    b: Annotated[Path, typer.Argument(help="Another, with the same seeds.")],
    json_: JsonFlag = False,
) -> None:
    """Compare two sets of runs, seed by seed; two single runs, image by image."""
    from rich.table import Table

    from tenfold.report.runset import compare as paired
    from tenfold.report.runset import read_set
    from tenfold.report.tables import FORMATS

    result = paired(read_set(a), read_set(b))
    if json_:
        print_json(dataclasses.asdict(result))
        return
    many = len(result.seeds)
    table = Table(
        title=f"{b} less {a}, {many} seed{'s' if many > 1 else ''}", title_justify="left", box=None
    )
    for heading in ("", "A", "B", "B - A", "95 % interval", "p, paired t-test"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, gap in result.differences.items():
        show = FORMATS[name].format
        interval = "–"
        if gap.low is not None and gap.high is not None:
            interval = f"{show(gap.low)} … {show(gap.high)}"
        p = "–" if gap.p is None else f"{gap.p:.2g}"
        values = (show(result.a[name].mean), show(result.b[name].mean), show(gap.mean))
        table.add_row(name, *values, interval, p)
    console().print(table)
    if result.mcnemar is not None:
        typer.echo(f"same images right? McNemar's exact p = {result.mcnemar:.2g}")


def _print_spreads(spreads: "dict[str, Spread]", title: str) -> None:
    from rich.table import Table

    from tenfold.report.tables import FORMATS

    table = Table(title=title, title_justify="left", box=None)
    for heading in ("", "mean", "± (95 %)", "deviation", "least", "most"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, spread in spreads.items():
        show = FORMATS[name].format
        values: tuple[Any, ...] = (spread.half, spread.deviation, spread.least, spread.most)
        table.add_row(name, show(spread.mean), *("–" if v is None else show(v) for v in values))
    console().print(table)
