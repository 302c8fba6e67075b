"""Figures of loss and accuracy over the iterations.

Lines differ in colour, dash and marker, so that any one of the three tells them apart.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenfold.artifacts.evaluation import Curve
from tenfold.report.drawing import CURRENT_COLOR, PALETTE, STYLE, Drawing, drawing, panels

DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 2)))
MARKERS = "osD^vP"
MAX_ALL_MARKED = 25
"""Curves of up to so many evaluations have a marker at each."""
MAX_NAME_IN_COLUMNS = 11
"""Names of up to so many letters fit four in a row of a legend."""
LABELS = {
    "nll_sum": "nll_sum (loss_p), nats",
    "accuracy": "accuracy, % of images",
    "nll": "mean NLL, nats per image",
}
Quantity = Literal["nll_sum", "accuracy", "nll"]


@mpl.rc_context(STYLE)
def curve_figure(
    name: str, curve: Curve, where: str, stages: Sequence[int], index: int = 0
) -> Drawing:
    """Draw the loss and accuracy of model `index` over the iterations (the seed's figures 1 to 5).

    `where` is what it was measured on, such as "10,000 test images". New stages begin at `stages`.
    """
    figure, (loss, accuracy) = panels(2, 4.4)
    look = _look(curve.name, index) | {"linestyle": "-"}
    least, most = int(np.argmin(curve.nll_sum)), int(np.argmax(curve.accuracy))
    loss.set_title(f"least {curve.nll_sum[least]:,.2f} at iteration {curve.step[least]:,}")
    accuracy.set_title(f"most {100 * curve.accuracy[most]:.2f} % at iteration {curve.step[most]:,}")
    _lines(loss, [curve], "nll_sum", [look], stages)
    _lines(accuracy, [curve], "accuracy", [look], stages)
    accuracy.set_xlabel("iteration")
    model = "the ensemble" if curve.name == "ensemble" else curve.name
    caption = f"Loss and accuracy of {model} over the iterations, on {where}."
    return drawing(figure, name, caption)


@mpl.rc_context(STYLE)
def members_figure(
    name: str, curves: Sequence[Curve], quantity: Literal["nll_sum", "accuracy"], where: str
) -> Drawing:
    """Draw one quantity of all members and the ensemble (the seed's figures 6 and 7)."""
    title = {"nll_sum": "Loss", "accuracy": "Accuracy"}[quantity]
    caption = f"{title} of the members and the ensemble, on {where}."
    return drawing(_all_curves(curves, [quantity]), name, caption)


@mpl.rc_context(STYLE)
def comparison_figure(curves: Sequence[Curve], images: Sequence[int]) -> Drawing:
    """Draw the headline curves of several runs, each named after its run.

    If they were not all measured on as many `images`, the mean NLL is drawn: sums could not be
    compared.
    """
    if len(set(images)) == 1:
        caption = f"Loss and accuracy of each run's headline model, on {images[0]:,} images."
        return drawing(_all_curves(curves, ["nll_sum", "accuracy"]), "comparison", caption)
    means = [
        curve.model_copy(update={"nll_sum": [v / n for v in curve.nll_sum]})
        for curve, n in zip(curves, images, strict=True)
    ]
    caption = "Mean loss and accuracy of each run's headline model."
    return drawing(_all_curves(means, ["nll", "accuracy"]), "comparison", caption)


def visible_range(values: Sequence[float], *, best: Literal["low", "high"]) -> tuple[float, float]:
    """Return axis limits that show the best three quarters of the values well.

    The axis ends three times as far from the best value as the worse quartile: a few early values
    of another size lie beyond it and do not squash the rest.
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


def _all_curves(curves: Sequence[Curve], quantities: Sequence[Quantity]) -> Figure:
    """Draw all curves in one panel a quantity, with one legend."""
    figure, rows = panels(len(quantities), 2.6 + 1.3 * len(quantities))
    looks = [_look(curve.name, index) for index, curve in enumerate(curves)]
    for axes, quantity in zip(rows, quantities, strict=True):
        _lines(axes, curves, quantity, looks)
    rows[-1].set_xlabel("iteration")
    names = [curve.name for curve in curves]
    columns = 4 if max(map(len, names)) <= MAX_NAME_IN_COLUMNS else 1
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
    best: Literal["low", "high"] = "high" if quantity == "accuracy" else "low"
    everything: list[float] = []
    for curve, look in zip(curves, looks, strict=True):
        values = [100 * v for v in curve.accuracy] if best == "high" else curve.nll_sum
        every = 1 if len(values) <= MAX_ALL_MARKED else len(values) // 8
        axes.plot(curve.step, values, markevery=every, **look)
        everything += values
    axes.vlines(
        list(stages),
        *(0, 1),
        color=CURRENT_COLOR,
        alpha=0.4,
        linewidth=0.8,
        linestyle=":",
        transform=axes.get_xaxis_transform(),
    )
    low, high = visible_range(everything, best=best)
    axes.set_ylim(low, min(high, 100.0) if best == "high" else high)
    axes.set_ylabel(LABELS[quantity])
    if hidden := sum(not low <= value <= high for value in everything):
        side, y, va = ("below", 0.04, "bottom") if best == "high" else ("above", 0.96, "top")
        text = f"{hidden} of {len(everything)} values lie {side}"
        axes.text(0.99, y, text, ha="right", va=va, alpha=0.75, transform=axes.transAxes)


def _look(name: str, index: int) -> dict[str, Any]:
    """Return a line's colour, dash and marker; the ensemble has the colour of the text."""
    if name == "ensemble":
        return {"color": CURRENT_COLOR, "linestyle": "-", "linewidth": 1.8, "marker": "*"}
    turn = index % len(PALETTE)
    dash = DASHES[(index + index // len(PALETTE)) % len(DASHES)]
    return {"color": PALETTE[turn], "linestyle": dash, "marker": MARKERS[turn]}
