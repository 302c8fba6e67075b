"""`tenfold train`."""

import shlex
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
    print_models,
)
from tenfold.errors import TenfoldError

if TYPE_CHECKING:
    from tenfold.execution.run import Run


def train(  # noqa: PLR0913 - a command line
    *,
    recipe: Annotated[str | None, typer.Argument(help="A shipped recipe or a TOML file.")] = None,
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
    """Train a recipe, measure it, write its report."""
    from tenfold.execution import train as training
    from tenfold.execution.progress import ProgressView
    from tenfold.execution.tensorboard import TensorBoard
    from tenfold.model.kernels.functional import why_not
    from tenfold.training.member import Event, Interrupted

    board = TensorBoard() if tensorboard else None
    overrides = overrides_of(set_, seed=seed, members=members, data=data)
    with launcher_on(on) as launcher:
        if resume:
            if recipe or overrides or threads or (device, precision) != ("auto", "auto"):
                raise TenfoldError(
                    "--resume: goes on as the run began; of options it takes only --out and --on"
                )
            run = training.unfinished(out)
        else:
            run = _lay(recipe or "default", overrides, out, device, precision, threads)
        typer.echo(
            f"{'resuming' if resume else 'training'} {run.recipe.name} in {run.path}", err=True
        )
        if slower := why_not():
            typer.echo(slower, err=True)
        view = ProgressView(run.recipe, console(stderr=True))

        def on_event(member: int, event: Event) -> None:
            view.on_event(member, event)
            if board:
                board.on_event(run.path / "tensorboard", member, event)

        try:
            with view:
                training.resume(
                    run,
                    launcher=launcher,
                    start_method=START_METHOD,
                    on_event=on_event,
                )
        except (Interrupted, KeyboardInterrupt):
            folder = shlex.quote(str(run.path))
            typer.echo(f"stopped; continue with: tenfold train --resume --out {folder}", err=True)
            raise typer.Exit(130) from None
    _finish(run.path, run.evaluation, run.manifest, as_json=json_)


def _lay(  # noqa: PLR0913, PLR0917 - the options that make a new run
    recipe: str,
    overrides: list[str],
    out: Path | None,
    device: str,
    precision: str,
    threads: int | None,
) -> "Run":
    """Lay the folder of a new run."""
    import torch

    from tenfold.execution.train import prepare
    from tenfold.training.recipe import load_recipe

    torch.set_num_threads(1)  # threads of this process would not survive in forked workers
    return prepare(
        load_recipe(recipe, overrides),
        out=out,
        device=device,
        precision=precision_of(precision),
        threads=threads,
    )


def _finish(
    path: Path, evaluation: dict[str, Any], manifest: dict[str, Any], *, as_json: bool
) -> None:
    """Write the report and print what a run came to."""
    from tenfold.report.page import write_report

    page = write_report([path])
    seconds = sum(manifest["timings"].values())
    if not as_json:
        print_models(evaluation)
        typer.echo(f"{seconds:.0f} s · report: {page}")
        return
    headline = evaluation["models"][-1]
    figures = ("name", "step", "accuracy", "nll_sum", "nll", "ece", "brier", "errors")
    print_json(
        {
            **{key: headline[key] for key in ("accuracy", "nll_sum", "nll")},
            "seconds": round(seconds, 2),
            "run": str(path),
            "report": str(page),
            "members": [{key: model[key] for key in figures} for model in evaluation["models"]],
            "selected_on": evaluation["kept"]["selected_on"],
        }
    )
