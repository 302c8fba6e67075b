"""The figures of a run beside its curves: schedule, confusion, calibration, spread over seeds."""

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from tenfold.artifacts.evaluation import DigitMetrics, ReliabilityBin, RiskCoverage
from tenfold.artifacts.studies import Spread
from tenfold.artifacts.training import TrainingRecord
from tenfold.evaluation.metrics import wilson
from tenfold.report.curves import DASHES, LABELS, MAX_ALL_MARKED
from tenfold.report.drawing import (
    CURRENT_COLOR,
    PALETTE,
    STYLE,
    WIDTH_INCHES,
    Drawing,
    drawing,
    log_tick,
    panels,
)

MIN_ACCEPTED_SHARE = 0.1
"""A curve begins here: of a few accepted, one mistake is much."""
MAX_NAME_IN_TWO_COLUMNS = 24


@mpl.rc_context(STYLE)
def schedule_figure(journal: Sequence[TrainingRecord]) -> Drawing:
    """Draw what the schedule did: learning rate, batch size, L2 coefficient, weight loss."""
    figure, rows = panels(4, 5.6)
    steps = [record.step for record in journal]
    quantities: dict[str, list[float]] = {
        "learning rate": [record.learning_rate for record in journal],
        "batch size, images": [record.batch_size for record in journal],
        "L2 coefficient (loss_coefficient)": [record.l2_coefficient for record in journal],
        "weight_loss (loss_w), mean squares summed over layers": [
            record.weight_loss for record in journal
        ],
    }
    marker = "o" if len(steps) <= MAX_ALL_MARKED else None
    for axes, (title, values), colour in zip(rows, quantities.items(), PALETTE, strict=False):
        axes.plot(steps, values, color=colour, marker=marker)
        axes.set_title(title)
        if title == "learning rate" and min(values) > 0 and max(values) > 30 * min(values):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(log_tick)
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
            finite = [value for value in values if math.isfinite(value)]  # weights may diverge
            axes.set_ylim(0, 1.1 * max(finite, default=0) or 1)
    rows[-1].set_xlabel("iteration")
    caption = "The schedule, and the size of the weights, at each evaluation of member 1."
    return drawing(figure, "schedule", caption)


@mpl.rc_context(STYLE)
def confusion_figure(metrics: DigitMetrics) -> Drawing:
    """Draw the confusion matrix; only mistakes are coloured, since right answers dwarf them."""
    counts = np.array(metrics.confusion)
    k = len(counts)
    wrong = counts * (1 - np.eye(k, dtype=int))
    alpha = np.where(wrong > 0, 0.15 + 0.6 * wrong / max(1, wrong.max()), 0.0)
    colours = np.dstack([np.tile(mpl.colors.to_rgb(PALETTE[1]), (k, k, 1)), alpha])
    colours[np.eye(k, dtype=bool)] = mpl.colors.to_rgba(CURRENT_COLOR, 0.08)
    figure = Figure(figsize=(WIDTH_INCHES, 4.9), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    axes.grid(visible=False)
    edges = np.arange(k + 1) - 0.5
    axes.pcolormesh(edges, edges, colours)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(column, row, str(count), ha="center", va="center")
    axes.set(
        xticks=range(k), yticks=range(k), xlabel="read as (digit)", ylabel="true digit (images)"
    )
    axes.invert_yaxis()
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    caption = "How often each digit was read as which; mistakes are coloured by their number."
    return drawing(figure, "confusion", caption)


@mpl.rc_context(STYLE)
def reliability_figure(bins: Sequence[ReliabilityBin], ece: float) -> Drawing:
    """Draw accuracy against confidence, and how many images have that confidence."""
    figure, (top, bottom) = panels(2, 4.4, ratios=(3, 1))
    shown = [
        (b.confidence, b.accuracy)
        for b in bins
        if b.confidence is not None and b.accuracy is not None
    ]
    top.plot([0, 100], [0, 100], color=CURRENT_COLOR, alpha=0.5, linestyle=":")
    top.plot(
        [100 * confidence for confidence, _ in shown],
        [100 * accuracy for _, accuracy in shown],
        color=PALETTE[0],
        marker="o",
    )
    top.set(ylabel="accuracy, % of the bin", xlim=(0, 101), ylim=(0, 103))
    top.set_title(f"expected calibration error {ece:.4f}")
    bottom.bar(
        [100 * bin_.low for bin_ in bins],
        [bin_.count for bin_ in bins],
        width=[96 * (bin_.high - bin_.low) for bin_ in bins],
        align="edge",
        color=PALETTE[0],
        alpha=0.6,
    )
    bottom.set(yscale="log", ylabel="images", xlabel="confidence, %")
    bottom.set_ylim(bottom=0.5)
    bottom.yaxis.set_major_formatter(log_tick)
    caption = "Accuracy at each confidence; on the dotted line the calibration is perfect."
    return drawing(figure, "reliability", caption)


@mpl.rc_context(STYLE)
def spread_figure(models: Sequence[DigitMetrics], spreads: Mapping[str, Spread]) -> Drawing:
    """Draw the headline model of every seed by accuracy and loss, and the means' intervals."""
    figure, (axes,) = panels(1, 3.2)
    axes.plot(
        [100 * model.accuracy for model in models],
        [model.nll_sum for model in models],
        linestyle="",
        marker="o",
        color=PALETTE[0],
    )
    accuracy, loss = spreads["accuracy"], spreads["nll_sum"]
    axes.errorbar(
        100 * accuracy.mean,
        loss.mean,
        xerr=100 * (accuracy.half or 0),
        yerr=loss.half or 0,
        color=PALETTE[1],
        capsize=3,
    )
    axes.set(xlabel=LABELS["accuracy"], ylabel=LABELS["nll_sum"])
    axes.xaxis.set_major_formatter("{x:.2f}")
    caption = "Each dot is a seed; the cross is the mean of all with its 95 % intervals."
    return drawing(figure, "spread", caption)


@mpl.rc_context(STYLE)
def risk_coverage_figure(curves: Mapping[str, RiskCoverage]) -> Drawing:
    """Draw the curve of each set, and what the bundle accepts as a dot on it.

    A single curve has a band, Wilson's 95 % interval at each coverage.
    """
    figure, (axes,) = panels(1, 3.4)
    for index, (label, curve) in enumerate(curves.items()):
        color = PALETTE[index % len(PALETTE)]
        shown = [p for p in curve.points if p.accepted >= MIN_ACCEPTED_SHARE * curve.of]
        coverage = [100 * p.accepted / curve.of for p in shown]
        risk = [100 * p.wrong / p.accepted for p in shown]
        dash = DASHES[index // len(PALETTE) % len(DASHES)] if index >= len(PALETTE) else "-"
        axes.plot(coverage, risk, color=color, linestyle=dash, label=label)
        if len(curves) == 1:
            ends = [wilson(p.wrong, p.accepted) for p in shown]
            low, high = ([100 * end for end in side] for side in zip(*ends, strict=True))
            axes.fill_between(coverage, low, high, color=color, alpha=0.15, linewidth=0)
        if accepted := curve.chosen.accepted:
            axes.plot(
                100 * accepted / curve.of,
                100 * curve.chosen.wrong / accepted,
                color=color,
                marker="o",
                markersize=6,
            )
    axes.set(xlabel="coverage, % accepted", ylabel="risk, % wrong of the accepted")
    axes.set_ylim(bottom=0)
    if len(curves) > 1:
        columns = 2 if max(map(len, curves)) <= MAX_NAME_IN_TWO_COLUMNS else 1
        figure.legend(loc="outside upper left", ncols=columns)
    caption = "What is wrong of what is accepted; the dot is what the bundle accepts."
    return drawing(figure, "risk-coverage", caption)
