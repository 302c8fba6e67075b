"""The page of a sweep: its trials, what mattered, and its best recipe on fresh seeds."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tenfold.errors import RunError
from tenfold.evaluation.statistics import Difference, Spread, paired, spread
from tenfold.files import write_atomically
from tenfold.report.drawing import INK, PALETTE, STYLE, Drawing, drawing, panels
from tenfold.report.figures import visible_range
from tenfold.report.page import render

SHOWN = 10  # trials in the table


@dataclass(frozen=True)
class Beside:
    """One figure of the best recipe beside the one that the sweep began with, in pairs by seed."""

    baseline: Spread
    best: Spread
    difference: Difference


def compare_reruns(result: dict[str, Any]) -> dict[str, Beside]:
    """Compare what `tenfold.studies.finals` returned, figure by figure."""
    baseline, best = result["reruns"]["baseline"], result["reruns"]["best"]
    return {
        name: Beside(spread(baseline[name]), spread(best[name]), paired(baseline[name], best[name]))
        for name in baseline
    }


def write_sweep(result: dict[str, Any], page: Path) -> Path:
    """Write the page of what `tenfold.studies.finals` returned.

    Raises:
        RunError: it cannot be written.
    """
    ended = [trial for trial in result["trials"] if trial["nll_sum"] is not None]
    complete = [trial for trial in ended if trial["state"] == "complete"]
    drawings = [history_figure("history", ended)]
    if result["importance"]:
        drawings.append(importance_figure("importance", result["importance"]))
    states = [trial["state"] for trial in result["trials"]]
    html = render(
        "sweep.html",
        sweep=result,
        counts={state: states.count(state) for state in ("complete", "pruned", "fail")},
        shown=sorted(complete, key=lambda trial: trial["nll_sum"])[:SHOWN],
        drawings=drawings,
        compared=compare_reruns(result),
    )
    try:
        return write_atomically(page, html)
    except OSError as error:
        raise RunError(f"{page}: cannot be written ({error.strerror}); use --out") from error


def history_figure(name: str, trials: list[dict[str, Any]]) -> Drawing:
    """Draw every trial's nll_sum, and the least so far."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = panels(1, 3.2)
        looks = {"complete": ("o", "none", "complete"), "pruned": ("x", None, "pruned")}
        for (state, (marker, edge, label)), colour in zip(looks.items(), PALETTE, strict=False):
            own = [trial for trial in trials if trial["state"] == state]
            axes.scatter(
                [trial["number"] for trial in own],
                [trial["nll_sum"] for trial in own],
                s=14,
                marker=marker,
                color=colour,
                edgecolors=edge,
                linewidths=1,
                label=label,
            )
        complete = [trial for trial in trials if trial["state"] == "complete"]
        least = list(itertools.accumulate((t["nll_sum"] for t in complete), min))
        axes.step(
            [t["number"] for t in complete], least, where="post", color=INK, label="least so far"
        )
        axes.set_ylim(*visible_range([trial["nll_sum"] for trial in trials], best="low"))
        axes.set(xlabel="trial", ylabel="nll_sum on validation")
        axes.grid(visible=True)
        figure.legend(loc="outside upper left", ncols=3)
        caption = "Each trial's calibrated loss on validation; of a pruned one, where it stopped."
        return drawing(figure, name, caption)


def importance_figure(name: str, importance: dict[str, float]) -> Drawing:
    """Draw how much each key matters, the most important first."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = panels(1, 0.9 + 0.55 * len(importance))
        places = range(len(importance))
        axes.barh(places, list(importance.values()), height=0.4, color=PALETTE[0])
        for place, (key, share) in enumerate(importance.items()):
            axes.text(0, place - 0.28, f"{key}  {share:.2f}", va="bottom", fontsize=9)
        axes.set_yticks([])
        axes.set_ylim(len(importance) - 0.6, -0.9)
        axes.xaxis.set_major_formatter("{x:.2f}")
        axes.set_xlabel("importance")
        caption = "What separates the best trials from the others (PED-ANOVA, by Optuna)."
        return drawing(figure, name, caption)
