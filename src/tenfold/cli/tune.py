"""`tenfold tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli.output import (
    BUNDLE_ARGUMENT,
    JsonFlag,
    ThreadsOption,
    console,
    on_interrupt,
    print_json,
)
from tenfold.errors import TenfoldError
from tenfold.files import new_folder
from tenfold.text import escape

if TYPE_CHECKING:
    from tenfold.artifacts.studies import TuningResult
    from tenfold.data.corrections import Corrections


def tune(  # noqa: PLR0913 - a command line
    *,
    bundle: Annotated[Path, BUNDLE_ARGUMENT],
    data: Annotated[
        list[str],
        typer.Option(
            help="Corrections: the page's zip, or a folder of images as `train --data` takes it, "
            "with non-digits in `none`; repeat it to add more."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tuned bundle.")],
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    threads: ThreadsOption = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Write the bundle even if it has lost more than 0.05 points elsewhere."
        ),
    ] = False,
    json_: JsonFlag = False,
) -> None:
    """Teach a bundle corrections in about a minute, and measure what that wins and loses.

    Each correction is judged by networks that were tuned without it. A bundle that reads test
    images or foreign pictures worse than before is not written.
    """
    from tenfold.bundle.format import find_bundle, read_config

    read_config(bundle)
    if out.resolve().is_relative_to(find_bundle(bundle).resolve()):
        raise TenfoldError(f"--out {out}: lies in the bundle; name a new folder elsewhere")
    with on_interrupt("nothing was written"), new_folder(out) as folder:
        result = _tune(bundle, _load(data), folder, seed, threads)
        lost = [f"{-each.points:.2f} points on {each.name}" for each in result.losses]
        if lost and not force:
            _print_result(result, out, as_json=json_, written=False)
            raise TenfoldError(
                f"--out {out}: not written: lost {' and '.join(lost)}; --force writes it"
            )
    _print_result(result, out, as_json=json_, written=True)


def _load(data: list[str]) -> "Corrections":
    """Load corrections, each once."""
    from tenfold.data.corrections import load_corrections, without_copies
    from tenfold.data.digits import concatenate

    given = concatenate([load_corrections(spec) for spec in data])
    corrections = without_copies(given)
    if copies := len(given) - len(corrections):
        typer.echo(f"tenfold: copies of corrections, which are left out: {copies:,}", err=True)
    return corrections


def _tune(
    bundle: Path, corrections: "Corrections", folder: Path, seed: int, threads: int | None
) -> "TuningResult":
    """Tune with a progress bar; where there is no terminal, with a line for each stage."""
    from rich.progress import Progress

    from tenfold.studies.tune import TuningConfig, tune

    terminal = console(stderr=True)
    config = TuningConfig(seed=seed, threads=threads)
    is_log = not terminal.is_terminal
    stages = set[str]()

    def show(stage: str, done: int, total: int) -> None:
        progress.update(task, description=stage, completed=done, total=total)
        if is_log and stage not in stages:
            typer.echo(stage, err=True)
        stages.add(stage)

    with Progress(console=terminal, transient=True, disable=is_log) as progress:
        task = progress.add_task("")
        return tune(bundle, corrections, folder, config, show)


def _print_result(result: "TuningResult", out: Path, *, as_json: bool, written: bool) -> None:
    """Print a table, a row a set, or all of it as JSON."""
    from rich.table import Table

    folder = escape(str(out))
    if as_json:
        print_json(result.model_dump(mode="json") | {"written": written, "out": folder})
        return
    table = Table("", "pictures", "before", "after", "points", box=None)
    cross_validated = f"corrections, in {result.folds} folds, each judged without it"
    rows = [(cross_validated, result.corrections), (result.test_images.name, result.test_images)]
    rows += [(each.name, each) for each in result.foreign_sets]
    for title, row in rows:
        shares = (f"{100 * right / row.pictures:.2f} %" for right in (row.before, row.after))
        table.add_row(title, f"{row.pictures:,}", *shares, f"{row.points:+.2f}")
    console().print(table)
    if written:
        typer.echo(f"{result.seconds:.0f} s · read with it: tenfold read --model {folder} PICTURE")
