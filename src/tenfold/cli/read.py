"""`tenfold read`."""

import contextlib
import csv
import glob
import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tenfold.cli.output import MAX_EXPLAINED, ModelOption, OnOption, console
from tenfold.errors import DataError, TenfoldError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.text import Text

    from tenfold.data.decoding import Picture
    from tenfold.reading.crops import Layout
    from tenfold.reading.reader import Reading

_SHORT: dict[str | None, str] = {"blank": "·", "not a digit": "?", "unsure": "?"}
COLUMNS = (
    *("file", "index", "box", "digit", "probability", "runner_up", "rejected", "reason"),
    *("row", "column"),
)
_MANY = 200  # pictures that are worth processes of their own
_LONG = 20  # pictures that are worth a progress bar


def read(  # noqa: PLR0913 - a command line
    sources: Annotated[
        list[str], typer.Argument(help="Picture files, folders, patterns; - is standard input.")
    ],
    *,
    grid: Annotated[bool, typer.Option("--grid", help="Cells of a printed grid.")] = False,
    single: Annotated[bool, typer.Option("--single", help="Exactly one digit a picture.")] = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Reject what is less probable [default: as the classifier says]."
        ),
    ] = None,
    model: ModelOption = None,
    explain: Annotated[
        Path | None, typer.Option(help="Write a page that shows every step.")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="One JSON object a digit, a line each.")
    ] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="A table with commas.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder of Parquet files, for millions; also takes .parquet and .tar files. "
            "The same command continues it."
        ),
    ] = None,
    on: OnOption = None,
) -> None:
    """Read the digits in pictures: files, folders, patterns or standard input."""
    # Waiting threads cost more than they bring at this size of network.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tenfold.bundle.format import SHIPPED

    if grid + single > 1 or json_ + csv_ > 1:
        raise TenfoldError("--grid and --single exclude each other, and so do --json and --csv")
    if out and (json_ or csv_ or explain):
        raise TenfoldError("--out excludes --json, --csv and --explain")
    if on and not out:
        raise TenfoldError("--on goes with --out: a cluster is for millions of pictures")
    layout: Layout = "grid" if grid else "single" if single else "line"
    show = _json_lines if json_ else _csv_lines if csv_ else _table
    failures: list[str] = []
    explained: list[tuple[str, Any]] = []
    request = _Request(model or SHIPPED, layout, min_confidence)
    if out:
        _in_bulk(request, sources, out, on)
        return
    show(_readings(request, sources, failures, explained if explain else None))
    if explain:
        from tenfold.reading.reader import Reader
        from tenfold.report.explanation import write_explanation

        reader = Reader.load(request.model, min_confidence)
        typer.echo(write_explanation(explained, reader, layout, explain), err=True)
    if failures:
        raise typer.Exit(2)


class _Request(NamedTuple):
    """How pictures are to be read."""

    model: Path
    layout: "Layout"
    rejection_threshold: float | None


def _in_bulk(request: _Request, sources: Sequence[str], out: Path, on: str | None) -> None:
    """Read millions of pictures into a folder of Parquet files."""
    from rich.progress import Progress

    from tenfold.cpu import available_cores
    from tenfold.errors import MissingExtraError
    from tenfold.reading.parquet import ReadingRequest, in_processes, write_readings
    from tenfold.reading.partitions import CONTAINERS, partition_inputs

    try:
        from pyarrow import dataset
    except ModuleNotFoundError as error:
        raise MissingExtraError("--out", "bulk") from error
    names = [name for source in sources for name in _files(source, CONTAINERS)]
    shards = partition_inputs(list(dict.fromkeys(names)))
    carried = ReadingRequest.of(*request)
    with contextlib.ExitStack() as stack:
        work = in_processes(available_cores())
        if on:
            from tenfold.reading.ray_workers import on_ray

            work = stack.enter_context(on_ray(on))
        bar = stack.enter_context(Progress(console=console(stderr=True), transient=True))
        task = bar.add_task("reading", total=len(shards))
        try:
            for done in write_readings(out, shards, carried, work):
                bar.update(task, completed=done)
        except KeyboardInterrupt:
            typer.echo("stopped; the same command continues", err=True)
            raise typer.Exit(130) from None
    rows = dataset.dataset(out, format="parquet").count_rows()
    typer.echo(f"{rows:,} rows in {len(shards):,} parts: {out}", err=True)


def _readings(
    request: _Request,
    sources: Sequence[str],
    failures: list[str],
    explained: list[tuple[str, Any]] | None,
) -> "Iterator[tuple[str, list[Reading]]]":
    """Read what there is; what cannot be read is told in a line and noted."""
    from tenfold.cpu import available_cores
    from tenfold.reading.bulk import read_in_bulk

    names: list[str] = []
    for source in sources:
        try:
            names += _files(source)
        except DataError as error:
            _fail(failures, error)
    names = list(dict.fromkeys(names))
    standard = sys.stdin.buffer.read() if "-" in names else b""
    pictures = [standard if name == "-" else Path(name) for name in names]
    workers = available_cores() if len(names) > _MANY else 1
    outcomes = read_in_bulk(
        pictures,
        request.model,
        request.layout,
        rejection_threshold=request.rejection_threshold,
        workers=workers,
    )
    for name, picture, outcome in zip(names, _shown(pictures), outcomes, strict=True):
        if isinstance(outcome, DataError):
            _fail(failures, outcome)
            continue
        if explained is not None and len(explained) < MAX_EXPLAINED:
            explained.append((name, picture))
        yield name, outcome


def _files(source: str, more: Collection[str] = ()) -> list[str]:
    """Turn an argument into names of files: itself, or what is in a folder or fits a pattern.

    Raises:
        DataError: there is nothing.
    """
    from tenfold.data.decoding import SUFFIXES

    suffixes = SUFFIXES.union(more)
    path = Path(source)
    try:
        if source == "-" or (path.exists() and not path.is_dir()):
            return [source]
        if path.is_dir():
            found = [p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file()]
            found = [p for p in found if not _hidden(p.relative_to(path))]
            missing = "no pictures in this folder"
        else:
            found = [p for p in map(Path, glob.glob(source, recursive=True)) if p.is_file()]  # noqa: PTH207 - takes absolute patterns too
            missing = "no such file, folder or pattern"
    except OSError as error:
        raise DataError(f"{source}: {error.strerror}") from error
    if not found:
        raise DataError(f"{source}: {missing}")
    return sorted(map(str, found))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _shown(pictures: "list[Picture]") -> "Iterator[Picture]":
    """Go through pictures; on a terminal, and if they are many, with a progress bar."""
    from rich.progress import track

    terminal = console(stderr=True)
    quiet = len(pictures) < _LONG or not terminal.is_terminal or sys.stdout.isatty()
    yield from track(pictures, "reading", console=terminal, disable=quiet, transient=True)


def _fail(failures: list[str], error: DataError) -> None:
    failures.append(str(error))
    typer.echo(f"tenfold: {error}", err=True)


def _json_lines(read: "Iterator[tuple[str, list[Reading]]]") -> None:
    for name, readings in read:
        for index, reading in enumerate(readings):
            typer.echo(json.dumps({"file": name} | reading.to_dict(index)))


def _csv_lines(read: "Iterator[tuple[str, list[Reading]]]") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, readings in read:
        for index, reading in enumerate(readings):
            row = {"file": name} | reading.to_dict(index)
            row["box"] = " ".join(map(str, row["box"] or ()))
            writer.writerow([row.get(column) for column in COLUMNS])


def _table(read: "Iterator[tuple[str, list[Reading]]]") -> None:
    """Print a heading a picture with the whole number, then a line a digit with a small picture."""
    from rich.markup import escape
    from rich.table import Table

    terminal = console()
    coloured = terminal.color_system is not None
    for name, readings in read:
        number = "".join(_SHORT.get(r.reason, str(r.digit)) for r in readings)
        heading = f"{escape(name)}  [bold]{number or 'no digits'}[/bold]"
        terminal.print(heading, highlight=False, soft_wrap=True)
        table = Table(box=None, show_header=False, pad_edge=True)
        for reading in readings:
            if reading.row is not None and reading.reason == "blank":
                continue
            table.add_row(_picture(reading.image, coloured=coloured), _words(reading))
        terminal.print(table)


def _words(reading: "Reading") -> str:
    place = (
        ""
        if reading.row is None
        else f"row {reading.row + 1}, column {(reading.column or 0) + 1}\n"
    )
    if reading.reason == "blank":
        return f"{place}[dim]blank[/dim]"
    sure = reading.probability >= 0.9995  # noqa: PLR2004 - would be rounded to certainty
    share = "> 99.9 %" if sure else f"{100 * reading.probability:.1f} %"
    likely = f"{place}[bold]{reading.digit}[/bold]  {share}"
    second = float(reading.probabilities[reading.runner_up])
    doubt = f"\n[dim]or {reading.runner_up}, {100 * second:.1f} %[/dim]" if second > 0.01 else ""  # noqa: PLR2004
    return likely + doubt + (f"\n[yellow]{reading.reason}[/yellow]" if reading.reason else "")


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
