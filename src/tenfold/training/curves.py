"""The ensemble as training went on: softmax outputs averaged at each evaluation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.training.journal import Journal

Curve = dict[str, Any]


def curves(journals: Sequence[Journal], labels: npt.NDArray[np.int64]) -> list[Curve]:
    """Return each member's curve, and the ensemble's if there are several, on the monitored set."""
    records = [journal.records() for journal in journals]
    members = [
        {
            "name": f"member {number}",
            **{key: [r[key] for r in own] for key in ("step", "nll_sum", "accuracy")},
        }
        for number, own in enumerate(records, 1)
    ]
    if len(journals) == 1:
        return members
    together: Curve = {
        "name": "ensemble",
        "step": members[0]["step"],
        "nll_sum": [],
        "accuracy": [],
    }
    for index in range(len(records[0])):
        log_p = np.stack([j.log_probabilities(index, len(labels)) for j in journals])
        measured = measure(ensemble_log_probabilities(log_p.astype(np.float64)), labels)
        together["nll_sum"].append(measured.nll_sum)
        together["accuracy"].append(measured.accuracy)
    return [*members, together]


def selected_rows(curve: Curve) -> list[dict[str, Any]]:
    """Return a curve's rows by rule: least loss and most accuracy, as in the seed, and its end."""
    picks = {
        "min-nll": int(np.argmin(curve["nll_sum"])),
        "max-accuracy": int(np.argmax(curve["accuracy"])),
        "last": len(curve["step"]) - 1,
    }
    return [
        {
            "model": curve["name"],
            "rule": rule,
            **{key: curve[key][index] for key in ("step", "accuracy", "nll_sum")},
        }
        for rule, index in picks.items()
    ]
