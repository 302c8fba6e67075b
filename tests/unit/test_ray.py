"""Members trained on a cluster that is a function call away and whose machines die on purpose."""

import contextlib
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_ray import FakeRay, Ref

from tenfold.artifacts.training import EvaluationEvent, Event, FailureEvent
from tenfold.errors import RunError
from tenfold.execution import ray as module
from tenfold.execution import remote
from tenfold.execution.config import Execution
from tenfold.execution.create import open_or_create
from tenfold.execution.job import Executor, Job, jobs_of, run_job
from tenfold.execution.local import LocalExecutor
from tenfold.execution.ray import MessageQueue, RayExecutor
from tenfold.execution.remote import Task
from tenfold.execution.run import Run
from tenfold.execution.train import train
from tenfold.studies.space import load_space
from tenfold.studies.sweep import open_sweep
from tenfold.training.member import Interrupted
from tenfold.training.recipe import load_recipe
from tenfold.training.trainer import Trainer

pytestmark = pytest.mark.processes

NAMES = ("here", "elsewhere")
SMALL = ("training.stages.0.iterations=12", "training.stages.1.iterations=12")


@pytest.fixture(autouse=True)
def no_progress_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.training.member.PROGRESS_SECONDS", 1e9)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the same on this machine."""
    return train(
        "smoke",
        overrides=SMALL,
        out=tmp_path_factory.mktemp("local") / "run",
        execution=Execution(threads=1),
    ).path


def create(folder: Path, *more: str) -> Run:
    return open_or_create(load_recipe("smoke", [*SMALL, *more]), folder, Execution(threads=1))


def executor_on(ray: FakeRay) -> RayExecutor:
    """Return an executor; tasks import this ray, too."""
    sys.modules["ray"] = ray  # type: ignore[assignment]
    return RayExecutor(ray)


@pytest.fixture(autouse=True)
def real_ray() -> Iterator[None]:
    """Bring back the real module afterwards, if it was there."""
    before = sys.modules.pop("ray", None)
    yield
    sys.modules.pop("ray", None)
    if before:
        sys.modules["ray"] = before


def execute(run: Run, ray: FakeRay) -> list[tuple[int, Event]]:
    events: list[tuple[int, Event]] = []
    executor_on(ray)(jobs_of(run), lambda job, event: events.append((job.member, event)))
    return events


def assert_same(run: Path, local: Path) -> None:
    for name in ("00", "01"):
        ours, theirs = run / "members" / name, local / "members" / name
        assert sorted(f.name for f in ours.iterdir()) == sorted(f.name for f in theirs.iterdir())
        for file in ("weights.safetensors", "log_probabilities.f16"):
            assert (ours / file).read_bytes() == (theirs / file).read_bytes()
        lines = (ours / "journal.jsonl").read_text().splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        assert steps == [10, 20, 24]


def test_machines_elsewhere_train_the_same_bytes(tmp_path: Path, local: Path) -> None:
    run = create(tmp_path / "run")
    ray = FakeRay({})
    events = execute(run, ray)
    assert_same(run.path, local)
    assert ray.uploads == 1  # both members train on the same digits
    evaluations = [e for m, e in events if m == 1 and isinstance(e, EvaluationEvent)]
    assert [event.record.step for event in evaluations] == [10, 20, 24]
    assert execute(run, ray) == []  # a trained member is not submitted again
    assert len(ray.tasks) == 2


def test_a_lost_member_goes_on_from_its_last_checkpoint(
    tmp_path: Path, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create(tmp_path / "run")
    taken: list[int] = []
    step = Trainer.step

    def noted(self: Trainer) -> None:
        taken.append(self.step_count)
        step(self)

    monkeypatch.setattr(Trainer, "step", noted)
    # A life's messages: files (checkpoint 9), event 10, files (19), event 20, files (23), event 24,
    # files. The first ends before its third message, the second, which begins at 9, too.
    ray = FakeRay({1: 2, 3: 2})
    execute(run, ray)
    assert_same(run.path, local)
    assert [task.job.member for task in ray.tasks] == [0, 1, 0, 0]
    assert "checkpoint.safetensors" not in ray.tasks[0].files
    assert taken == [*range(20), *range(24), *range(9, 20), *range(19, 24)]


def test_a_member_that_never_reaches_a_checkpoint_is_given_up(tmp_path: Path) -> None:
    run = create(tmp_path / "run", "members=1")
    ray = FakeRay(dict.fromkeys(range(10), 1))
    with pytest.raises(
        RunError, match=r"member 0: lost its machine 3 times .*training\.checkpoint_seconds"
    ):
        execute(run, ray)
    assert len(ray.tasks) == module.MAX_LOSSES


def test_ctrl_c_brings_every_checkpoint_home(
    tmp_path: Path, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create(tmp_path / "run")
    ray = FakeRay({}, stop_after=1)
    monkeypatch.setattr(module, "interruptible", lambda: contextlib.nullcontext(ray.pressed.is_set))
    with pytest.raises(Interrupted):
        execute(run, ray)
    first, second = run.members
    assert (first / "checkpoint.safetensors").exists()
    assert not second.exists()
    monkeypatch.undo()
    execute(run, FakeRay({}))
    assert_same(run.path, local)


def test_other_versions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(tmp_path / "run", "members=1")
    sent = iter([{"torch": "1.0"}, {"torch": "2.0"}])
    monkeypatch.setattr(remote, "_versions", lambda: next(sent))
    with pytest.raises(RunError, match=r"member 0: .*: torch is 2\.0, not 1\.0; install the same"):
        execute(run, FakeRay({}))
    assert not run.members[0].exists()


def test_an_error_elsewhere_names_the_folder_here(tmp_path: Path) -> None:
    run = create(tmp_path / "run", "members=1")
    run.members[0].mkdir(parents=True)
    (run.members[0] / "checkpoint.safetensors").write_bytes(b"torn")
    with pytest.raises(RunError, match="damaged checkpoint") as raised:
        execute(run, FakeRay({}))
    assert str(run.members[0] / "checkpoint.safetensors") in str(raised.value)


def test_messages_of_a_lost_machine_are_dropped(tmp_path: Path) -> None:
    run = create(tmp_path / "run", "members=1")

    class Delayed(FakeRay):
        def wait(self, refs: list[Ref], num_returns: int = 1, timeout: float = 0) -> Any:
            if len(self.tasks) == 2:
                self.queue.messages.append((1, "files", {"weights.safetensors": b"stale"}))
            return super().wait(refs, num_returns, timeout)

    execute(run, Delayed({1: 0}))
    assert (run.members[0] / "weights.safetensors").read_bytes() != b"stale"


def test_jobs_are_taken_when_there_is_capacity_and_end_on_request(tmp_path: Path) -> None:
    runs = [create(tmp_path / f"run-{number}", "members=1") for number in range(3)]
    ray = FakeRay({}, cores=1)
    begun: list[int] = []

    def lazily() -> Iterator[Job]:
        for number, run in enumerate(runs):
            assert len(ray.tasks) == number  # the one before has ended
            begun.append(number)
            yield jobs_of(run)[0]

    ended: list[tuple[str, int]] = []

    def on_event(job: Job, event: Event) -> bool:
        assert not isinstance(event, FailureEvent)
        ended.append((job.run.name, event.state.step))
        return job.run.name == "run-1"  # at its first evaluation

    executor_on(ray)(lazily(), on_event)
    assert begun == [0, 1, 2]
    assert [step for name, step in ended if name == "run-1"] == [10]
    assert ray.queue.ended == {2}
    assert [(run.members[0] / "weights.safetensors").exists() for run in runs] == [
        True,
        False,
        True,
    ]


def test_a_sweep_elsewhere_is_a_sweep_here(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(
        '"training.stages.1.learning_rate.start" = { low = 0.0001, high = 0.05, log = true }'
    )
    space = load_space(tmp_path / "space.toml", load_recipe("smoke", SMALL))
    found = []
    executors: list[Executor] = [LocalExecutor(1), executor_on(FakeRay({2: 3}, cores=1))]
    for name, executor in zip(NAMES, executors, strict=True):
        with open_sweep(space, tmp_path / name) as sweep:
            sweep.run(3, Execution(executor=executor))
            found.append([(t.value, t.intermediate_values, t.params) for t in sweep.trials()])
    assert found[0] == found[1]
    weights = [tmp_path / name / "trials/0002/members/00/weights.safetensors" for name in NAMES]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_checkpoint_is_stored_after_the_journal_that_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(remote, "write_atomically", lambda path, _: written.append(path.name))
    names = ("checkpoint.safetensors", "journal.jsonl", "log_probabilities.f16")
    remote.store(tmp_path, dict.fromkeys(names, b""))
    assert written == list(reversed(names))  # killed in between, a journal counts no more than is


def test_a_message_queue_drops_what_an_ended_task_sends() -> None:
    queue = MessageQueue()
    assert not queue.put(1, "event", "a")
    queue.end(2)
    assert queue.put(2, "event", "b")
    assert not queue.put(1, "event", "c")
    assert queue.take() == [(1, "event", "a"), (1, "event", "c")]
    queue.stop()
    assert queue.put(1, "event", "d")


def test_a_job_is_plain_data(tmp_path: Path) -> None:
    job = Job(tmp_path, 0, "cpu", "float32", 1)
    task = Task(run_job, job, "", {"a": b"b"}, {})
    assert pickle.loads(pickle.dumps(task)) == task
