"""One HTML page from one run, or from several: no script, no other file needed."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from tenfold.errors import RunError
from tenfold.files import write_atomically
from tenfold.report import figures, tables
from tenfold.report.drawing import Drawing
from tenfold.report.folder import Evaluation, Mistake, RunFolder
from tenfold.report.runset import only_seeds_differ, read_set, summarise
from tenfold.report.seed_report import seed_method

SHOWN = 1000  # mistakes drawn: more are no longer looked at, and weigh a kilobyte each


@dataclass(frozen=True)
class Misread:
    """A mistake and its image as a data URI: dark ink on white."""

    mistake: Mistake
    source: str


def write_report(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report of one run, or a page that compares several.

    Args:
        runs: run folders, each with its `evaluation.json`, or folders of such.
        out: the HTML file; by default `report.html` in the only run, with each figure beside
            it in `figures/`, or `comparison.html` here for several.

    Returns:
        The page.

    Raises:
        RunError: a run is not finished, a file of it is damaged, or the page cannot be written.
    """
    read = [run for path in dict.fromkeys(runs) for run in read_set(path)]
    if not read:
        raise RunError("no run given; name at least one run folder")
    drawings: list[Drawing] = []
    if len(read) == 1:
        drawings = run_figures(read[0])
        html = render_run(read[0], drawings)
    else:
        html = render_comparison(read)
    page = out or (read[0].path / "report.html" if len(read) == 1 else Path("comparison.html"))
    try:
        for drawing in drawings if out is None else []:
            write_atomically(page.parent / "figures" / f"{drawing.name}.svg", drawing.svg)
        return write_atomically(page, html)
    except OSError as error:
        raise RunError(f"{page}: cannot be written ({error.strerror}); use --out") from error


def run_figures(run: RunFolder) -> list[Drawing]:
    """Draw the seed's figures for this run, then confusion, reliability and schedule."""
    evaluation = run.evaluation
    where = tables.where(evaluation)
    curves = evaluation.curves.models
    drawn = [
        figures.curve_figure(f"curve-{index}", curve, where, run.stages)
        for index, curve in enumerate(curves, 1)
    ]
    if len(curves) > 1:
        drawn.append(figures.loss_together("loss-together", curves, where))
        drawn.append(figures.accuracy_together("accuracy-together", curves, where))
    best = evaluation.headline
    return [
        *drawn,
        figures.confusion_figure("confusion", best.confusion),
        figures.reliability_figure("reliability", best.reliability, best.ece),
        figures.schedule_figure("schedule", run.journal),
    ]


def render_run(run: RunFolder, drawings: Sequence[Drawing]) -> str:
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


def render_comparison(runs: list[RunFolder]) -> str:
    """Return a page that sets several runs side by side."""
    names = unique_names(runs)
    last = [run.evaluation.curves for run in runs]
    together = figures.comparison_figure(
        "comparison",
        [c.models[-1].model_copy(update={"name": n}) for c, n in zip(last, names, strict=True)],
        [c.images for c in last],
    )
    sections = [
        (
            name,
            run,
            figures.curve_figure(
                f"run-{index}-curve",
                run.evaluation.curves.models[-1],
                tables.where(run.evaluation),
                run.stages,
            ),
        )
        for index, (run, name) in enumerate(zip(runs, names, strict=True), 1)
    ]
    spreads = summarise(runs) if only_seeds_differ(runs) else None
    return render(
        "comparison.html",
        spreads=spreads,
        spreading=figures.spread_figure("spread", runs, spreads) if spreads else None,
        names={run.path: name for run, name in zip(runs, names, strict=True)},
        anchors={run.path: f"run-{index}" for index, run in enumerate(runs, 1)},
        groups=tables.run_groups(runs),
        together=together,
        sections=sections,
        measured={(c.on, c.images) for c in last},
    )


def unique_names(runs: Sequence[RunFolder]) -> list[str]:
    """Name each run after its folder; after its whole path where two folders share a name."""
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else str(run.path)
        for run, name in zip(runs, names, strict=True)
    ]


def gallery(evaluation: Evaluation) -> list[Misread]:
    """Return the misread images, the most confident mistakes first."""
    surest = sorted(evaluation.mistakes, key=lambda m: (-m.confidence, m.index))
    return [Misread(mistake, picture(mistake.image)) for mistake in surest[:SHOWN]]


def picture(pixels: bytes) -> str:
    """Turn uint8[784], 255 the ink, into a data URI: dark ink on white."""
    return data_uri(255 - np.frombuffer(pixels, np.uint8).reshape(28, 28))


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
    environment.globals["tables"] = tables
    return environment.get_template(template).render(**values)
