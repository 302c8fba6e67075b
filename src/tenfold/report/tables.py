"""The rows of a report's tables, and the words around them.

Rows that were selected on test are never in one group with rows that were not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tenfold.artifacts.evaluation import RunEvaluation
from tenfold.artifacts.finished_run import FinishedRun

RULES = {"min-nll": "min loss", "max-accuracy": "max accuracy", "last": "end of training"}


@dataclass(frozen=True)
class Row:
    """A line of the headline table."""

    model: str
    rule: str
    step: int | None
    accuracy: float
    nll_sum: float
    selected_on: str
    kept: bool = False


@dataclass(frozen=True)
class Group:
    """Lines that may be compared with each other, and a sentence that says what they mean."""

    kind: Literal["selected", "validation", "honest"]
    title: str
    note: str
    rows: list[Row]


def images(count: int, split: str) -> str:
    """Return such as "10,000 test images"."""
    return f"{count:,} {split} image{'' if count == 1 else 's'}"


def where(evaluation: RunEvaluation) -> str:
    """Say what the curves were measured on."""
    return images(evaluation.curves.images, evaluation.curves.on)


def headline(evaluation: RunEvaluation) -> str:
    """Say in one sentence what the run came to."""
    best, data = evaluation.headline, evaluation.data
    mistakes = f"{best.errors:,} mistake{'' if best.errors == 1 else 's'}"
    return (
        f"{percent(best.accuracy)} of {images(data.images, data.split)} right; {mistakes}; "
        f"nll_sum {best.nll_sum:,.1f} (mean NLL {best.nll:.4f})"
    )


def kept_words(evaluation: RunEvaluation) -> str:
    """Say which weights were kept, and what that was decided on."""
    kept = evaluation.kept
    if kept.selected_on == "nothing":
        return "fixed end, nothing selected"
    return f"{RULES[kept.rule]}, chosen on {kept.selected_on}"


def groups(evaluation: RunEvaluation) -> list[Group]:
    """Sort every row of a run by the images that it was measured and selected on."""
    kept, curves = evaluation.kept, evaluation.curves
    measured = images(evaluation.data.images, evaluation.data.split)
    weights = [
        Row(m.name, f"kept: {kept_words(evaluation)}", m.step, m.accuracy, m.nll_sum,
            kept.selected_on, kept=True)
        for m in evaluation.models
    ]  # fmt: skip
    read_off = [
        Row(s.model, RULES[s.rule], s.step, s.accuracy, s.nll_sum,
            "nothing" if s.rule == "last" else curves.on)
        for s in evaluation.selection
    ]  # fmt: skip
    chosen = [row for row in read_off if row.selected_on != "nothing"]
    ends = [row for row in read_off if row.selected_on == "nothing" and kept.rule != "last"]
    selected, honest = ([], weights) if kept.selected_on != "test" else (weights, [])
    every = [
        Group(
            "validation",
            f"Read off the curves on {where(evaluation)}",
            "These rows are measured on the validation images, not on test: they show how the "
            "training went and are not results.",
            read_off if curves.on == "validation" else [],
        ),
        Group(
            "selected",
            f"Selected on test: {measured}",
            "The best iteration was chosen by looking at the very images that it is measured on, "
            "as the seed report did. Expect slightly worse figures on new images.",
            (chosen if curves.on == "test" else []) + selected,
        ),
        Group(
            "honest",
            f"Selected without test: {measured}",
            "No choice looked at the test images, so these figures are what to expect of new "
            "images like them.",
            (ends if curves.on == "test" else []) + honest,
        ),
    ]
    return [group for group in every if group.rows]


def run_groups(runs: Sequence[FinishedRun]) -> list[tuple[str, str, list[FinishedRun]]]:
    """Sort runs into those that selected on test and those that did not."""
    on_test = [run for run in runs if run.evaluation.kept.selected_on == "test"]
    without = [run for run in runs if run.evaluation.kept.selected_on != "test"]
    note = "Selected on test: the choice makes these figures optimistic; do not compare them."
    every = [
        ("honest", "Selected without test: no choice looked at the test images.", without),
        ("selected", note, on_test),
    ]
    return [(kind, title, rows) for kind, title, rows in every if rows]


def percent(fraction: float | None) -> str:
    """Return such as "99.57 %", with a space that does not break; a dash for None."""
    return "–" if fraction is None else f"{100 * fraction:.2f}\N{NO-BREAK SPACE}%"


def interval(ends: tuple[float, float]) -> str:
    """Return such as "99.42–99.68 %"."""
    return f"{100 * ends[0]:.2f}–{percent(ends[1])}"
