"""The page of a sweep: its trials, which keys matter, and its best recipe on fresh seeds."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

from tenfold.artifacts.studies import SweepResult, TrialResult
from tenfold.report.curves import visible_range
from tenfold.report.drawing import CURRENT_COLOR, PALETTE, STYLE, Drawing, drawing, panels
from tenfold.report.page import render, write_page
from tenfold.studies.compare import compare_fresh_seeds

MAX_TRIALS_IN_TABLE = 10


def write_sweep(sweep: SweepResult, page: Path) -> Path:
    """Write the page of a sweep.

    Raises:
        WriteError: it cannot be written.
    """
    evaluated = [trial for trial in sweep.trials if trial.nll_sum is not None]
    complete = [trial for trial in evaluated if trial.state == "complete"]
    drawings = [history_figure(evaluated)]
    if sweep.importance:
        drawings.append(importance_figure(sweep.importance))
    html = render(
        "sweep.html",
        sweep=sweep,
        shown=sorted(complete, key=_nll_sum)[:MAX_TRIALS_IN_TABLE],
        drawings=drawings,
        compared=compare_fresh_seeds(sweep),
    )
    return write_page(page, html)


@mpl.rc_context(STYLE)
def history_figure(trials: Sequence[TrialResult]) -> Drawing:
    """Draw every trial's nll_sum, and the least so far."""
    figure, (axes,) = panels(1, 3.2)
    looks = {"complete": ("o", "none"), "pruned": ("x", None)}
    for (state, (marker, edge)), colour in zip(looks.items(), PALETTE, strict=False):
        own = [trial for trial in trials if trial.state == state]
        axes.scatter(
            [trial.number for trial in own],
            [_nll_sum(trial) for trial in own],
            s=14,
            marker=marker,
            color=colour,
            edgecolors=edge,
            linewidths=1,
            label=state,
        )
    complete = [trial for trial in trials if trial.state == "complete"]
    axes.step(
        [trial.number for trial in complete],
        list(itertools.accumulate(map(_nll_sum, complete), min)),
        where="post",
        color=CURRENT_COLOR,
        label="least so far",
    )
    axes.set_ylim(*visible_range([_nll_sum(trial) for trial in trials], best="low"))
    axes.set(xlabel="trial", ylabel="nll_sum on validation")
    figure.legend(loc="outside upper left", ncols=3)
    caption = "Each trial's calibrated loss on validation; of a pruned one, where it stopped."
    return drawing(figure, "history", caption)


@mpl.rc_context(STYLE)
def importance_figure(importance: Mapping[str, float]) -> Drawing:
    """Draw how much each key matters, the most important first."""
    figure, (axes,) = panels(1, 0.9 + 0.55 * len(importance))
    axes.grid(visible=False)
    axes.barh(range(len(importance)), list(importance.values()), height=0.4, color=PALETTE[0])
    for place, (key, share) in enumerate(importance.items()):
        axes.text(0, place - 0.28, f"{key}  {share:.2f}", va="bottom", fontsize=9)
    axes.set_yticks([])
    axes.set_ylim(len(importance) - 0.6, -0.9)
    axes.xaxis.set_major_formatter("{x:.2f}")
    axes.set_xlabel("importance")
    caption = "What separates the best trials from the others (PED-ANOVA, by Optuna)."
    return drawing(figure, "importance", caption)


def _nll_sum(trial: TrialResult) -> float:
    """Return the loss of a trial that was evaluated."""
    return float("inf") if trial.nll_sum is None else trial.nll_sum
