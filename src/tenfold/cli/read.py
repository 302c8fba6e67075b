"""`tenfold read`."""

import contextlib
import glob
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from tenfold.cli.output import MAX_EXPLAINED, ModelOption, OnOption, console
from tenfold.cli.read_output import Named, print_csv, print_json, print_table
from tenfold.errors import DataError, TenfoldError
from tenfold.text import escape

if TYPE_CHECKING:
    from tenfold.data.decoding import Picture
    from tenfold.reading.crops import Layout

MIN_PICTURES_FOR_PROCESSES = 200
MIN_PICTURES_FOR_PROGRESS = 20


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
            min=0, max=1, help="Reject less probable digits [default: the bundle's threshold]."
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
    # Digits are normalised by products of small matrices: more threads would only wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tenfold.bundle.format import SHIPPED

    if grid + single > 1 or json_ + csv_ > 1:
        raise TenfoldError("--grid and --single exclude each other, and so do --json and --csv")
    if out and (json_ or csv_ or explain):
        raise TenfoldError("--out excludes --json, --csv and --explain")
    if on and not out:
        raise TenfoldError("--on needs --out: a cluster is for millions of pictures")
    layout: Layout = "grid" if grid else "single" if single else "line"
    settings = _Settings(model or SHIPPED, layout, min_confidence)
    if out:
        _write_parquet(settings, sources, out, on)
    else:
        show = print_json if json_ else print_csv if csv_ else print_table
        _print(settings, sources, show, explain)


class _Settings(NamedTuple):
    """How pictures are read."""

    model: Path
    layout: "Layout"
    rejection_threshold: float | None


def _print(
    settings: _Settings,
    sources: Sequence[str],
    show: Callable[[Iterable[Named]], None],
    explain: Path | None,
) -> None:
    """Print the readings, and write the page that explains them."""
    failures: list[DataError] = []
    explained: list[tuple[str, Picture]] = []
    show(_readings(settings, sources, failures, explained))
    if explain:
        from tenfold.reading.reader import Reader
        from tenfold.report.explanation import write_explanation

        reader = Reader.load(settings.model, settings.rejection_threshold)
        typer.echo(write_explanation(explained, reader, settings.layout, explain), err=True)
    if failures:
        raise typer.Exit(2)


def _write_parquet(settings: _Settings, sources: Sequence[str], out: Path, on: str | None) -> None:
    """Read millions of pictures into a folder of Parquet files."""
    from rich.progress import Progress

    from tenfold.cpu import available_cores
    from tenfold.errors import MissingExtraError

    try:
        from pyarrow import dataset
    except ModuleNotFoundError as error:
        raise MissingExtraError("--out", "bulk") from error
    from tenfold.reading.parquet import ReadingRequest, in_processes, write_readings
    from tenfold.reading.partitions import CONTAINER_SUFFIXES, partition_inputs

    names = [name for source in sources for name in _files(source, CONTAINER_SUFFIXES)]
    partitions = partition_inputs(list(dict.fromkeys(names)))
    request = ReadingRequest.of(*settings)
    with contextlib.ExitStack() as stack:
        backend = in_processes(available_cores())
        if on:
            from tenfold.reading.ray_workers import on_ray

            backend = stack.enter_context(on_ray(on))
        bar = stack.enter_context(Progress(console=console(stderr=True), transient=True))
        task = bar.add_task("reading", total=len(partitions))
        try:
            for done in write_readings(out, partitions, request, backend):
                bar.update(task, completed=done)
        except KeyboardInterrupt:
            typer.echo("stopped; the same command continues", err=True)
            raise typer.Exit(130) from None
    readings = dataset.dataset(out, format="parquet")
    failed = dataset.field("error").is_valid()
    typer.echo(
        f"{readings.count_rows():,} rows in {len(partitions):,} files: {escape(str(out))}", err=True
    )
    if errors := readings.count_rows(filter=failed):
        (row,) = readings.head(1, columns=["file", "error"], filter=failed).to_pylist()
        named = row["error"].startswith(row["file"])
        first = row["error"] if named else f"{row['file']}: {row['error']}"
        raise DataError(f"--out {out}: rows with an error: {errors:,}; the first is: {first}")


def _readings(
    settings: _Settings,
    sources: Sequence[str],
    failures: list[DataError],
    explained: "list[tuple[str, Picture]]",
) -> "Iterator[Named]":
    """Yield the readings of each picture; print and collect the errors of the others."""
    from tenfold.cpu import available_cores
    from tenfold.reading.bulk import read_in_bulk

    names: list[str] = []
    for source in sources:
        try:
            names += _files(source)
        except DataError as error:
            _fail(failures, error)
    names = list(dict.fromkeys(names))
    standard_input = sys.stdin.buffer.read() if "-" in names else b""
    pictures = [standard_input if name == "-" else Path(name) for name in names]
    outcomes = read_in_bulk(
        pictures,
        settings.model,
        settings.layout,
        rejection_threshold=settings.rejection_threshold,
        workers=available_cores() if len(names) > MIN_PICTURES_FOR_PROCESSES else 1,
    )
    for name, picture, outcome in zip(names, _with_progress(pictures), outcomes, strict=True):
        if isinstance(outcome, DataError):
            _fail(failures, outcome)
            continue
        if len(explained) < MAX_EXPLAINED:
            explained.append((name, picture))
        yield name, outcome


def _files(source: str, more: Collection[str] = ()) -> list[str]:
    """Return the file of an argument, or the files in a folder or of a pattern, sorted.

    Raises:
        DataError: there are none.
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


def _with_progress(pictures: "list[Picture]") -> "Iterator[Picture]":
    """Yield pictures; on a terminal, and if they are many, with a progress bar."""
    from rich.progress import track

    terminal = console(stderr=True)
    few = len(pictures) < MIN_PICTURES_FOR_PROGRESS
    quiet = few or not terminal.is_terminal or sys.stdout.isatty()
    yield from track(pictures, "reading", console=terminal, disable=quiet, transient=True)


def _fail(failures: list[DataError], error: DataError) -> None:
    failures.append(error)
    typer.echo(f"tenfold: {escape(str(error))}", err=True)
