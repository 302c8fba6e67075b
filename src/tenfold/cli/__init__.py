"""The `tenfold` command: each subcommand parses its options, calls one function and prints."""

import io
import itertools
import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated, NoReturn

import typer

from tenfold.cli.audit import audit
from tenfold.cli.bench import bench_app
from tenfold.cli.compare import compare
from tenfold.cli.data import data_app
from tenfold.cli.evaluate import evaluate
from tenfold.cli.export import export
from tenfold.cli.forms import forms_app
from tenfold.cli.read import read
from tenfold.cli.recipes import recipes
from tenfold.cli.repeat import repeat
from tenfold.cli.report import report
from tenfold.cli.serve import serve
from tenfold.cli.sweep import sweep
from tenfold.cli.train import train
from tenfold.cli.tune import tune
from tenfold.errors import EXTRA_OF_COMMAND, EXTRA_OF_MODULE, MissingExtraError, TenfoldError
from tenfold.files import mendable_in_one_line
from tenfold.text import escape

_MESSAGE_ENDS = 1_000  # letters that are printed of either end of a long message

app = typer.Typer(
    name="tenfold",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts faster and keeps [brackets] as they are
)


def _print_version(*, requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"tenfold {version('tenfold')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Handwritten digits: train in minutes, measure honestly, report."""


for command in (
    train,
    tune,
    read,
    serve,
    repeat,
    sweep,
    compare,
    evaluate,
    report,
    export,
    audit,
    recipes,
):
    app.command()(command)
app.add_typer(data_app, name="data")
app.add_typer(forms_app, name="forms")
app.add_typer(bench_app, name="bench")


def main() -> None:
    """Run the command; an error that the user can correct is one line and exit code 2."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)
    try:
        with mendable_in_one_line():
            _refuse_empty(sys.argv[1:])
            _run()
    except TenfoldError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_MODULE.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        command = sys.argv[1]
        _fail(MissingExtraError(f"tenfold {command}", EXTRA_OF_COMMAND.get(command, extra)))


def _end(signum: int, _: FrameType | None) -> NoReturn:
    """End as a signal ends a process, but remove what is half-written."""
    raise SystemExit(128 + signum)


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse an empty argument: as a path it would be the current folder.

    Raises:
        TenfoldError: there is one.
    """
    for before, argument in itertools.pairwise(["", *arguments]):
        if argument == "":
            what = before if before.startswith("--") else "an argument"
        elif argument.startswith("--") and argument.endswith("="):
            what = argument.removesuffix("=")
        else:
            continue
        raise TenfoldError(f"{what}: is empty; give a value or leave it out")


def _run() -> None:
    """Run the command and empty its output: at the exit of Python it is too late for an error.

    Raises:
        TenfoldError: there is no output.
    """
    if sys.stdout is None:
        raise TenfoldError("standard output: is closed; open it, such as with > /dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may have bytes that are no text
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="tenfold")
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not sys.stdout.closed and error.filename is None:  # perhaps of the output: drop the rest
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has seen enough
            raise SystemExit(1) from None
        raise


def _fail(error: TenfoldError) -> NoReturn:
    message = escape(str(error))
    if len(message) > 2 * _MESSAGE_ENDS:  # a file's name or a key may have any length
        message = f"{message[:_MESSAGE_ENDS]} … {message[-_MESSAGE_ENDS:]}"
    print(f"tenfold: {message}", file=sys.stderr)  # noqa: T201 - the one place errors are printed
    raise SystemExit(2) from None
