"""`tenfold forms read`."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli.output import ModelOption, OnOption, console, on_interrupt
from tenfold.cli.read_inputs import list_all_files
from tenfold.text import escape

if TYPE_CHECKING:
    from tenfold.forms.read import FormsReading


def forms_read(  # noqa: PLR0913 - each is an option of the command line
    template: Annotated[Path, typer.Argument(metavar="FORM.toml", help="The form's template.")],
    scans: Annotated[list[str], typer.Argument(help="Pictures, PDFs, folders, patterns.")],
    *,
    out: Annotated[Path, typer.Option(help="The table: a .csv, .parquet or .xlsx file.")],
    model: ModelOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes [default: cores].")] = None,
    on: OnOption = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Also one JSON object a document, a line each.")
    ] = False,
) -> None:
    """Read filled forms into a table, one row a document; the same command continues.

    Beside the table, a folder TABLE.review keeps the pictures of the fields for
    `tenfold forms review`.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from rich.progress import Progress

    from tenfold.bundle.format import SHIPPED
    from tenfold.cpu import available_cores
    from tenfold.forms.read import FormsReading
    from tenfold.forms.table import check_table_name

    check_table_name(out)
    names = list_all_files(scans, "tenfold forms read")
    workers = workers or available_cores()
    reading = FormsReading(template, names, out, model or SHIPPED, workers=workers, on=on)
    if reading.advice:
        typer.echo(f"tenfold: {escape(f'{template}: {reading.advice}')}", err=True)
    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=reading.page_count)
        with on_interrupt("the same command continues"):
            for done in reading.run():
                bar.update(task, completed=done)
    _print_summary(reading, template, out, as_json=json_)
    if reading.summary.unread:
        raise typer.Exit(2)


def _print_summary(reading: "FormsReading", template: Path, out: Path, *, as_json: bool) -> None:
    """Print how many documents were read, and what is wrong with them."""
    for problem in reading.summary.problems:
        typer.echo(f"tenfold: {escape(problem)}", err=True)
    typer.echo(f"{reading.summary}: {escape(str(out))}", err=as_json)
    if reading.left_out:
        typer.echo(
            f"tenfold: {reading.left_out:,} documents that were read before are not among these "
            "scans and are left out of the table; name them too to keep them",
            err=True,
        )
    for question in reading.summary.questions:
        typer.echo(f"tenfold: {escape(f'{template}: {question}')}", err=True)
    if as_json:
        for document in reading.documents():
            typer.echo(json.dumps(document))
