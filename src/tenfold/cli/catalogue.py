"""`tenfold recipes` and `tenfold data`: what there is."""

from typing import Annotated

import typer

from tenfold.cli.output import JsonFlag, console, print_json
from tenfold.errors import TenfoldError

data_app = typer.Typer(help="Fetch, check and list data sets.", no_args_is_help=True)


def recipes(*, json_: JsonFlag = False) -> None:
    """List the shipped recipes."""
    from rich.table import Table

    from tenfold.training.recipe import load_recipe, shipped

    loaded = [load_recipe(name) for name in shipped()]
    if json_:
        print_json([recipe.model_dump(mode="json") for recipe in loaded])
        return
    table = Table("recipe", "what it is", "expected cost", box=None)
    for recipe in loaded:
        table.add_row(recipe.name, recipe.description, recipe.cost)
    console().print(table)


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
    """List the data sets known by name, and the sets of pictures to evaluate a reader on."""
    from tenfold.data import sources
    from tenfold.rendering import picture_sets

    known = sources.datasets() | picture_sets.picture_sets()
    if json_:
        print_json(known)
        return
    for name, description in known.items():
        typer.echo(f"{name:20} {description}")
