"""The `tenfold` command: each verb parses, calls one function and prints."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tenfold.errors import TenfoldError

if TYPE_CHECKING:
    from rich.console import Console

    from tenfold.training.run import Run

app = typer.Typer(
    name="tenfold",
    help="Handwritten digits: train in minutes, measure honestly, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts faster, and keeps [brackets]
)
data_app = typer.Typer(help="Fetch, check and list data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
bench_app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")

JsonFlag = Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")]
DataOption = Annotated[
    str | None, typer.Option(help="mnist, fashion-mnist, or a folder of IDX files or images.")
]


def main() -> None:
    """Run the command; what the user can mend is one line and exit code 2."""
    try:
        app(prog_name="tenfold")
    except TenfoldError as error:
        print(f"tenfold: {error}", file=sys.stderr)  # noqa: T201 - the one place errors are printed
        raise SystemExit(2) from None


@app.command()
def train(  # noqa: PLR0913 - a command line
    *,
    recipe: Annotated[str | None, typer.Argument(help="A shipped recipe or a TOML file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder [default: runs/RECIPE-K].")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    members: Annotated[int | None, typer.Option(help="Networks in the ensemble.")] = None,
    data: DataOption = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue --out, or the newest unfinished run.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write curves to RUN/tensorboard.")
    ] = False,
    json_: JsonFlag = False,
) -> None:
    """Train a recipe, measure it, write its report."""
    from tenfold.model.kernels import why_not
    from tenfold.training import train as training
    from tenfold.training.member import Event, Interrupted
    from tenfold.training.progress import ProgressView
    from tenfold.training.tracking import TensorBoard

    board = TensorBoard() if tensorboard else None
    overrides = list(set_ or [])
    for key, value in (("seed", seed), ("members", members), ("data.spec", data)):
        if value is not None:
            overrides.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    if resume:
        if recipe or overrides or threads or (device, precision) != ("auto", "auto"):
            raise TenfoldError("--resume: goes on as the run began; of options it takes only --out")
        run = training.unfinished(out)
    else:
        run = _lay(recipe or "default", overrides, out, device, precision, threads)
    typer.echo(f"{'resuming' if resume else 'training'} {run.recipe.name} in {run.path}", err=True)
    if slower := why_not():
        typer.echo(slower, err=True)
    view = ProgressView(run.recipe, _console(stderr=True))

    def on_event(member: int, event: Event) -> None:
        view.on_event(member, event)
        if board:
            board.on_event(run.path / "tensorboard", member, event)

    try:
        with view:
            method: Literal["fork", "spawn"] = "fork" if sys.platform == "linux" else "spawn"
            training.resume(run, start_method=method, on_event=on_event)
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
    if precision not in {"auto", "float32", "bfloat16"}:
        raise TenfoldError(f"--precision {precision}: use auto, float32 or bfloat16")
    import torch

    from tenfold.training.recipe import load_recipe
    from tenfold.training.train import prepare

    torch.set_num_threads(1)  # threads of this process would not survive in forked workers
    return prepare(
        load_recipe(recipe, overrides),
        out=out,
        device=device,
        precision=precision,  # type: ignore[arg-type]  # checked above
        threads=threads,
    )


@app.command()
def evaluate(
    *,
    path: Annotated[Path, typer.Argument(help="A run folder or a bundle folder.")],
    data: DataOption = None,
    json_: JsonFlag = False,
) -> None:
    """Measure a run or a bundle on test images; changes neither."""
    from tenfold.training.run import measure

    evaluation = measure(path, data)
    if json_:
        _print_json({key: evaluation[key] for key in ("data", "models", "mistakes")})
    else:
        _print_models(evaluation)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="One run, or several to compare.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
) -> None:
    """Write the report of a run, or one page that compares several."""
    from tenfold.report.page import write_report

    typer.echo(write_report(runs, out))


@app.command()
def recipes(*, json_: JsonFlag = False) -> None:
    """List the shipped recipes."""
    from rich.table import Table

    from tenfold.training.recipe import load_recipe, shipped

    loaded = [load_recipe(name) for name in shipped()]
    if json_:
        _print_json([recipe.model_dump(mode="json") for recipe in loaded])
        return
    table = Table("recipe", "what it is", "expected cost", box=None)
    for recipe in loaded:
        table.add_row(recipe.name, recipe.description, recipe.cost)
    _console().print(table)


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A data set.")] = "mnist") -> None:
    """Bring a data set into the cache, checked byte by byte."""
    from tenfold.data import sources

    for path in sources.fetch(name):
        typer.echo(path)


@data_app.command("verify")
def data_verify(name: Annotated[str, typer.Argument(help="A data set.")] = "mnist") -> None:
    """Check the cached files against their known SHA-256."""
    from tenfold.data import sources

    results = sources.verify(name)
    for path, state, _ in results:
        typer.echo(f"{state:8} {path}")
    if any(state != "ok" for _, state, _ in results):
        raise TenfoldError(f"{name}: not as it should be; `tenfold data fetch {name}` mends it")


@data_app.command("list")
def data_list(*, json_: JsonFlag = False) -> None:
    """List the data sets known by name."""
    from tenfold.data import sources

    if json_:
        _print_json(sources.datasets())
        return
    for name, description in sources.datasets().items():
        typer.echo(f"{name:15} {description}")


@bench_app.command("train")
def bench_train(  # noqa: PLR0913 - a command line
    *,
    batch: Annotated[int, typer.Option(min=1, help="Images a step.")] = 400,
    seconds: Annotated[float, typer.Option(min=0.01, help="Measured for each variant.")] = 3,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Add torch.compile; compiles for up to minutes.")
    ] = False,
    peers: Annotated[bool, typer.Option(help="Add Keras and JAX where installed.")] = True,
    sweep: Annotated[bool, typer.Option("--sweep", help="Add batch sizes 32 to 2048.")] = False,
    phases: Annotated[bool, typer.Option("--phases", help="Add where a step's time goes.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Measure training beside PyTorch, Keras and JAX, in turns."""
    from tenfold.benchmark.bench import bench
    from tenfold.benchmark.standings import standings

    try:
        result = bench(
            batch=batch,
            seconds=seconds,
            compiled=compile_,
            peers=peers,
            sweep=sweep,
            phases=phases,
            tell=lambda line: typer.echo(line, err=True),
        )
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if json_:
        _print_json(result)
        return
    for table in standings(result):
        _console().print(table)


def _finish(
    path: Path, evaluation: dict[str, Any], manifest: dict[str, Any], *, as_json: bool
) -> None:
    """Write the report and print what a run came to."""
    from tenfold.report.page import write_report

    page = write_report([path])
    seconds = sum(manifest["timings"].values())
    if not as_json:
        _print_models(evaluation)
        typer.echo(f"{seconds:.0f} s · report: {page}")
        return
    headline = evaluation["models"][-1]
    figures = ("name", "step", "accuracy", "nll_sum", "nll", "ece", "brier", "errors")
    _print_json(
        {
            **{key: headline[key] for key in ("accuracy", "nll_sum", "nll")},
            "seconds": round(seconds, 2),
            "run": str(path),
            "report": str(page),
            "members": [{key: model[key] for key in figures} for model in evaluation["models"]],
            "selected_on": evaluation["kept"]["selected_on"],
        }
    )


def _print_models(evaluation: dict[str, Any]) -> None:
    from rich.table import Table

    measured = evaluation["data"]
    table = Table(
        title=f"{measured['images']:,} {measured['split']} images of {measured['name']}",
        title_justify="left",
        box=None,
    )
    for heading in ("", "accuracy", "95 % interval", "mistakes", "nll_sum", "ECE"):
        table.add_column(heading, justify="right" if heading else "left")
    for model in evaluation["models"]:
        low, high = model["accuracy_interval"]
        table.add_row(
            model["name"],
            f"{100 * model['accuracy']:.2f} %",
            f"{100 * low:.2f}–{100 * high:.2f} %",
            str(model["errors"]),
            f"{model['nll_sum']:.1f}",
            f"{model['ece']:.4f}",
        )
    _console().print(table)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value))


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr)
