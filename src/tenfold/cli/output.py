"""What the verbs share: options, and how results are printed."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")]
DataOption = Annotated[
    str | None, typer.Option(help="mnist, fashion-mnist, or a folder of IDX files or images.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]


def print_models(evaluation: dict[str, Any]) -> None:
    """Print a table: a row a model."""
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
    console().print(table)


def print_json(value: object) -> None:
    """Print one line of JSON."""
    typer.echo(json.dumps(value))


def console(*, stderr: bool = False) -> "Console":
    """Return a terminal."""
    from rich.console import Console

    return Console(stderr=stderr)
