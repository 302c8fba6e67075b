"""The commands, arguments and options of the command line: a change of them is deliberate."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from tenfold.cli import app

SURFACE = Path(__file__).with_name("cli_surface.txt")


def describe(command: Any, name: str) -> Iterator[str]:
    """Yield a line for a command and each of its subcommands: name, arguments, options."""
    arguments = [p.name.upper() for p in command.params if p.param_type_name == "argument"]
    options = [
        name
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    ]
    yield " ".join([name, *arguments, *sorted(options)])
    for subcommand in getattr(command, "commands", {}).values():
        yield from describe(subcommand, f"{name} {subcommand.name}")


def test_the_surface_is_the_one_written_down() -> None:
    surface = "".join(f"{line}\n" for line in describe(get_command(app), "tenfold"))
    assert surface == SURFACE.read_text(), f"for a change that is meant, edit {SURFACE.name}"
