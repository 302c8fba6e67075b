"""Jobs on this machine: taken when there is capacity, ended on request."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from training_records import evaluation_event

from tenfold.artifacts.training import EvaluationEvent, Event
from tenfold.data.digits import Digits
from tenfold.execution.job import Job
from tenfold.execution.local import LocalExecutor


def count(
    job: Job,
    stop: Callable[[], bool],
    digits: tuple[Digits, Digits] | None = None,  # noqa: ARG001 - part of what an executor calls
) -> Iterator[Event]:
    """Stand in for a job that trains: three events, or no end if it is member 1."""
    for step in itertools.count() if job.member == 1 else range(3):
        yield evaluation_event(step)
        time.sleep(0.01)
        assert not stop()


def jobs(folder: Path, members: int) -> list[Job]:
    return [Job(folder, member, "cpu", "float32", 1) for member in range(members)]


# These workers compute nothing, so that they may be forked.
@pytest.mark.parametrize("local", [LocalExecutor(1), LocalExecutor(2, "fork")])
def test_an_executor_ends_a_job_on_request(local: LocalExecutor, tmp_path: Path) -> None:
    steps: list[list[int]] = [[], [], []]

    def on_event(job: Job, event: Event) -> bool:
        assert isinstance(event, EvaluationEvent)
        steps[job.member].append(event.record.step)
        return job.member == 1 and event.record.step == 4

    local(jobs(tmp_path, 3), on_event, count)
    assert steps == [[0, 1, 2], [0, 1, 2, 3, 4], [0, 1, 2]]


def test_jobs_are_taken_when_there_is_capacity(tmp_path: Path) -> None:
    ended: list[int] = []

    def lazily() -> Iterator[Job]:
        for job in jobs(tmp_path, 5):
            assert len(ended) >= job.member - 1  # two workers
            yield job

    def on_event(job: Job, event: Event) -> bool:
        assert isinstance(event, EvaluationEvent)
        if event.record.step == 2:
            ended.append(job.member)
        return event.record.step == 2

    LocalExecutor(2, "fork")(lazily(), on_event, count)
    assert sorted(ended) == list(range(5))
