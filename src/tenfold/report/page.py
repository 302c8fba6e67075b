"""One HTML page from one run, or from several: no script, no other file needed."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from tenfold.artifacts.evaluation import Mistake, RunEvaluation
from tenfold.artifacts.finished_run import FinishedRun, read_runs
from tenfold.data.mnist import SIDE
from tenfold.files import refuse_links, write_atomically
from tenfold.report import figures, tables
from tenfold.report.curves import comparison_figure, curve_figure, members_figure
from tenfold.report.drawing import Drawing
from tenfold.report.seed_report import seed_method
from tenfold.studies.compare import METRICS, only_seeds_differ, summarise

MAX_MISTAKES_SHOWN = 1000
"""Nobody looks at more, and each adds a kilobyte to the page."""


def write_report(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report of one run, or a page that compares several.

    Args:
        runs: run folders, one at least, each with its `evaluation.json`, or folders of such.
        out: the HTML file. By default it is `report.html` in the only run, which then also has
            each figure in `figures/`, or `comparison.html` in this folder for several runs.

    Returns:
        The page.

    Raises:
        RunError: a run is not finished, or a file of it is damaged.
        WriteError: the page cannot be written.
    """
    read = [run for path in dict.fromkeys(runs) for run in read_runs(path)]
    if len(read) > 1:
        return write_page(out or Path("comparison.html"), render_comparison(read))
    [run] = read
    drawings = run_figures(run)
    html = render_run(run, drawings)
    if out:
        return write_page(out, html)
    refuse_links(run.path)
    svgs = {run.path / "figures" / f"{drawing.name}.svg": drawing.svg for drawing in drawings}
    return write_page(run.path / "report.html", html, svgs)


def run_figures(run: FinishedRun) -> list[Drawing]:
    """Draw the seed's figures for this run, then those of its predictions, and the schedule."""
    evaluation = run.evaluation
    where = tables.where(evaluation)
    curves = evaluation.curves.models
    drawn = [
        curve_figure(f"curve-{index + 1}", curve, where, run.stage_starts, index)
        for index, curve in enumerate(curves)
    ]
    if len(curves) > 1:
        drawn.append(members_figure("loss-members", curves, "nll_sum", where))
        drawn.append(members_figure("accuracy-members", curves, "accuracy", where))
    best = evaluation.headline
    drawn.append(figures.confusion_figure(best))
    drawn.append(figures.reliability_figure(best.reliability, best.ece))
    if curve := evaluation.risk_coverage:
        drawn.append(figures.risk_coverage_figure({best.name: curve}))
    return [*drawn, figures.schedule_figure(run.journal)]


def render_run(run: FinishedRun, drawings: Sequence[Drawing]) -> str:
    """Return the page of one run."""
    return render(
        "report.html",
        run=run,
        evaluation=run.evaluation,
        curves=[d for d in drawings if d.name.startswith(("curve", "loss", "accuracy"))],
        figures={drawing.name: drawing for drawing in drawings},
        seed=seed_method(str(run.recipe.get("name", ""))),
        gallery=gallery(run.evaluation),
    )


def render_comparison(runs: Sequence[FinishedRun]) -> str:
    """Return a page that sets several runs side by side."""
    names = unique_names(runs)
    curves = [run.evaluation.curves for run in runs]
    named = [
        c.models[-1].model_copy(update={"name": n}) for c, n in zip(curves, names, strict=True)
    ]
    sections = [
        (
            name,
            run,
            curve_figure(
                f"run-{index}-curve",
                run.evaluation.curves.models[-1],
                tables.where(run.evaluation),
                run.stage_starts,
            ),
        )
        for index, (run, name) in enumerate(zip(runs, names, strict=True), 1)
    ]
    spreads = summarise(runs) if only_seeds_differ(runs) else None
    best = [run.evaluation.headline for run in runs]
    return render(
        "comparison.html",
        spreads=spreads,
        spread_figure=figures.spread_figure(best, spreads) if spreads else None,
        names={run.path: name for run, name in zip(runs, names, strict=True)},
        anchors={run.path: f"run-{index}" for index, run in enumerate(runs, 1)},
        groups=tables.run_groups(runs),
        all_curves=comparison_figure(named, [c.images for c in curves]),
        sections=sections,
        measured={(c.on, c.images) for c in curves},
    )


def unique_names(runs: Sequence[FinishedRun]) -> list[str]:
    """Name each run after its folder; after its whole path where two folders share a name."""
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else str(run.path)
        for run, name in zip(runs, names, strict=True)
    ]


def gallery(evaluation: RunEvaluation) -> list[tuple[Mistake, str]]:
    """Return misread images with their data URIs, the most confident mistakes first."""
    most_confident = sorted(evaluation.mistakes, key=lambda m: (-m.confidence, m.index))
    return [(m, digit_uri(m.image)) for m in most_confident[:MAX_MISTAKES_SHOWN]]


def digit_uri(pixels: bytes) -> str:
    """Turn uint8[784], white on black, into a data URI of a PNG, black on white."""
    return data_uri(255 - np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE))


def data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """Turn uint8[h, w] or uint8[h, w, 3] into a data URI of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def render(template: str, **values: object) -> str:
    """Fill in a template of this folder."""
    environment = Environment(
        loader=PackageLoader("tenfold", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": tables.percent, "interval": tables.interval}
    environment.globals |= {"tables": tables, "metrics": METRICS}
    return environment.get_template(template).render(**values)


def write_page(page: Path, html: str, attachments: Mapping[Path, str] | None = None) -> Path:
    """Write a page, after the files that belong to it: their texts by their paths.

    Raises:
        WriteError: a file cannot be written.
    """
    for path, text in (attachments or {}).items():
        write_atomically(path, text)
    return write_atomically(page, html)
