"""What the commands share: options, and how results are printed."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli.completion import bundle_names, dataset_names, recipe_names
from tenfold.errors import TenfoldError
from tenfold.text import is_utf8

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tenfold.artifacts.evaluation import Evaluation, ReaderEvaluation
    from tenfold.execution.config import Execution

JsonFlag = Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")]
RECIPE_ARGUMENT = typer.Argument(
    help="A shipped recipe or a TOML file.", autocompletion=recipe_names
)
BUNDLE_ARGUMENT = typer.Argument(
    help="A run or bundle folder, or a shipped bundle's name.", autocompletion=bundle_names
)
DataOption = Annotated[
    list[str] | None,
    typer.Option(
        autocompletion=dataset_names,
        help="a set of `tenfold data list`, or a folder of IDX files or images; "
        "repeat it to add training images.",
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
MembersOption = Annotated[int | None, typer.Option(help="Networks in the ensemble.")]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, max=1024, help="CPU threads [default: all].")
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        help="A bundle, or a shipped one's name: field, single [default: field]. If it has no "
        "detector, numbers are read by field.",
        autocompletion=bundle_names,
    ),
]
OnOption = Annotated[
    str | None,
    typer.Option(
        metavar="ray|HOST:PORT|ray://HOST:PORT",
        help="Work on a Ray cluster: one started here, or one to join [default: this machine].",
    ),
]

PAGE_SUFFIXES = (".html", ".htm")
MAX_EXPLAINED = 100
"""Pictures on a page that shows how they were read."""


def announced(command: str) -> Callable[[str], None]:
    """Return what prints the address of a command's page."""
    return lambda url: typer.echo(f"{command}: {url}  (Ctrl-C ends)")


def overrides_of(
    set_: list[str] | None,
    *,
    seed: int | None = None,
    members: int | None = None,
    data: list[str] | None = None,
) -> list[str]:
    """Return what options change in a recipe, as KEY=VALUE."""
    overrides = list(set_ or [])
    for name in data or ():
        if not is_utf8(name):
            raise TenfoldError(f"--data {name}: its name is not UTF-8; rename it")
    spec, also = (data[0], data[1:]) if data else (None, [])
    given = {"seed": seed, "members": members, "data.spec": spec, "data.also": also or None}
    for key, value in given.items():
        if value is not None:
            overrides.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    return overrides


def execution_of(
    device: str, precision: str, threads: int | None = None, on: str | None = None
) -> "Execution":
    """Return what --device, --precision, --threads and --on describe.

    Raises:
        TenfoldError: there is no such precision.
    """
    import torch

    from tenfold.execution.config import Execution

    if precision not in {"auto", "float32", "bfloat16"}:
        raise TenfoldError(f"--precision {precision}: use auto, float32 or bfloat16")
    # Commands compute nothing with torch before they train, so workers may be forked; threads
    # of this process would not survive in them.
    torch.set_num_threads(1)
    return Execution(
        device=device,
        precision=precision,  # type: ignore[arg-type]  # checked above
        threads=threads,
        cluster=on,
        start_method="fork" if sys.platform == "linux" else "spawn",
    )


def warn_of_shipped_detector(model: Path | None) -> None:
    """Print one line on standard error if a bundle cannot read numbers, so that `field` does."""
    from tenfold.bundle.format import read_config

    if model is not None and read_config(model).detector is None:
        typer.echo(f"tenfold: {model} has no detector; numbers are read by field", err=True)


@contextlib.contextmanager
def on_interrupt(message: str) -> Iterator[None]:
    """Print how to continue and exit with 130 when Ctrl-C stops what is done in a `with`."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped; {message}", err=True)
        raise typer.Exit(130) from None


def table_of_figures(title: str, headings: Iterable[str]) -> "Table":
    """Return a table without rows: figures are on the right, what has no heading on the left."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None)
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    return table


def print_models(evaluation: "Evaluation") -> None:
    """Print a table: a row a model."""
    data = evaluation.data
    table = table_of_figures(
        f"{data.images:,} {data.split} images of {data.name}",
        ("", "accuracy", "95 % interval", "mistakes", "nll_sum", "ECE"),
    )
    for model in evaluation.models:
        low, high = model.accuracy_interval
        table.add_row(
            model.name,
            f"{100 * model.accuracy:.2f} %",
            f"{100 * low:.2f}–{100 * high:.2f} %",
            str(model.errors),
            f"{model.nll_sum:.1f}",
            f"{model.ece:.4f}",
        )
    console().print(table)
    if disputed := evaluation.disputed:
        console().print(
            f"Without the {disputed.labels} labels that human raters dispute: "
            f"{100 * disputed.accuracy_without:.2f} % "
            f"({disputed.mistakes} of them are among the mistakes)",
            highlight=False,
        )


def print_reader_evaluation(evaluation: "ReaderEvaluation") -> None:
    """Print how a reader read a set of pictures."""
    data = evaluation.data
    what = {
        "single": "digits right",
        "number": "whole numbers right",
        "grid": "cells right",
        "table": "cells right",
        "non-digit": "rejected",
    }[data.kind]
    line = f"{data.name}: {data.pictures:,} pictures · {what}: "
    line += f"{evaluation.right:,} of {evaluation.of:,}"
    if evaluation.accuracy is not None and evaluation.accuracy_interval is not None:
        low, high = evaluation.accuracy_interval
        line += f", {100 * evaluation.accuracy:.2f} % ({100 * low:.2f}–{100 * high:.2f} %)"
    console().print(line, highlight=False)
    if (of := evaluation.of) and data.kind != "non-digit":
        wrong = evaluation.accepted - evaluation.right_of_accepted
        line = f"accepted: {100 * evaluation.accepted / of:.2f} %; "
        line += f"accepted and wrong: {wrong:,}, {100 * wrong / of:.2f} %"
        if interval := evaluation.accepted_wrong_interval:
            line += f" ({100 * interval[0]:.2f}–{100 * interval[1]:.2f} %)"
        console().print(line, highlight=False)
    if curve := evaluation.risk_coverage:
        line = f"area under the risk-coverage curve: {100 * curve.aurc:.3f} %"
        if interval := evaluation.aurc_interval:
            line += f" ({100 * interval[0]:.3f}–{100 * interval[1]:.3f} %)"
        console().print(line, highlight=False)


def check_page(option: str, page: Path | None) -> None:
    """Refuse to write a page where its name is another file's, such as a second picture's.

    Raises:
        TenfoldError: the name does not end as a page's.
    """
    if page and page.suffix.lower() not in PAGE_SUFFIXES:
        raise TenfoldError(f"{option} {page}: is written as a page; let its name end in .html")


def print_json(value: object) -> None:
    """Print one line of JSON."""
    typer.echo(json.dumps(value))


def console(*, stderr: bool = False) -> "Console":
    """Return a terminal."""
    from rich.console import Console

    return Console(stderr=stderr)
