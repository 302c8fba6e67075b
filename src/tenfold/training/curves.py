"""Loss and accuracy at each evaluation: of every member, and of the ensemble of all."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tenfold.artifacts.evaluation import Curve, DigitMetrics, KeepRule, Selection
from tenfold.artifacts.training import JournalRecord
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.training.journal import Journal


def curves(journals: Sequence[Journal], labels: npt.NDArray[np.int64]) -> list[Curve]:
    """Return each member's curve on the monitored images, and the ensemble's if there are several.

    Args:
        journals: of the members.
        labels: of the monitored images, int64[n].
    """
    records = [journal.records() for journal in journals]
    steps = [record.step for record in records[0]]
    members = [curve_of(f"member {number}", steps, own) for number, own in enumerate(records, 1)]
    if len(journals) == 1:
        return members
    measured = []
    for index in range(len(records[0])):
        log_p = np.stack([j.log_probabilities(index, len(labels)) for j in journals])
        measured.append(measure(ensemble_log_probabilities(log_p.astype(np.float64)), labels))
    return [*members, curve_of("ensemble", steps, measured)]


def curve_of(
    name: str, steps: Sequence[int], measured: Sequence[JournalRecord | DigitMetrics]
) -> Curve:
    """Return a model's curve: what was measured at each of these iterations."""
    return Curve(
        name=name,
        step=tuple(steps),
        nll_sum=tuple(figures.nll_sum for figures in measured),
        accuracy=tuple(figures.accuracy for figures in measured),
    )


def selected_rows(curve: Curve) -> list[Selection]:
    """Return a curve's rows by rule: least loss, highest accuracy, last evaluation."""
    picks: dict[KeepRule, int] = {
        "min-nll": int(np.argmin(curve.nll_sum)),
        "max-accuracy": int(np.argmax(curve.accuracy)),
        "last": len(curve.step) - 1,
    }
    return [
        Selection(
            model=curve.name,
            rule=rule,
            step=curve.step[index],
            accuracy=curve.accuracy[index],
            nll_sum=curve.nll_sum[index],
        )
        for rule, index in picks.items()
    ]
