"""`tenfold compare`."""

from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import JsonFlag, console, print_json, table_of_figures


def compare(
    *,
    a: Annotated[Path, typer.Argument(help="A run, or a folder of runs.")],
    b: Annotated[Path, typer.Argument(help="Another, with the same seeds.")],
    json_: JsonFlag = False,
) -> None:
    """Compare two sets of runs, seed by seed; two single runs, image by image."""
    from tenfold.artifacts.finished_run import read_runs
    from tenfold.studies.compare import METRICS
    from tenfold.studies.compare import compare as paired

    result = paired(read_runs(a), read_runs(b))
    if json_:
        print_json(result.model_dump())
        return
    many = len(result.seeds)
    table = table_of_figures(
        f"{b} minus {a}, {many} seed{'s' if many > 1 else ''}",
        ("", "A", "B", "B - A", "95 % interval", "p, paired t-test"),
    )
    for name, gap in result.differences.items():
        show = METRICS[name].format.format
        interval = "–"
        if gap.low is not None and gap.high is not None:
            interval = f"{show(gap.low)} … {show(gap.high)}"
        p = "–" if gap.p is None else f"{gap.p:.2g}"
        values = (show(result.a[name].mean), show(result.b[name].mean), show(gap.mean))
        table.add_row(name, *values, interval, p)
    console().print(table)
    if result.mcnemar is not None:
        typer.echo(f"same images right? McNemar's exact p = {result.mcnemar:.2g}")
