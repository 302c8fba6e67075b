"""`tenfold audit`."""

from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import (
    DeviceOption,
    JsonFlag,
    PrecisionOption,
    console,
    precision_of,
    print_json,
)


def audit(  # noqa: PLR0913 - a command line
    *,
    data: Annotated[
        str, typer.Argument(help="mnist, fashion-mnist, or a folder of IDX files or images.")
    ] = "mnist",
    out: Annotated[Path, typer.Option(help="Folder for audit.json and audit.html.")] = Path(
        "audit"
    ),
    recipe: Annotated[str, typer.Option(help="Trained once a fold.")] = "swift",
    folds: Annotated[int, typer.Option(min=2, help="Parts to deal the images into.")] = 5,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    json_: JsonFlag = False,
) -> None:
    """Rank likely label errors, each image judged by a network that never saw it (extra audit)."""
    from rich.progress import Progress

    from tenfold.data.digits import concatenate
    from tenfold.data.sources import load_digits
    from tenfold.model.kernels.functional import tune_process
    from tenfold.report.audit import write_audit
    from tenfold.studies.audit import audit as judge
    from tenfold.training.hardware import choose_device, choose_dtype
    from tenfold.training.recipe import load_recipe
    from tenfold.training.trainer import Placement

    tune_process()
    chosen = choose_device(device)
    where = Placement(chosen, choose_dtype(precision_of(precision), chosen))
    splits = {part.sha256: part for part in (load_digits(data, "train"), load_digits(data, "test"))}
    digits = concatenate(list(splits.values()))
    with Progress(console=console(stderr=True)) as progress:
        task = progress.add_task("training")
        result = judge(
            digits,
            load_recipe(recipe),
            where,
            folds=folds,
            on_step=lambda done, every: progress.update(task, completed=done, total=every),
        )
    page = write_audit(result, out / "audit.html")
    if json_:
        short = {key: result[key] for key in ("data", "recipe", "folds", "accuracy")}
        suspects = [
            {k: v for k, v in suspect.items() if k != "image"} for suspect in result["suspects"]
        ]
        print_json(
            {
                **short,
                "suspects": suspects,
                "json": str(page.with_suffix(".json")),
                "report": str(page),
            }
        )
        return
    typer.echo(f"{len(result['suspects'])} labels to look at · {page}")
