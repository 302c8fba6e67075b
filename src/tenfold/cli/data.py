"""`tenfold data`: data sets and sets of pictures."""

from typing import Annotated

import typer

from tenfold.cli.completion import dataset_names
from tenfold.cli.output import JsonFlag, print_json
from tenfold.errors import TenfoldError

data_app = typer.Typer(help="Fetch, check and list data sets.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A data set.", autocompletion=dataset_names)]


@data_app.command("fetch")
def data_fetch(name: Name = "mnist") -> None:
    """Bring a data set into the cache, checked byte by byte."""
    from tenfold.data import sources

    for path in sources.fetch(name):
        typer.echo(path)


@data_app.command("verify")
def data_verify(name: Name = "mnist") -> None:
    """Check the cached files against their known SHA-256."""
    from tenfold.data import sources

    states = sources.verify(name)
    for path, state in states:
        typer.echo(f"{state:8} {path}")
    if wrong := [path for path, state in states if state == "wrong"]:
        raise TenfoldError(
            f"{name}: {', '.join(map(str, wrong))}: not the expected bytes; delete what is wrong "
            f"and run `tenfold data fetch {name}`"
        )
    if any(state == "missing" for _, state in states):
        raise TenfoldError(f"{name}: not complete; run `tenfold data fetch {name}`")


@data_app.command("list")
def data_list(*, json_: JsonFlag = False) -> None:
    """List the data sets known by name, and the sets of pictures to evaluate a reader on."""
    from tenfold.data import sources
    from tenfold.rendering import picture_sets

    known = sources.datasets() | picture_sets.picture_sets()
    if json_:
        print_json(known)
        return
    width = max(map(len, known))
    for name, description in known.items():
        typer.echo(f"{name:{width}} {description}")
