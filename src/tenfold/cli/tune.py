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

if TYPE_CHECKING:
    from tenfold.artifacts.studies import TuningResult
    from tenfold.data.digits import Digits


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
    from tenfold.data.corrections import load_corrections
    from tenfold.data.digits import concatenate

    corrections = concatenate([load_corrections(spec) for spec in data])
    with on_interrupt("nothing was written"), new_folder(out) as folder:
        result = _tune(bundle, corrections, folder, seed, threads)
        refused = bool(result.losses) and not force
        if json_:
            print_json(result.model_dump(mode="json") | {"written": not refused, "out": str(out)})
        else:
            _print_result(result)
        if refused:
            lost = (f"{-each.points:.2f} points on {each.name}" for each in result.losses)
            raise TenfoldError(
                f"--out {out}: not written: lost {' and '.join(lost)}; --force writes it"
            )
    if not json_:
        typer.echo(f"{result.seconds:.0f} s · read with it: tenfold read --model {out} PICTURE")


def _tune(
    bundle: Path, corrections: "Digits", folder: Path, seed: int, threads: int | None
) -> "TuningResult":
    """Tune with a progress bar."""
    from rich.progress import Progress

    from tenfold.studies.tune import TuningConfig, tune

    terminal = console(stderr=True)
    quiet = not terminal.is_terminal  # a log needs no bar
    with Progress(console=terminal, transient=True, disable=quiet) as progress:
        task = progress.add_task("")
        return tune(
            bundle,
            corrections,
            folder,
            TuningConfig(seed=seed, threads=threads),
            lambda what, done, total: progress.update(
                task, description=what, completed=done, total=total
            ),
        )


def _print_result(result: "TuningResult") -> None:
    """Print a table: a row a set."""
    from rich.table import Table

    table = Table("", "pictures", "before", "after", "points", box=None)
    cross_validated = f"corrections, in {result.folds} folds, each judged without it"
    rows = [(cross_validated, result.corrections), (result.test_images.name, result.test_images)]
    rows += [(each.name, each) for each in result.foreign_sets]
    for title, row in rows:
        shares = (f"{100 * right / row.pictures:.2f} %" for right in (row.before, row.after))
        table.add_row(title, f"{row.pictures:,}", *shares, f"{row.points:+.2f}")
    console().print(table)
