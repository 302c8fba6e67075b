"""A trial of a sweep where it trains: evaluations carry the loss that trials are judged by."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from tenfold.artifacts.training import EvaluationEvent, Event, FailureEvent, TrialEvaluationEvent
from tenfold.data.digits import Digits
from tenfold.errors import TenfoldError, WriteError
from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import measure
from tenfold.execution.job import Job, run_job
from tenfold.execution.run import Run
from tenfold.training.journal import Journal


def train_trial(
    job: Job, stop: Callable[[], bool], digits: tuple[Digits, Digits] | None
) -> Iterator[Event]:
    """Do as `run_job` does; where training diverges, end with a `FailureEvent`, not an error.

    Raises:
        WriteError: a full disk says nothing about the trial.
    """
    run = Run.open(job.run)
    digits = digits or run.digits()
    labels, folder = digits[1].labels.numpy(), run.members[job.member]
    try:
        for event in run_job(job, stop, digits):
            if isinstance(event, EvaluationEvent):
                index = len(Journal(folder).records()) - 1
                loss = calibrated_loss(run, index, labels)
                yield TrialEvaluationEvent(record=event.record, calibrated_nll_sum=loss)
            else:
                yield event
    except WriteError:
        raise
    except TenfoldError as error:
        reason = str(error).replace(f"{folder}: ", "").replace(f"{job.run}/", "")
        yield FailureEvent(reason=reason)


def evaluations(run: Run) -> list[TrialEvaluationEvent]:
    """Return the events of a trial's evaluations so far, as its journal has them."""
    folder = run.members[0]
    if not (folder / "journal.jsonl").exists():
        return []
    labels = run.digits()[1].labels.numpy()
    return [
        TrialEvaluationEvent(record=record, calibrated_nll_sum=calibrated_loss(run, index, labels))
        for index, record in enumerate(Journal(folder).records())
    ]


def calibrated_loss(run: Run, index: int, labels_n: npt.NDArray[np.int64]) -> float:
    """Return nll_sum on validation of a trial's evaluation, at the temperature that fits it best.

    Bundles are calibrated, too. Without calibration a sweep would drop label smoothing, which
    lowers the probabilities of right answers but makes more answers right.
    """
    journal = Journal(run.members[0])
    log_p = journal.log_probabilities(index, len(labels_n)).astype(np.float64)
    calibrated = apply_temperature(log_p, fit_temperature(log_p, labels_n))
    return measure(calibrated, labels_n).nll_sum
