"""`tenfold audit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli.completion import recipe_names
from tenfold.cli.output import (
    DeviceOption,
    JsonFlag,
    PrecisionOption,
    console,
    execution_of,
    print_json,
)

if TYPE_CHECKING:
    from tenfold.artifacts.studies import AuditResult
    from tenfold.data.digits import Digits
    from tenfold.execution.config import Execution
    from tenfold.training.recipe import Recipe


def audit(  # noqa: PLR0913 - a command line
    *,
    data: Annotated[
        str,
        typer.Argument(help="a set of `tenfold data list`, or a folder of IDX files or images."),
    ] = "mnist",
    out: Annotated[Path, typer.Option(help="Folder for audit.json and audit.html.")] = Path(
        "audit"
    ),
    recipe: Annotated[
        str, typer.Option(help="Trained once a fold.", autocompletion=recipe_names)
    ] = "swift",
    folds: Annotated[int, typer.Option(min=2, help="Parts to deal the images into.")] = 5,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    json_: JsonFlag = False,
) -> None:
    """Rank likely label errors, each image judged by a network that never saw it (extra audit)."""
    from tenfold.data.digits import concatenate
    from tenfold.data.sources import load_digits
    from tenfold.report.audit import write_audit
    from tenfold.training.recipe import load_recipe

    execution = execution_of(device, precision)
    splits = {part.sha256: part for part in (load_digits(data, "train"), load_digits(data, "test"))}
    digits = concatenate(list(splits.values()))
    result = _audit(digits, load_recipe(recipe), execution, folds)
    page = write_audit(result, out / "audit.html")
    if not json_:
        typer.echo(f"{len(result.suspects)} labels to look at · {page}")
        return
    left_out: Any = {"format": True, "temperature": True, "suspects": {"__all__": {"image"}}}
    paths = {"json": str(page.with_suffix(".json")), "report": str(page)}
    print_json(result.model_dump(mode="json", exclude=left_out) | paths)


def _audit(digits: "Digits", recipe: "Recipe", execution: "Execution", folds: int) -> "AuditResult":
    """Audit with a progress bar."""
    from rich.progress import Progress

    from tenfold.studies.audit import audit

    with Progress(console=console(stderr=True)) as progress:
        task = progress.add_task("training")
        return audit(
            digits,
            recipe,
            execution,
            folds=folds,
            on_step=lambda done, total: progress.update(task, completed=done, total=total),
        )
