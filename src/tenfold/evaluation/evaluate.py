"""Measuring a bundle on labelled digits: each member, the ensemble, and every mistake."""

import numpy as np
import numpy.typing as npt

from tenfold.artifacts.evaluation import (
    Calibration,
    CalibrationFigures,
    Disputed,
    Evaluation,
    MeasuredImages,
    Mistake,
    ModelMetrics,
    OperatingPoint,
)
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.data.disputed_labels import disputed_labels
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.evaluation.risk_coverage import measure_risk_coverage


def evaluate_bundle(bundle: Bundle, digits: Digits, split: str = "test") -> Evaluation:
    """Measure every member at the bundle's temperature, and what the bundle predicts.

    The headline, last of `models`, is the calibrated average of the members. `calibration` has it
    at temperature 1, too.
    """
    labels = digits.labels.numpy()
    members = bundle.member_log_probabilities(digits.images)
    headline = bundle.combine(members)
    rows = [(f"member {k}", bundle.combine(members[k - 1 : k])) for k in range(1, len(members) + 1)]
    if len(members) > 1:
        rows.append(("ensemble", headline))
    models = [ModelMetrics(name=name, **dict(measure(log_p, labels))) for name, log_p in rows]
    plain, calibrated = measure(ensemble_log_probabilities(members), labels), models[-1]
    confidence, wrong = np.exp(headline.max(axis=1)), headline.argmax(axis=1) != labels
    threshold = bundle.config.rejection_threshold
    accepted = confidence >= threshold
    chosen = OperatingPoint(
        confidence=threshold, accepted=int(accepted.sum()), wrong=int((accepted & wrong).sum())
    )
    return Evaluation(
        data=MeasuredImages(
            name=digits.name, split=split, images=len(digits), sha256=digits.sha256
        ),
        models=tuple(models),
        calibration=Calibration(
            temperature=bundle.config.temperature,
            before=CalibrationFigures(nll_sum=plain.nll_sum, ece=plain.ece),
            after=CalibrationFigures(nll_sum=calibrated.nll_sum, ece=calibrated.ece),
        ),
        disputed=_disputed(digits, wrong),
        risk_coverage=measure_risk_coverage(np.minimum(confidence, 1), wrong, chosen),
        mistakes=tuple(
            _mistake(digits, int(index), headline[index]) for index in np.flatnonzero(wrong)
        ),
    )


def _mistake(digits: Digits, index: int, log_p_k: npt.NDArray[np.float64]) -> Mistake:
    """Describe the image `index`, given its log probabilities float64[10]."""
    p = np.exp(log_p_k)
    return Mistake(
        index=index,
        label=int(digits.labels[index]),
        prediction=int(log_p_k.argmax()),
        confidence=float(p.max()),
        probabilities=tuple(round(float(value), 6) for value in p),
        image=digits.images[index].numpy().tobytes(),
    )


def _disputed(digits: Digits, wrong_n: npt.NDArray[np.bool_]) -> Disputed | None:
    """Count the mistakes among the labels that people dispute; None if none is known."""
    if not (indices := disputed_labels(digits.sha256)):
        return None
    mistakes = int(wrong_n[list(indices)].sum())
    others = len(wrong_n) - len(indices)
    return Disputed(
        labels=len(indices),
        mistakes=mistakes,
        accuracy_without=1 - (int(wrong_n.sum()) - mistakes) / others,
    )
