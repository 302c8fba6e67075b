"""What `tenfold read` prints: JSON lines, CSV, a table."""

import csv
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from tenfold.cli.output import console
from tenfold.text import csv_cell, escape

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.text import Text

    from tenfold.reading.reader import Reading

Named = tuple[str, "list[Reading]"]  # the name of a picture, and its readings

COLUMNS = (
    *("file", "index", "box", "digit", "probability", "runner_up", "rejected", "reason"),
    *("row", "column"),
)
MIN_RUNNER_UP_SHOWN = 0.01
_SYMBOLS: dict[str | None, str] = {"blank": "·", "not a digit": "?", "unsure": "?"}


def print_json(named: Iterable[Named]) -> None:
    """Print a JSON object a digit, a line each."""
    for name, readings in named:
        for index, reading in enumerate(readings):
            typer.echo(json.dumps({"file": escape(name)} | reading.to_dict(index)))


def print_csv(named: Iterable[Named]) -> None:
    """Print a table with commas, a line a digit."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, readings in named:
        for index, reading in enumerate(readings):
            row = {"file": name} | reading.to_dict(index)
            row["box"] = " ".join(map(str, row["box"] or ()))
            writer.writerow([csv_cell(row.get(column)) for column in COLUMNS])


def print_table(named: Iterable[Named]) -> None:
    """Print each picture's number, then its digits, each with a small picture."""
    from rich.markup import escape as escape_markup
    from rich.table import Table

    terminal = console()
    coloured = terminal.color_system is not None
    for name, readings in named:
        number = "".join(_SYMBOLS.get(r.reason, str(r.digit)) for r in readings)
        heading = f"{escape_markup(escape(name))}  [bold]{number or 'no digits'}[/bold]"
        terminal.print(heading, highlight=False, soft_wrap=True)
        table = Table(box=None, show_header=False, pad_edge=True)
        for reading in readings:
            if reading.row is not None and reading.reason == "blank":
                continue
            table.add_row(_picture(reading.image, coloured=coloured), _describe(reading))
        terminal.print(table)


def _describe(reading: "Reading") -> str:
    place = ""
    if reading.row is not None and reading.column is not None:
        place = f"row {reading.row + 1}, column {reading.column + 1}\n"
    if reading.reason == "blank":
        return f"{place}[dim]blank[/dim]"
    rounds_to_certain = reading.probability >= 0.9995  # noqa: PLR2004
    share = "> 99.9 %" if rounds_to_certain else f"{100 * reading.probability:.1f} %"
    text = f"{place}[bold]{reading.digit}[/bold]  {share}"
    second = float(reading.probabilities[reading.runner_up])
    if second > MIN_RUNNER_UP_SHOWN:
        text += f"\n[dim]or {reading.runner_up}, {100 * second:.1f} %[/dim]"
    return text + (f"\n[yellow]{reading.reason}[/yellow]" if reading.reason else "")


def _picture(image: "npt.NDArray[np.uint8]", *, coloured: bool) -> "Text":
    """Draw a digit in 14 × 7 characters, two pixels of grey each, or one of five shades."""
    from rich.text import Text

    small = image.reshape(14, 2, 14, 2).mean(axis=(1, 3)).astype(int)
    lines = []
    for row in range(0, 14, 2):
        line = Text()
        for top, bottom in zip(small[row], small[row + 1], strict=True):
            if coloured:
                line.append("▀", f"rgb({top},{top},{top}) on rgb({bottom},{bottom},{bottom})")
            else:
                line.append(" ░▒▓█"[(top + bottom) * 5 // 512])
        lines.append(line)
    return Text("\n").join(lines)
