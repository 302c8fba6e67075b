"""What all figures share: their style, their panels, and how they become SVG text.

Words and axes are drawn in `currentColor`, so that they follow a light or a dark page. Lines have
the colours of Okabe & Ito (2008), which are safe for colour-blind readers. The same input gives
the same bytes.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

CURRENT_COLOR = "#010203"  # matplotlib knows no currentColor: replaced when the SVG is written
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
WIDTH_INCHES = 5.4  # at this width ten-point words are legible on a phone
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib; the page's own font replaces it
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.25,
    "grid.color": CURRENT_COLOR,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.parse_math": False,  # runs may be named anything
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"),
        CURRENT_COLOR,
    ),
}


@dataclass(frozen=True)
class Drawing:
    """A figure: `name` is unique within a page, `caption` a sentence, `svg` an element."""

    name: str
    caption: str
    svg: str


def panels(
    rows: int, height_inches: float, ratios: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes, one above the other, with the heights in these `ratios`."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    column = figure.subplots(rows, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for axes in column:
        axes.xaxis.set_major_formatter(thousands)
    return figure, list(column)


def thousands(value: float, _: object = None) -> str:
    """Write a tick such as "1,000"; none between two whole numbers."""
    return f"{value:,.0f}" if value == round(value) else ""


def log_tick(value: float, _: object = None) -> str:
    """Write a tick of a logarithmic axis, such as "0.001" or "1,000"."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def drawing(figure: Figure, name: str, caption: str) -> Drawing:
    """Write a figure as an `<svg>` element whose ids start with `name`."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(CURRENT_COLOR, "currentColor")
    svg = svg.replace("'DejaVu Sans'", "system-ui")
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)
    return Drawing(name, caption, svg)
