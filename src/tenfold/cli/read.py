"""`tenfold read`."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from tenfold.cli.output import (
    MAX_EXPLAINED,
    ModelOption,
    OnOption,
    check_page,
    console,
    on_interrupt,
    warn_of_shipped_detector,
)
from tenfold.cli.read_inputs import list_all_files, list_files, pages_of, read_standard_input
from tenfold.cli.read_output import (
    Outcome,
    Place,
    print_csv,
    print_csv_table,
    print_json,
    print_text,
)
from tenfold.errors import DataError, TenfoldError
from tenfold.reading.constraints import CheckDigit, RuleName
from tenfold.text import escape

if TYPE_CHECKING:
    from tenfold.data.file_pages import FilePage
    from tenfold.reading.constraints import Constraints
    from tenfold.reading.reader import Layout

MIN_PICTURES_FOR_PROCESSES = 200


Sources = Annotated[
    list[str], typer.Argument(help="Pictures, PDFs, folders, patterns; - is standard input.")
]
Grid = Annotated[bool, typer.Option("--grid", help="Cells of a grid, a digit each.")]
Table = Annotated[bool, typer.Option("--table", help="Cells of a table, a number each.")]
Single = Annotated[bool, typer.Option("--single", help="Each picture is one digit.")]
Rows = Annotated[int | None, typer.Option(min=1, help="Of the grid or table [default: found].")]
Columns = Annotated[int | None, typer.Option(min=1, help="Of the grid or table [default: found].")]
RuleOption = Annotated[
    RuleName | None,
    typer.Option(
        help="Read the cells together: sudoku (all different), or the last row or column has sums."
    ),
]
Length = Annotated[int | None, typer.Option(min=1, help="Each number has this many digits.")]
Pattern = Annotated[
    str | None, typer.Option(metavar="REGEX", help="Each number matches this regular expression.")
]
Check = Annotated[
    CheckDigit | None,
    typer.Option(help="The last digit of each number checks the others."),
]
DigitsOnly = Annotated[
    bool, typer.Option("--digits-only", help="Leave out points, minus signs, slashes, colons.")
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Do not accept less probable numbers [default: the bundle's threshold]."
    ),
]
Explain = Annotated[Path | None, typer.Option(help="Write a page that shows what was detected.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a page, a line each.")]
Csv = Annotated[
    bool, typer.Option("--csv", help="With commas, a row a number; a grid or table as it is.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="A folder of Parquet files, for millions; also takes .parquet and .tar files. "
        "The same command continues it."
    ),
]


def read(  # noqa: PLR0913 - a command line
    sources: Sources,
    *,
    grid: Grid = False,
    table: Table = False,
    single: Single = False,
    rows: Rows = None,
    columns: Columns = None,
    rule: RuleOption = None,
    length: Length = None,
    pattern: Pattern = None,
    check: Check = None,
    digits_only: DigitsOnly = False,
    min_confidence: MinConfidence = None,
    model: ModelOption = None,
    explain: Explain = None,
    json_: Json = False,
    csv_: Csv = False,
    out: Out = None,
    on: OnOption = None,
) -> None:
    """Read the numbers in pictures: files, folders, patterns or standard input."""
    # Digits are normalised by products of small matrices: more threads would only wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tenfold.bundle.format import SHIPPED
    from tenfold.reading.constraints import Constraints

    if grid + table + single > 1 or json_ + csv_ > 1:
        raise TenfoldError(
            "--grid, --table and --single exclude each other, and so do --json and --csv"
        )
    if out and (json_ or csv_ or explain):
        raise TenfoldError("--out excludes --json, --csv and --explain")
    check_page("--explain", explain)
    if on and not out:
        raise TenfoldError("--on needs --out: a cluster is for millions of pictures")
    constraints = Constraints(
        length=length,
        pattern=pattern,
        check=check,
        digits_only=digits_only,
        rows=rows,
        columns=columns,
        rule=rule,
    )
    layout: Layout = "grid" if grid else "table" if table else "single" if single else "numbers"
    _refuse_without_effect(constraints, layout)
    settings = _Settings(model or SHIPPED, layout, constraints, min_confidence)
    if not single:
        warn_of_shipped_detector(model)
    if out:
        _write_parquet(settings, sources, out, on)
    else:
        csv_table = print_csv_table if grid or table else print_csv
        show = print_json if json_ else csv_table if csv_ else print_text
        _print(settings, sources, show, explain)


def _refuse_without_effect(constraints: "Constraints", layout: "Layout") -> None:
    """Refuse options that say nothing about pictures of a layout.

    Raises:
        TenfoldError: there is one.
    """
    from tenfold.reading.constraints import OF_CELLS

    if unused := constraints.without_effect(layout):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        is_of_cells = unused[0] in OF_CELLS
        where = "unless --grid or --table is given" if is_of_cells else f"with --{layout}"
        raise TenfoldError(f"{options}: no effect {where}; leave out")


class _Settings(NamedTuple):
    """How pictures are read."""

    model: Path
    layout: "Layout"
    constraints: "Constraints"
    min_probability: float | None


def _print(
    settings: _Settings,
    sources: Sequence[str],
    show: Callable[[Iterable[Outcome]], None],
    explain: Path | None,
) -> None:
    """Print what was read, and write the page that explains it."""
    failures: list[DataError] = []
    explained: list[tuple[str, FilePage]] = []
    with on_interrupt("what was read until then is printed"):
        show(_outcomes(settings, sources, failures, explained))
    if explain:
        from tenfold.reading.reader import Reader
        from tenfold.report.explanation import write_explanation

        reader = Reader.load(settings.model, settings.min_probability)
        page = write_explanation(explained, reader, settings.layout, settings.constraints, explain)
        typer.echo(page, err=True)
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
    from tenfold.data.decoding import CONTAINER_SUFFIXES
    from tenfold.reading.parallel import parallel_map
    from tenfold.reading.parquet import ReadingRequest, write_readings
    from tenfold.reading.partitions import partition_inputs

    names = list_all_files(sources, "--out", CONTAINER_SUFFIXES)
    partitions = partition_inputs(names, settings.layout)
    request = ReadingRequest.of(*settings)
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(parallel_map(available_cores(), on, "bulk"))
        bar = stack.enter_context(Progress(console=console(stderr=True), transient=True))
        task = bar.add_task("reading", total=len(partitions))
        with on_interrupt("the same command continues"):
            for done in write_readings(out, partitions, request, run):
                bar.update(task, completed=done)
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


def _outcomes(
    settings: _Settings,
    sources: Sequence[str],
    failures: list[DataError],
    explained: "list[tuple[str, FilePage]]",
) -> "Iterator[Outcome]":
    """Yield what was read on each page, or its error, which is also printed and collected."""
    from tenfold.cpu import available_cores
    from tenfold.data.decoding import CONTAINER_SUFFIXES
    from tenfold.reading.bulk import read_in_bulk, with_names

    names: list[str] = []
    standard_input = b""
    for source in dict.fromkeys(sources):
        try:
            if source == "-":
                standard_input = read_standard_input()
            names += list_files(source)
        except DataError as error:
            yield Place(source), _failed(failures, error)
    pictures: list[str] = []
    for name in dict.fromkeys(names):
        if Path(name).suffix.lower() not in CONTAINER_SUFFIXES:
            pictures.append(name)
            continue
        hint = DataError(f"{name}: is read with --out FOLDER, as it holds many pictures")
        yield Place(name), _failed(failures, hint)
    pages = pages_of(pictures, standard_input)
    first = list(islice(pages, MIN_PICTURES_FOR_PROCESSES + 1))
    read = functools.partial(
        read_in_bulk,
        model=settings.model,
        layout=settings.layout,
        constraints=settings.constraints,
        min_probability=settings.min_probability,
        workers=available_cores() if len(first) > MIN_PICTURES_FOR_PROCESSES else 1,
    )
    named = (((name, page), page) for name, page in chain(first, pages))
    for (name, page), outcome in with_names(read, named):
        place = Place(name, page.number, page.count)
        if isinstance(outcome, DataError):
            yield place, _failed(failures, outcome)
            continue
        if len(explained) < MAX_EXPLAINED:
            explained.append((str(place), page))
        yield place, outcome


def _failed(failures: list[DataError], error: DataError) -> DataError:
    failures.append(error)
    typer.echo(f"tenfold: {escape(str(error))}", err=True)
    return error
