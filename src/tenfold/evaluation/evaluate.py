"""Measuring a bundle on labelled digits: each member, the ensemble, and every mistake."""

import base64
from typing import Any

import numpy as np

from tenfold.data.dataset import Digits
from tenfold.evaluation.metrics import measure
from tenfold.model.bundle import Bundle

FORMAT = 1


def evaluate_bundle(bundle: Bundle, digits: Digits, split: str = "test") -> dict[str, Any]:
    """Return a JSON-ready evaluation: `data`, `models` (headline last) and `mistakes`.

    Members are measured on their own softmax, the headline on what the bundle predicts:
    the calibrated average.
    """
    labels = digits.labels.numpy()
    members = bundle.member_log_probabilities(digits.images)
    headline = bundle.combine(members)
    many = len(members) > 1
    models = [
        {"name": f"member {index}", **measure(log_p, labels).as_dict()}
        for index, log_p in enumerate(members if many else [headline], 1)
    ]
    if many:
        models.append({"name": "ensemble", **measure(headline, labels).as_dict()})
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
        "mistakes": mistakes,
    }
