"""The `tenfold` command: each verb parses, calls one function and prints."""

import sys

import typer

from tenfold.cli.audit import audit
from tenfold.cli.bench import bench_app
from tenfold.cli.catalogue import data_app, recipes
from tenfold.cli.export import export
from tenfold.cli.measure import evaluate, report
from tenfold.cli.read import read
from tenfold.cli.repeat import compare, repeat
from tenfold.cli.serve import serve
from tenfold.cli.sweep import sweep
from tenfold.cli.train import train
from tenfold.errors import TenfoldError

app = typer.Typer(
    name="tenfold",
    help="Handwritten digits: train in minutes, measure honestly, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts faster, and keeps [brackets]
)
for verb in (train, read, serve, repeat, sweep, compare, evaluate, report, export, audit, recipes):
    app.command()(verb)
app.add_typer(data_app, name="data")
app.add_typer(bench_app, name="bench")


def main() -> None:
    """Run the command; what the user can mend is one line and exit code 2."""
    try:
        app(prog_name="tenfold")
    except TenfoldError as error:
        print(f"tenfold: {error}", file=sys.stderr)  # noqa: T201 - the one place errors are printed
        raise SystemExit(2) from None
