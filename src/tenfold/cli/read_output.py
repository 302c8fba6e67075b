"""What `tenfold read` prints: text, JSON lines, CSV."""

import csv
import json
import re
import sys
from collections.abc import Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import typer

from tenfold.cli.output import console
from tenfold.errors import DataError
from tenfold.text import csv_cell, escape

if TYPE_CHECKING:
    from rich.console import Console

    from tenfold.reading.page import Number, Page

COLUMNS = ("file", "page", "number", "probability", "accepted")
EMPTY_CELL = "."
MIN_ALTERNATIVE_SHOWN = 0.01


class Place(NamedTuple):
    """A page of a file.

    Attributes:
        file: its name.
        page: from 1.
        pages: how many the file has.
    """

    file: str
    page: int = 1
    pages: int = 1

    def __str__(self) -> str:
        """Return the name for people; the page only if there are several."""
        return self.file if self.pages == 1 else f"{self.file}, page {self.page}"


Outcome = tuple[Place, "Page | DataError"]  # a page, and what was read or why not


def print_json(outcomes: Iterable[Outcome]) -> None:
    """Print a JSON object a page, a line each."""
    from tenfold.reading.page import Page

    for place, outcome in outcomes:
        error = escape(str(outcome)) if isinstance(outcome, DataError) else None
        page = Page(()) if isinstance(outcome, DataError) else outcome
        typer.echo(json.dumps(page.to_dict(escape(place.file), place.page) | {"error": error}))


def print_csv(outcomes: Iterable[Outcome]) -> None:
    """Print a table with commas, a row a number."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place, outcome in outcomes:
        file = csv_cell(place.file)
        for number in () if isinstance(outcome, DataError) else outcome.numbers:
            fields = number.to_dict()
            accepted = json.dumps(fields["accepted"])
            # A number has digits and marks alone: it can be no harmful formula.
            writer.writerow([file, place.page, fields["text"], fields["probability"], accepted])


def print_csv_table(outcomes: Iterable[Outcome]) -> None:
    """Print a grid or a table as it is; of several pages each row begins with file and page."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    remaining = iter(outcomes)
    first = list(islice(remaining, 2))
    for place, outcome in chain(first, remaining):
        named = [csv_cell(place.file), place.page] if len(first) > 1 else []
        for row in () if isinstance(outcome, DataError) else outcome.cells:
            # A number has digits and marks alone: it can be no harmful formula.
            writer.writerow([*named, *(number.text if number else "" for number in row)])


def print_text(outcomes: Iterable[Outcome]) -> None:
    """Print the numbers of each page for people: one beside its file, several below it."""
    terminal = console()
    for place, outcome in outcomes:
        if not isinstance(outcome, DataError):
            _print_page(terminal, str(place), outcome)


def _print_page(terminal: "Console", name: str, page: "Page") -> None:
    if page.grid:
        lines = _aligned([[_cell(number) for number in row] for row in page.cells])
    else:
        width = max((len(number.text) for number in page.numbers), default=0)
        lines = [_describe(number, width) for number in page.numbers] or ["no numbers"]
    alone = len(lines) == 1
    text = f"{_literal(name)}  {lines[0]}" if alone else "\n  ".join([_literal(name), *lines])
    terminal.print(text, highlight=False, soft_wrap=True)


def _cell(number: "Number | None") -> str:
    """Return what people see of a cell: no digit of a number that is not accepted."""
    if number is None:
        return EMPTY_CELL
    return number.text if number.accepted else re.sub("[0-9]", "?", number.text)


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return the rows of a table as lines: columns end below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        " ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _describe(number: "Number", width: int) -> str:
    """Return a line of rich's markup."""
    text = f"[bold]{number.text:<{width}}[/bold]  {_percent(number.probability):>8}"
    if number.reason:
        text += f"  [yellow]{number.reason}[/yellow]"
    shown = [a for a in number.alternatives if a[0] and a[1] >= MIN_ALTERNATIVE_SHOWN]
    if shown:
        other, probability = shown[0]
        text += f"  [dim]or {other}, {_percent(probability)}[/dim]"
    return text


def _percent(probability: float) -> str:
    rounds_to_certain = probability >= 0.9995  # noqa: PLR2004
    return "> 99.9 %" if rounds_to_certain else f"{100 * probability:.1f} %"


def _literal(name: str) -> str:
    from rich.markup import escape as escape_markup

    return escape_markup(escape(name))
