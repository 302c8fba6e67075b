"""The figures of a run: curves, schedule, confusion, calibration.

Lines differ in colour, dash and marker, so that they can be told apart in any one of them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from tenfold.evaluation.statistics import Spread
from tenfold.report.drawing import INK, PALETTE, STYLE, WIDTH, Drawing, drawing, panels, plain
from tenfold.report.folder import Bin, Curve, Record, RunFolder

DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 2)))
MARKERS = "osD^vP"
FEW = 25  # evaluations: up to here each one is marked
SHORT = 12  # letters: names up to here stand four in a row
LABELS = {
    "nll_sum": "nll_sum (loss_p), nats",
    "accuracy": "accuracy, % of images",
    "nll": "mean NLL, nats per image",
}
Quantity = Literal["nll_sum", "accuracy", "nll"]


@mpl.rc_context(STYLE)
def curve_figure(name: str, curve: Curve, where: str, stages: Sequence[int] = ()) -> Drawing:
    """Draw one model's loss and accuracy over the iterations (the seed's figures 1 to 5).

    Args:
        name: unique within the page.
        curve: what to draw.
        where: the images it was measured on, such as "10,000 test images".
        stages: iterations at which a new stage begins.
    """
    figure, (loss, accuracy) = panels(2, 4.4)
    look = _look(curve.name, _number(curve.name)) | {"linestyle": "-"}
    best = (
        int(np.argmin(np.nan_to_num(curve.nll_sum, nan=np.inf))),  # a diverged loss is not least
        int(np.argmax(np.nan_to_num(curve.accuracy, nan=-np.inf))),
    )
    loss.set_title(f"least {curve.nll_sum[best[0]]:,.2f} at iteration {curve.step[best[0]]:,}")
    accuracy.set_title(
        f"most {100 * curve.accuracy[best[1]]:.2f} % at iteration {curve.step[best[1]]:,}"
    )
    _lines(loss, [curve], "nll_sum", [look], stages)
    _lines(accuracy, [curve], "accuracy", [look], stages)
    accuracy.set_xlabel("iteration")
    caption = f"Loss and accuracy of {_the(curve.name)} over the iterations, on {where}."
    return drawing(figure, name, caption)


@mpl.rc_context(STYLE)
def loss_together(name: str, curves: Sequence[Curve], where: str) -> Drawing:
    """Draw the loss of all members and the ensemble (the seed's figure 6)."""
    figure = _together(curves, ["nll_sum"])
    return drawing(figure, name, f"Loss of the members and the ensemble, on {where}.")


@mpl.rc_context(STYLE)
def accuracy_together(name: str, curves: Sequence[Curve], where: str) -> Drawing:
    """Draw the accuracy of all members and the ensemble (the seed's figure 7)."""
    figure = _together(curves, ["accuracy"])
    return drawing(figure, name, f"Accuracy of the members and the ensemble, on {where}.")


@mpl.rc_context(STYLE)
def comparison_figure(name: str, curves: Sequence[Curve], images: Sequence[int]) -> Drawing:
    """Draw the headline curves of several runs, each named after its run.

    Args:
        name: unique within the page.
        curves: one of each run.
        images: how many images each was measured on; if they differ, the mean NLL is
            drawn, since sums could not be compared.
    """
    if len(set(images)) == 1:
        return drawing(
            _together(curves, ["nll_sum", "accuracy"]),
            name,
            f"Loss and accuracy of each run's headline model, on {images[0]:,} images.",
        )
    means = [
        curve.model_copy(update={"nll_sum": [v / n for v in curve.nll_sum]})
        for curve, n in zip(curves, images, strict=True)
    ]
    figure = _together(means, ["nll", "accuracy"])
    return drawing(figure, name, "Mean loss and accuracy of each run's headline model.")


@mpl.rc_context(STYLE)
def schedule_figure(name: str, journal: Sequence[Record]) -> Drawing:
    """Draw what the schedule did: learning rate, batch size, L2 coefficient, weight loss."""
    figure, rows = panels(4, 5.6)
    steps = [record.step for record in journal]
    quantities = {
        "learning rate": [record.learning_rate for record in journal],
        "batch size, images": [record.batch_size for record in journal],
        "L2 coefficient (loss_coefficient)": [record.l2_coefficient for record in journal],
        "weight_loss (loss_w), mean squares summed over layers": [
            record.weight_loss for record in journal
        ],
    }
    marker = "o" if len(steps) <= FEW else None
    for axes, (title, values), colour in zip(rows, quantities.items(), PALETTE, strict=False):
        axes.plot(steps, values, color=colour, marker=marker)
        axes.set_title(title)
        axes.grid(visible=True)
        if title == "learning rate" and min(values) > 0 and max(values) > 30 * min(values):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(plain)
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
            finite = [value for value in values if math.isfinite(value)]  # weights may diverge
            axes.set_ylim(0, 1.1 * max(finite, default=0) or 1)
    rows[-1].set_xlabel("iteration")
    caption = "What the schedule set, and the weights' size, at each evaluation of member 1."
    return drawing(figure, name, caption)


@mpl.rc_context(STYLE)
def confusion_figure(name: str, confusion: Sequence[Sequence[int]]) -> Drawing:
    """Draw the confusion matrix; only mistakes are coloured, since right answers dwarf them."""
    counts = np.array(confusion)
    wrong = counts * (1 - np.eye(10, dtype=int))
    alpha = np.where(wrong > 0, 0.15 + 0.6 * wrong / max(1, wrong.max()), 0.0)
    colours = np.dstack([np.tile(mpl.colors.to_rgb(PALETTE[1]), (10, 10, 1)), alpha])
    colours[np.eye(10, dtype=bool)] = mpl.colors.to_rgba(INK, 0.08)
    figure = Figure(figsize=(WIDTH, 4.9), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    axes.pcolormesh(np.arange(11) - 0.5, np.arange(11) - 0.5, colours)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(column, row, str(count), ha="center", va="center")
    axes.set(
        xticks=range(10), yticks=range(10), xlabel="read as (digit)", ylabel="true digit (images)"
    )
    axes.invert_yaxis()
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    caption = "How often each digit was read as which; mistakes are coloured by their number."
    return drawing(figure, name, caption)


@mpl.rc_context(STYLE)
def reliability_figure(name: str, bins: Sequence[Bin], ece: float) -> Drawing:
    """Draw accuracy against confidence, and how many images have that confidence."""
    figure, (top, bottom) = panels(2, 4.4, heights=(3, 1))
    shown = [(b.confidence, b.accuracy) for b in bins if b.confidence is not None]
    top.plot([0, 100], [0, 100], color=INK, alpha=0.5, linestyle=":")
    top.plot(
        [100 * confidence for confidence, _ in shown],
        [100 * accuracy for _, accuracy in shown if accuracy is not None],
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
    bottom.yaxis.set_major_formatter(plain)
    for axes in (top, bottom):
        axes.grid(visible=True)
    caption = "How often the model is right when it is so and so sure; dotted: perfect calibration."
    return drawing(figure, name, caption)


@mpl.rc_context(STYLE)
def spread_figure(name: str, runs: Sequence[RunFolder], spreads: Mapping[str, Spread]) -> Drawing:
    """Draw every seed by accuracy and loss, and the means with their intervals."""
    figure, (axes,) = panels(1, 3.2)
    best = [run.evaluation.headline for run in runs]
    axes.plot(
        [100 * model.accuracy for model in best],
        [model.nll_sum for model in best],
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
    axes.grid(visible=True)
    caption = "Each seed a dot; the cross is the mean of all with its 95 % intervals."
    return drawing(figure, name, caption)


def visible_range(values: Sequence[float], *, best: Literal["low", "high"]) -> tuple[float, float]:
    """Return axis limits that show the good three quarters well, whatever the rest does.

    From the best value to three times the way from it to the worse quartile: a few early
    values of another size lie beyond the axis rather than squash everything else.
    """
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return 0.0, 1.0
    if best == "high":
        low, high = visible_range([-v for v in finite], best="low")
        return -high, -low
    low, worse = min(finite), float(np.quantile(finite, 0.75))
    high = min(max(finite), low + 3 * (worse - low))
    pad = 0.05 * (high - low) or 0.05 * abs(low) or 0.05
    return low - pad, high + pad


def _together(curves: Sequence[Curve], quantities: Sequence[Quantity]) -> Figure:
    figure, rows = panels(len(quantities), 2.6 + 1.3 * len(quantities))
    looks = [_look(curve.name, index) for index, curve in enumerate(curves)]
    for axes, quantity in zip(rows, quantities, strict=True):
        _lines(axes, curves, quantity, looks)
    rows[-1].set_xlabel("iteration")
    names = [curve.name for curve in curves]
    columns = 4 if max(map(len, names)) < SHORT else 1
    figure.legend(rows[0].lines, names, loc="outside upper left", ncols=columns)
    return figure


def _lines(
    axes: Axes,
    curves: Sequence[Curve],
    quantity: Quantity,
    looks: Sequence[dict[str, Any]],
    stages: Sequence[int] = (),
) -> None:
    """Draw one quantity of each curve, on an axis cut to what is worth seeing."""
    everything: list[float] = []
    for curve, look in zip(curves, looks, strict=True):
        values = [100 * v for v in curve.accuracy] if quantity == "accuracy" else curve.nll_sum
        every = 1 if len(values) <= FEW else len(values) // 8
        axes.plot(curve.step, values, markevery=every, **look)
        everything += values
    for step in stages:
        axes.axvline(step, color=INK, alpha=0.4, linewidth=0.8, linestyle=":")
    low, high = visible_range(everything, best="high" if quantity == "accuracy" else "low")
    axes.set_ylim(low, min(high, 100.0) if quantity == "accuracy" else high)
    axes.set_ylabel(LABELS[quantity])
    axes.grid(visible=True)
    cut = sum(not low <= value <= high for value in everything)
    if cut:
        side = "below" if quantity == "accuracy" else "above"
        y = 0.04 if quantity == "accuracy" else 0.96
        text = f"{cut} of {len(everything)} values lie {side}"
        va: Literal["bottom", "top"] = "bottom" if quantity == "accuracy" else "top"
        axes.text(0.99, y, text, ha="right", va=va, alpha=0.75, transform=axes.transAxes)


def _look(name: str, index: int) -> dict[str, Any]:
    """Return a line's colour, dash and marker: the ensemble in ink, members in colour."""
    if name == "ensemble":
        return {"color": INK, "linestyle": "-", "linewidth": 1.8, "marker": "*"}
    turn = index % len(PALETTE)
    dash = DASHES[(index + index // len(PALETTE)) % len(DASHES)]
    return {"color": PALETTE[turn], "linestyle": dash, "marker": MARKERS[turn]}


def _number(name: str) -> int:
    """Return the place of "member 2" among the members: 1."""
    digits = re.search(r"\d+$", name)
    return int(digits[0]) - 1 if digits else 0


def _the(name: str) -> str:
    return "the ensemble" if name == "ensemble" else name
