"""`tenfold evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli.completion import bundle_names
from tenfold.cli.output import (
    MAX_EXPLAINED,
    check_page,
    console,
    print_json,
    print_models,
    print_reader_evaluation,
)
from tenfold.errors import TenfoldError

if TYPE_CHECKING:
    from tenfold.artifacts.evaluation import ReaderEvaluation


def evaluate(
    *,
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A run or bundle folder, or a shipped bundle's name [default: field].",
            autocompletion=bundle_names,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="a set of `tenfold data list`, or a folder; repeat it for more sets of pictures."
        ),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(help="Of pictures: write a page of those misread.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Of pictures: write a page with what is accepted, and wrong."),
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="End with one JSON object a set on stdout.")
    ] = False,
) -> None:
    """Measure a run or a bundle on test images or pictures; changes neither."""
    from tenfold.rendering.picture_sets import is_picture_set

    check_page("--explain", explain)
    check_page("--report", report)
    sets = data or []
    if not sets or not all(map(is_picture_set, sets)):
        if explain or report:
            raise TenfoldError("--explain, --report: go with sets or folders of pictures")
        if len(sets) > 1:
            raise TenfoldError("--data: only sets of pictures go together; give images alone")
        _evaluate_networks(path, sets[0] if sets else None, as_json=json_)
        return
    if explain and len(sets) > 1:
        raise TenfoldError("--explain: goes with one set of pictures; give --data once")
    evaluations = [_evaluate_reader(path, each, explain, as_json=json_) for each in sets]
    if report:
        from tenfold.report.reader import write_reader_report

        typer.echo(write_reader_report(evaluations, report), err=True)


def _evaluate_networks(path: Path | None, data: str | None, *, as_json: bool) -> None:
    """Measure the networks that classify digits on test images; print the figures."""
    from tenfold.execution.run import measure

    evaluation = measure(path, data)
    if as_json:
        shown = {"data", "models", "disputed", "risk_coverage", "mistakes"}
        print_json(evaluation.model_dump(mode="json", include=shown))
    else:
        print_models(evaluation)


def _evaluate_reader(
    path: Path | None, data: str, page: Path | None, *, as_json: bool
) -> "ReaderEvaluation":
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
    return result
