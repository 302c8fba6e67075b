"""`tenfold train`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    print_models,
)

if TYPE_CHECKING:
    from tenfold.execution.config import Execution
    from tenfold.execution.run import Run
    from tenfold.execution.tensorboard import TensorBoard


def train(  # noqa: PLR0913 - a command line
    *,
    recipe: Annotated[str | None, RECIPE_ARGUMENT] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder [default: runs/RECIPE-K].")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    members: MembersOption = None,
    data: DataOption = None,
    set_: SetOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue --out, or the newest unfinished run.")
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    on: OnOption = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write curves to RUN/tensorboard.")
    ] = False,
    json_: JsonFlag = False,
) -> None:
    """Train a recipe, measure it, write its report; the same command continues it."""
    from tenfold.execution.tensorboard import TensorBoard

    board = TensorBoard() if tensorboard else None
    overrides = overrides_of(set_, seed=seed, members=members, data=data)
    with execution_of(device, precision, threads, on).connected() as execution:
        run = _opened(recipe, overrides, out, execution, resume=resume)
        _train(run, execution, board)
    _print_results(run, as_json=json_)


def _opened(
    recipe: str | None,
    overrides: list[str],
    out: Path | None,
    execution: "Execution",
    *,
    resume: bool,
) -> "Run":
    """Create a run, or open the one that is there or that --resume names, if all options agree."""
    from tenfold.execution.create import newest_unfinished, open_or_create
    from tenfold.execution.run import Run
    from tenfold.training.recipe import load_recipe

    if not resume:
        return open_or_create(load_recipe(recipe or "default", overrides), out, execution)
    loaded = load_recipe(recipe, overrides) if recipe else None
    run = Run.open(out) if out else newest_unfinished(loaded)
    wanted = loaded or load_recipe(run.path / "recipe.toml", overrides)
    return open_or_create(wanted, run.path, execution)


def _train(run: "Run", execution: "Execution", board: "TensorBoard | None") -> None:
    """Train and measure what is left of a run, and show its progress."""
    from tenfold.artifacts.training import Event
    from tenfold.execution.progress import ProgressView
    from tenfold.execution.train import resume
    from tenfold.model.kernels.functional import why_not

    state = "done:" if run.finished else "resuming" if run.begun else "training"
    typer.echo(f"{state} {run.recipe.name} in {run.path}", err=True)
    if not run.finished and (slower := why_not()):
        typer.echo(slower, err=True)
    view = ProgressView(run.recipe, console(stderr=True))

    def on_event(member: int, event: Event) -> None:
        view.on_event(member, event)
        if board:
            board.on_event(run.path / "tensorboard", member, event)

    command = f"tenfold train --resume --out {shlex.quote(str(run.path))}"
    with on_interrupt(f"continue with: {command}"), view:
        resume(run, execution=execution, on_event=on_event)


def _print_results(run: "Run", *, as_json: bool) -> None:
    """Write the report and print the results of a run."""
    from tenfold.report.page import write_report

    if not run.recipe.is_classifier:
        _print_detector(run, as_json=as_json)
        return
    evaluation = run.evaluation
    page = write_report([run.path])
    seconds = run.manifest.timings.total_seconds
    if not as_json:
        print_models(evaluation)
        typer.echo(f"{seconds:.0f} s · report: {page}")
        return
    figures = {"name", "step", "accuracy", "nll_sum", "nll", "ece", "brier", "errors"}
    print_json(
        {
            **evaluation.headline.model_dump(include={"accuracy", "nll_sum", "nll"}),
            "seconds": round(seconds, 2),
            "run": str(run.path),
            "report": str(page),
            "members": [model.model_dump(include=figures) for model in evaluation.models],
            "selected_on": evaluation.kept.selected_on,
        }
    )


def _print_detector(run: "Run", *, as_json: bool) -> None:
    """Print the results of a run that trained a network of the reader."""
    from rich.table import Table

    evaluation = run.detector_evaluation
    if as_json:
        print_json({"run": str(run.path), "exact": evaluation.exact, **evaluation.model_dump()})
        return
    table = Table("fields", "exactly right", "accepted", "accepted and wrong", box=None)
    for found in evaluation.sets:
        shares = (found.exact, found.accepted, found.accepted_wrong)
        table.add_row(found.name, *(f"{100 * count / found.fields:.1f} %" for count in shares))
    console().print(table)
