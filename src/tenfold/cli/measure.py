"""`tenfold evaluate` and `tenfold report`."""

from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import DataOption, JsonFlag, print_json, print_models


def evaluate(
    *,
    path: Annotated[
        Path | None,
        typer.Argument(help="A run folder or a bundle folder [default: the shipped bundle]."),
    ] = None,
    data: DataOption = None,
    json_: JsonFlag = False,
) -> None:
    """Measure a run or a bundle on test images; changes neither."""
    from tenfold.training.run import measure

    evaluation = measure(path, data)
    if json_:
        shown = ("data", "models", "disputed", "mistakes")
        print_json({key: evaluation[key] for key in shown})
    else:
        print_models(evaluation)


def report(
    runs: Annotated[list[Path], typer.Argument(help="One run, or several to compare.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
) -> None:
    """Write the report of a run, or one page that compares several."""
    from tenfold.report.page import write_report

    typer.echo(write_report(runs, out))
