"""Measuring a bundle on labelled digits: each member, the ensemble, and every mistake."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.data.disputed_labels import disputed_labels
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure

FORMAT = 1


def evaluate_bundle(bundle: Bundle, digits: Digits, split: str = "test") -> dict[str, Any]:
    """Return a JSON-ready evaluation: `data`, `models` (headline last), `calibration`, `mistakes`.

    The headline is what the bundle predicts: the calibrated average. Members are measured alone,
    at the bundle's temperature. `calibration` has the headline at temperature 1 beside it;
    `disputed` is None where no disputed labels are known.
    """
    labels = digits.labels.numpy()
    members = bundle.member_log_probabilities(digits.images)
    headline = bundle.combine(members)
    rows = [
        (f"member {number}", bundle.combine(members[number - 1 : number]))
        for number in range(1, len(members) + 1)
    ]
    if len(members) > 1:
        rows.append(("ensemble", headline))
    models = [{"name": name, **measure(log_p, labels).as_dict()} for name, log_p in rows]
    plain, calibrated = measure(ensemble_log_probabilities(members), labels), models[-1]
    predictions = headline.argmax(axis=1)
    probabilities = np.exp(headline)
    mistakes = [
        {
            "index": int(index),
            "label": int(labels[index]),
            "prediction": int(predictions[index]),
            "confidence": float(probabilities[index].max()),
            "probabilities": [round(float(p), 6) for p in probabilities[index]],
            "image": base64.b64encode(digits.images[index].numpy().tobytes()).decode(),
        }
        for index in np.flatnonzero(predictions != labels)
    ]
    return {
        "format": FORMAT,
        "data": {
            "name": digits.name,
            "split": split,
            "images": len(digits),
            "sha256": digits.sha256,
        },
        "models": models,
        "calibration": {
            "temperature": bundle.config.temperature,
            "before": {"nll_sum": plain.nll_sum, "ece": plain.ece},
            "after": {"nll_sum": calibrated["nll_sum"], "ece": calibrated["ece"]},
        },
        "disputed": _disputed(digits, predictions != labels),
        "mistakes": mistakes,
    }


def _disputed(digits: Digits, wrong_n: npt.NDArray[np.bool_]) -> dict[str, Any] | None:
    """Count the mistakes among the labels that people dispute; None if none is known."""
    if not (indices := disputed_labels(digits.sha256)):
        return None
    wrong = int(wrong_n[list(indices)].sum())
    left = len(wrong_n) - len(indices)
    return {
        "labels": len(indices),
        "mistakes": wrong,
        "accuracy_without": 1 - (int(wrong_n.sum()) - wrong) / left,
    }
