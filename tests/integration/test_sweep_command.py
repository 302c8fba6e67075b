"""The command sweep: trials, finals, fresh seeds and the page; killed, it is continued."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from tenfold.execution.run import Run
from tenfold.studies.sweep import FINISHED
from tenfold.training.journal import Journal
from tenfold.training.recipe import load_recipe

from .drawn_pictures import Tenfold
from .small_sweep import SMALL, study_of

SET = [word for change in SMALL for word in ("--set", change)]


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
def test_the_command_runs_trials_and_finals_and_reports(
    space: Path, tmp_path: Path, tenfold: Tenfold
) -> None:
    folder = tmp_path / "sweep"
    words = ["sweep", "smoke", "--space", space, "--trials", 4, "--seeds", 2, "--out", folder]
    found = json.loads(tenfold(*words, *SET, "--threads", 1, "--json").out)
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


@pytest.mark.processes
def test_killed_and_continued_by_the_same_command(
    space: Path, tmp_path: Path, start: Callable[..., Any], tenfold: Tenfold
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
    assert tenfold(*words, "--threads", 1).code == 0
    study = study_of(folder)
    finished = [t for t in study.trials if t.state in FINISHED]
    assert len(finished) == 4
    assert before <= {t.number for t in finished}
    assert len(before) >= 2
    assert not [t for t in study.trials if t.state in {TrialState.RUNNING, TrialState.WAITING}]
    runs = [t.user_attrs["run"] for t in finished]
    assert len(set(runs)) == 4
    assert len({json.dumps(t.params) for t in finished}) == 4
