"""`tenfold report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="One run, or several to compare.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
) -> None:
    """Write the report of a run, or one page that compares several."""
    from tenfold.report.page import write_report

    typer.echo(write_report(runs, out))
