"""Sweeps: trials that train, are pruned, die and go on; none is counted twice."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from tenfold.artifacts.training import JournalRecord, TrialEvaluationEvent
from tenfold.errors import RecipeError, RunError, WriteError
from tenfold.execution.config import Execution
from tenfold.execution.job import Job, OnEvent, TrainJob
from tenfold.execution.run import Run
from tenfold.studies.space import load_space
from tenfold.studies.sweep import FINISHED, open_sweep
from tenfold.studies.trial import train_trial
from tenfold.training.journal import Journal
from tenfold.training.member import Interrupted
from tenfold.training.recipe import load_recipe

from .small_sweep import SMALL, study_of


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


class Scripted:
    """An executor that trains nothing: the k-th job's evaluations have the k-th list of losses."""

    def __init__(self, *losses: Sequence[float], then: BaseException | None = None) -> None:
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
    (tmp_path / "sweep/journal.log.lock").touch()
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


def test_one_process_a_folder_and_one_sweep_a_folder(
    opened: Callable[[], Any], space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.folder_lock.LOCK_TIMEOUT_SECONDS", 0.0)
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
            WriteError, match=r"space\.toml: cannot be written \((File exists|Not a directory)\)"
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
