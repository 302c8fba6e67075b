"""The page of `tenfold evaluate --report`: what a reader accepts of pictures, and what is wrong."""

from collections.abc import Sequence
from pathlib import Path

from tenfold.artifacts.evaluation import ReaderEvaluation
from tenfold.report.figures import risk_coverage_figure
from tenfold.report.page import render, write_page

MAX_CURVES = 24


def write_reader_report(evaluations: Sequence[ReaderEvaluation], page: Path) -> Path:
    """Write a page about how a reader read some sets of pictures.

    Raises:
        WriteError: it cannot be written.
    """
    curves = {e.data.name: e.risk_coverage for e in evaluations if e.risk_coverage}
    shown = dict(list(curves.items())[:MAX_CURVES])
    figure = risk_coverage_figure(shown) if shown else None
    return write_page(page, render("reader.html", evaluations=evaluations, figure=figure))
