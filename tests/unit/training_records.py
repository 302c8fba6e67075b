"""Records and events of trainings that never were."""

from tenfold.artifacts.training import EvaluationEvent, JournalRecord, ProgressEvent


def record_of(step: int, accuracy: float = 0.5) -> JournalRecord:
    """Return a line of a journal; what is not asked for differs from field to field."""
    facts = {name: 0.5 * i for i, name in enumerate(JournalRecord.model_fields)}
    counts = {"step": step, "stage": 0, "batch_size": 32, "images": 32 * step}
    return JournalRecord.model_validate(facts | counts | {"accuracy": accuracy})


def evaluation_event(step: int) -> EvaluationEvent:
    """Return the event of an evaluation."""
    return EvaluationEvent(record=record_of(step))


def progress_event(step: int) -> ProgressEvent:
    """Return the event of a training that has moved on."""
    return ProgressEvent(state=record_of(step))
