"""`tenfold evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import (
    MAX_EXPLAINED,
    JsonFlag,
    console,
    print_json,
    print_models,
    print_reader_evaluation,
)
from tenfold.errors import TenfoldError


def evaluate(
    *,
    path: Annotated[
        Path | None,
        typer.Argument(help="A run or bundle folder, or a shipped bundle's name [default: field]."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="mnist, fashion-mnist, a set of pictures (`tenfold data list`), or a folder."
        ),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(help="Of pictures: write a page of those misread.")
    ] = None,
    json_: JsonFlag = False,
) -> None:
    """Measure a run or a bundle on test images or pictures; changes neither."""
    from tenfold.rendering.picture_sets import is_picture_set

    if data and is_picture_set(data):
        _evaluate_reader(path, data, explain, as_json=json_)
        return
    if explain:
        raise TenfoldError("--explain: goes with a set or a folder of pictures")
    from tenfold.execution.run import measure

    evaluation = measure(path, data)
    if json_:
        shown = {"data", "models", "disputed", "mistakes"}
        print_json(evaluation.model_dump(mode="json", include=shown))
    else:
        print_models(evaluation)


def _evaluate_reader(path: Path | None, data: str, page: Path | None, *, as_json: bool) -> None:
    from rich.progress import Progress

    from tenfold.bundle.format import SHIPPED
    from tenfold.evaluation.reader import LAYOUTS, evaluate_reader
    from tenfold.reading.reader import Reader
    from tenfold.rendering.picture_sets import load_pictures

    reader = Reader.load(path or SHIPPED)
    terminal = console(stderr=True)
    quiet = not terminal.is_terminal  # a log needs no bar
    with Progress(console=terminal, transient=True, disable=quiet) as progress:
        task = progress.add_task("making pictures", total=None)
        pictures = load_pictures(data)
        progress.update(task, description="reading", total=len(pictures))
        result = evaluate_reader(
            reader, pictures, lambda done: progress.update(task, completed=done)
        )
    if page:
        from tenfold.reading.constraints import ANYTHING
        from tenfold.report.explanation import write_explanation

        misread = [
            (f"{m.index}, labelled {m.label or 'no digit'}", pictures.pictures[m.index])
            for m in result.mistakes[:MAX_EXPLAINED]
        ]
        layout = LAYOUTS[pictures.kind]
        typer.echo(write_explanation(misread, reader, layout, ANYTHING, page), err=True)
    if as_json:
        print_json(result.model_dump())
    else:
        print_reader_evaluation(result)
