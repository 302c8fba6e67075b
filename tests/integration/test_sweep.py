"""Sweeps: trials that train, are pruned, die and go on; none is counted twice."""

import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from tenfold.artifacts.training import EvaluationEvent, Event, JournalRecord, TrialEvaluationEvent
from tenfold.cli import app
from tenfold.data.digits import Digits
from tenfold.errors import RecipeError, RunError
from tenfold.execution.config import Execution
from tenfold.execution.job import Job, OnEvent, TrainJob
from tenfold.execution.local import LocalExecutor
from tenfold.execution.run import Run
from tenfold.studies.space import load_space
from tenfold.studies.sweep import FINISHED, open_sweep
from tenfold.studies.trial import train_trial
from tenfold.training.journal import Journal
from tenfold.training.member import Interrupted
from tenfold.training.recipe import load_recipe

SMALL = (
    "training.stages.0.iterations=6",
    "training.stages.1.iterations=6",
    "training.evaluate_every=4",
)
SET = [word for change in SMALL for word in ("--set", change)]
SPACE = """
"training.stages.1.learning_rate.start" = { low = 0.0001, high = 0.05, log = true }
"network.pooling" = { choices = ["mixed", "max"] }
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take losses as journals have them."""

    def loss(run: Run, index: int, _: object) -> float:
        return Journal(run.members[0]).records()[index].nll_sum

    monkeypatch.setattr("tenfold.studies.trial.calibrated_loss", loss)


@pytest.fixture
def opened(space: Path, tmp_path: Path, scripted: None) -> Callable[[], Any]:  # noqa: ARG001
    """Open the sweep of a small `smoke` in this test's folder, as often as asked."""
    return lambda: open_sweep(load_space(space, load_recipe("smoke", SMALL)), tmp_path / "sweep")


def study_of(folder: Path) -> optuna.Study:
    """Read Optuna's journal as any other program would."""
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


class Scripted:
    """An executor that trains nothing: the k-th job's evaluations have the k-th list of losses."""

    def __init__(self, *losses: Sequence[float], then: Exception | None = None) -> None:
        self.losses = list(losses)
        self.then = then
        self.jobs: list[Job] = []
        self.seen: list[int] = []

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent, train: TrainJob) -> None:
        assert train is train_trial
        waiting = iter(self.losses)
        for job in jobs:
            self.jobs.append(job)
            self.seen.append(0)
            folder = Run.open(job.run).members[0]
            folder.mkdir(parents=True, exist_ok=True)
            try:
                losses = next(waiting)
            except StopIteration:
                raise self.then or AssertionError("one job too many") from None
            for loss in losses:
                self.seen[-1] += 1
                record = write(folder, loss)
                event = TrialEvaluationEvent(record=record, calibrated_nll_sum=loss)
                if on_event(job, event):
                    break


def record_of(step: int, nll_sum: float = 1.0) -> JournalRecord:
    """Return a line of a journal."""
    facts = dict.fromkeys(JournalRecord.model_fields, 0) | {"step": step, "nll_sum": nll_sum}
    return JournalRecord.model_validate(facts)


def write(folder: Path, loss: float) -> JournalRecord:
    """Add an evaluation to a member's journal."""
    journal = Journal(folder)
    done = len(journal.records()) if journal.path.exists() else 0
    record = record_of(4 * (done + 1), loss)
    journal.append(record, np.zeros((1, 10), np.float32))
    return record


def coldest(journal: Journal, index: int) -> float:
    """Return the least nll_sum over a fine grid of temperatures."""
    _, validation = Run.open(journal.path.parents[2]).digits()
    labels = validation.labels.numpy()
    log_p = journal.log_probabilities(index, len(labels)).astype(np.float64)
    scaled = [log_p / temperature for temperature in np.geomspace(0.05, 20, 2000)]
    right = np.arange(len(labels)), labels
    return min(float((np.log(np.exp(s).sum(1)) - s[right]).sum()) for s in scaled)


def on_validation(run: Run) -> float:
    """Return nll_sum of a run's bundle on its validation images."""
    _, validation = run.digits()
    p = run.bundle().probabilities(validation.images)
    return float(-np.log(p[np.arange(len(p)), validation.labels.numpy()]).sum())


@pytest.mark.processes
def test_the_command_runs_trials_and_finals_and_reports(space: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    words = ["sweep", "smoke", "--space", space, "--trials", 4, "--seeds", 2, "--out", folder]
    result = CliRunner().invoke(app, [str(w) for w in [*words, *SET, "--threads", 1, "--json"]])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.strip().splitlines()[-1])
    study = study_of(folder)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 4
    first = study.trials[0].params
    assert first["training.stages.1.learning_rate.start"] == 0.005  # smoke's own come first
    for trial in study.trials:
        journal = Journal(folder / "trials" / f"{trial.number:04}" / "members/00")
        losses = [record.nll_sum for record in journal.records()]
        calibrated = [coldest(journal, index) for index in range(len(losses))]
        assert list(trial.intermediate_values.values()) == pytest.approx(calibrated, rel=1e-4)
        kept = int(np.argmin(losses))  # smoke keeps the least
        assert trial.value == pytest.approx(calibrated[kept], rel=1e-4)
    # The least trial and the recipe itself meet again, with three more seeds.
    least = min(study.trials, key=lambda t: t.value or 0)
    finalists = sorted({least.number, 0})
    finals = {
        number: np.mean(
            [on_validation(Run.open(folder / f"finals/{number:04}/seed-{s}")) for s in (1, 2, 3)]
        )
        for number in finalists
        if len(finalists) > 1
    }
    found_finals = json.loads((folder / "sweep.json").read_text())["finals"]
    assert {f["number"]: np.mean(f["validation_nll_sum"]) for f in found_finals} == pytest.approx(
        finals
    )
    least = study.trials[min(finals, key=lambda n: finals[n], default=0)]
    assert found["best"]["number"] == least.number
    assert found["best"]["nll_sum"] == least.value
    best = load_recipe(Path(found["recipe"]))
    own = load_recipe("smoke", SMALL)
    start = least.params["training.stages.1.learning_rate.start"]
    assert best.training.stages[1].learning_rate.start == start
    assert best.members == own.members == 2
    assert best.changed({"training.stages.1.learning_rate.start": 0.005, "name": "smoke"}) == (
        own.changed({"network.pooling": best.network.pooling})
    )
    for name, folder_name in (
        ("baseline", "baseline"),
        ("best", f"best-{least.number:04}" if least.number else "baseline"),
    ):
        runs = [Run.open(folder / folder_name / f"seed-{seed}") for seed in (4, 5)]
        measured = found["fresh_seeds"]["validation_nll_sum"][name]
        assert measured["n"] == 2
        assert measured["mean"] == pytest.approx(np.mean([on_validation(run) for run in runs]))
    page = Path(found["report"]).read_text()
    assert "4 trials, 0 of them pruned" in page
    assert "Importance" in page or "importance" in page
    assert page.count("<svg") == 2


def test_a_trial_worse_than_the_median_is_pruned(opened: Callable[[], Any], tmp_path: Path) -> None:
    good = [[9.0, 8.0, value] for value in (5.0, 4.0, 3.0, 4.0, 5.0)]
    executor = Scripted(*good, [10.0, 9.0, 1.0], [8.0, 7.0, 6.0])
    ended: list[int] = []
    with opened() as sweep:
        sweep.run(7, Execution(executor=executor), lambda trial: ended.append(trial.number))
        trial = sweep.study.best_trial
    assert executor.seen == [3, 3, 3, 3, 3, 1, 3]  # at the first evaluation, above the median
    trials = study_of(tmp_path / "sweep").trials
    assert [t.state.name for t in trials] == ["COMPLETE"] * 5 + ["PRUNED", "COMPLETE"]
    assert trial.number == 2
    assert ended == list(range(7))


def test_what_a_dead_process_left_is_begun_again(opened: Callable[[], Any], tmp_path: Path) -> None:
    with opened() as sweep:
        sweep.run(2, Execution(executor=Scripted([3.0, 2.0, 1.0], [3.0, 2.0, 2.0])))
        # As a process killed in its third trial leaves it, half a line in the journal included.
        dead = sweep.study.ask(sweep.space.distributions)
        dead.set_user_attr("owner", sweep.owner)
        dead.set_user_attr("run", "0002")
        dead.report(3.5, 4)
        sweep.study.ask()  # killed while it was asking: no parameters yet
    with (tmp_path / "sweep/journal.log").open("a") as file:
        file.write('{"op_code":6,"worker_id":"')
    (tmp_path / "sweep/journal.log.lock").symlink_to("journal.log")
    executor = Scripted([3.5, 1.5, 0.5], [3.0, 2.5, 2.0])
    with opened() as sweep:
        sweep.run(4, Execution(executor=executor))
    assert [job.run.name for job in executor.jobs] == ["0002", "0005"]
    trials = study_of(tmp_path / "sweep").trials
    states = [t.state.name for t in trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[4].params == dead.params
    assert trials[4].user_attrs["run"] == "0002"
    finished = [t for t in trials if t.state in FINISHED]
    assert len({json.dumps(t.params) for t in finished}) == 4  # resuming draws nothing twice


def test_a_stopped_sweep_goes_on_with_its_trial(opened: Callable[[], Any], tmp_path: Path) -> None:
    with opened() as sweep, pytest.raises(Interrupted):
        sweep.run(3, Execution(executor=Scripted([3.0, 2.0, 1.0], then=Interrupted())))
    for loss in (5.0, 4.0):
        write(tmp_path / "sweep/trials/0001/members/00", loss)
    executor = Scripted([0.5])
    with opened() as sweep:
        sweep.run(2, Execution(executor=executor))
        trial = sweep.study.best_trial
        assert [t.state.name for t in sweep.trials()] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert [job.run.name for job in executor.jobs] == ["0001"]
    assert trial.number == 2
    assert trial.intermediate_values == {4: 5.0, 8: 4.0, 12: 0.5}


def test_a_trial_that_had_ended_is_reported_without_training(
    opened: Callable[[], Any], tmp_path: Path
) -> None:
    with opened() as sweep, pytest.raises(Interrupted):
        sweep.run(1, Execution(executor=Scripted(then=Interrupted())))
    for loss in (5.0, 2.0, 4.0):
        write(tmp_path / "sweep/trials/0000/members/00", loss)
    executor = Scripted()
    with opened() as sweep:
        sweep.run(1, Execution(executor=executor))
        assert sweep.study.best_value == 2.0
    assert not executor.jobs


def test_one_that_diverges_counts_as_pruned(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(
        '"training.stages.0.learning_rate.start" = { low = 1e30, high = 1e31 }'
    )
    space = load_space(tmp_path / "space.toml", load_recipe("smoke", SMALL))
    with open_sweep(space, tmp_path / "sweep") as sweep:
        with pytest.raises(RunError, match="no trial came to its end; narrow the space"):
            sweep.run(2, Execution(threads=1))
        trials = sweep.trials()
    assert [t.state for t in trials] == [TrialState.PRUNED] * 2
    assert all("training diverged by iteration" in t.user_attrs["reason"] for t in trials)


@pytest.mark.processes
def test_killed_and_continued_by_the_same_command(
    space: Path, tmp_path: Path, start: Callable[..., Any]
) -> None:
    folder = tmp_path / "sweep"
    words = ["sweep", "smoke", "--space", space, "--trials", 4, "--seeds", 1, "--out", folder]
    words += [*SET, "--set", "members=1", "--json"]
    first = start(*words, "--threads", 2)
    for line in first.stderr:
        if line.startswith("2/4"):
            break
    os.killpg(first.pid, signal.SIGKILL)
    before = {t.number for t in study_of(folder).trials if t.state in FINISHED}
    second = CliRunner().invoke(app, [str(word) for word in [*words, "--threads", 1]])
    assert second.exit_code == 0, second.output
    study = study_of(folder)
    finished = [t for t in study.trials if t.state in FINISHED]
    assert len(finished) == 4
    assert before <= {t.number for t in finished}
    assert len(before) >= 2
    assert not [t for t in study.trials if t.state in {TrialState.RUNNING, TrialState.WAITING}]
    runs = [t.user_attrs["run"] for t in finished]
    assert len(set(runs)) == 4
    assert len({json.dumps(t.params) for t in finished}) == 4


def test_one_process_a_folder_and_one_sweep_a_folder(
    opened: Callable[[], Any], space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.execution.folder.LOCK_TIMEOUT_SECONDS", 0.0)
    with opened(), pytest.raises(RunError, match="another process is at work there"), opened():
        pass
    with (
        pytest.raises(RunError, match=r"recipe\.toml: of another sweep; name another --out"),
        open_sweep(load_space(space, load_recipe("smoke")), tmp_path / "sweep"),
    ):
        pass
    monitored = load_recipe("smoke", ["data.monitor=test"])
    with (
        pytest.raises(RecipeError, match="a sweep selects on validation images"),
        open_sweep(load_space(space, monitored), tmp_path / "other"),
    ):
        pass
    assert not (tmp_path / "other").exists()
    with (
        pytest.raises(
            RunError, match=r"space\.toml: cannot be written \((File exists|Not a directory)\)"
        ),
        open_sweep(load_space(space, load_recipe("smoke")), space),
    ):
        pass


@pytest.mark.usefixtures("scripted")
def test_machines_share_a_storage(space: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    loaded = load_space(space, load_recipe("smoke", SMALL))
    with open_sweep(loaded, tmp_path / "a", url) as a, open_sweep(loaded, tmp_path / "b", url) as b:
        a.run(2, Execution(executor=Scripted([3.0, 2.0, 1.0], [3.0, 2.0, 2.0])))
        running = a.study.ask(loaded.distributions)
        running.set_user_attr("owner", a.owner)
        b.run(4, Execution(executor=Scripted([3.0, 2.0, 0.5])))  # the fourth is running elsewhere
        assert b.study.best_value == 0.5
        assert len(b.trials(TrialState.RUNNING)) == 1
    with (
        pytest.raises(RunError, match=r"--storage nonsense://x: cannot be opened \("),
        open_sweep(loaded, tmp_path / "c", "nonsense://x"),
    ):
        pass


def count(
    job: Job,
    stop: Callable[[], bool],
    digits: tuple[Digits, Digits] | None = None,  # noqa: ARG001 - part of what an executor calls
) -> Iterator[Event]:
    """Stand in for a job that trains: three events, or no end if it is member 1."""
    for step in itertools.count() if job.member == 1 else range(3):
        yield EvaluationEvent(record=record_of(step))
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
