"""A run that was stopped, wherever it was stopped, ends with the bytes of one that was not."""

import functools
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tenfold.artifacts.training import EvaluationEvent, Event
from tenfold.data.digits import Digits
from tenfold.errors import RunError
from tenfold.execution import train as execution
from tenfold.execution.config import Execution
from tenfold.execution.create import open_or_create
from tenfold.training.digits import digit_task
from tenfold.training.journal import Journal
from tenfold.training.member import Interrupted, MemberRun, train_member
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.trainer import Trainer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")

Start = Callable[..., "subprocess.Popen[str]"]
Whole = Callable[[str, torch.dtype], Path]
TIMINGS = ("seconds", "images_per_second")
EVALUATIONS = 9  # of a member of the smoke recipe: every 10 of 90 iterations


def journal(folder: Path) -> list[str]:
    """Return a journal's lines with what a clock has written taken out."""
    lines = []
    for line in (folder / "journal.jsonl").read_text().splitlines():
        record = json.loads(line)
        lines.append(json.dumps({k: v for k, v in record.items() if k not in TIMINGS}))
    return lines


def assert_same_members(run: Path, reference: Path) -> None:
    folders = sorted((reference / "members").iterdir())
    assert [f.name for f in sorted((run / "members").iterdir())] == [f.name for f in folders]
    for expected in folders:
        assert_same_member(run / "members" / expected.name, expected)


def assert_same_member(folder: Path, expected: Path) -> None:
    ours, theirs = (load_file(f / "weights.safetensors") for f in (folder, expected))
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name
    assert journal(folder) == journal(expected)
    for name in ("weights.safetensors", "log_probabilities.f16"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
    assert sorted(f.name for f in folder.iterdir()) == sorted(f.name for f in expected.iterdir())


# In this process: one member of a small recipe, stopped at every step.

SETTINGS = {
    "averaged, best kept": (
        "training.keep=min-nll",
        "ema.decay=0.8",
        "ema.every=2",
    ),
    "plain, last kept": (
        "training.keep=last",
        "ema.decay=0",
        "network.normalisation=none",
        "training.nll_reduction=sum",
    ),
}


def small(*settings: str) -> Recipe:
    """Make a recipe of 11 + 14 iterations; evaluate every 6, hyperparameters change every 4."""
    return load_recipe(
        "smoke",
        [
            "training.stages.0.iterations=11",
            "training.stages.1.iterations=14",
            "training.update_every=4",
            "training.evaluate_every=6",
            *settings,
        ],
    )


class Stopper:
    """Stops after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


def train(
    recipe: Recipe, folder: Path, digits: Digits, dtype: torch.dtype, steps: int = 0
) -> list[Event]:
    """Train what is left of a member, as a fresh process would; stop after `steps` (0: never)."""
    torch.manual_seed(random.SystemRandom().getrandbits(32))  # nothing may depend on it
    task = digit_task(recipe, 0, digits, digits.subset(range(100)))
    trainer = Trainer(task, recipe.training, recipe.ema, dtype)
    return list(train_member(MemberRun(trainer, folder), Stopper(steps)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_digits: Digits) -> Whole:
    """Give a function that trains a member to its end, once for each recipe and dtype."""

    @functools.cache
    def trained(settings: str, dtype: torch.dtype) -> Path:
        folder = tmp_path_factory.mktemp("whole")
        train(small(*SETTINGS[settings]), folder, tiny_digits, dtype)
        return folder

    return trained


# Averages in float32 die at every write below.
@pytest.mark.parametrize(
    ("settings", "dtype"),
    [("averaged, best kept", torch.bfloat16), ("plain, last kept", torch.float32)],
    ids=str,
)
def test_stopping_after_every_single_step_changes_nothing(
    settings: str, dtype: torch.dtype, tmp_path: Path, tiny_digits: Digits, whole: Whole
) -> None:
    recipe = small(*SETTINGS[settings])
    for _ in range(recipe.schedule.iterations):
        with pytest.raises(Interrupted):
            train(recipe, tmp_path / "stopped", tiny_digits, dtype, steps=1)
    train(recipe, tmp_path / "stopped", tiny_digits, dtype)
    assert_same_member(tmp_path / "stopped", whole(settings, dtype))


# At a change of the hyperparameters, after the first evaluation, at the stages' ends, in between.
@pytest.mark.parametrize("step", [4, 7, 11, 17, 25])
def test_stopping_once_changes_nothing(
    step: int, tmp_path: Path, tiny_digits: Digits, whole: Whole
) -> None:
    recipe = small(*SETTINGS["averaged, best kept"])
    with pytest.raises(Interrupted):
        train(recipe, tmp_path / "stopped", tiny_digits, torch.bfloat16, steps=step)
    assert (tmp_path / "stopped" / "checkpoint.safetensors").exists()
    train(recipe, tmp_path / "stopped", tiny_digits, torch.bfloat16)
    assert_same_member(tmp_path / "stopped", whole("averaged, best kept", torch.bfloat16))


class Died(BaseException):
    """What nothing catches: the process is gone."""


def test_dying_at_any_write_changes_nothing(
    tmp_path: Path, tiny_digits: Digits, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(*SETTINGS["averaged, best kept"])
    expected = whole("averaged, best kept", torch.float32)
    sync, left = os.fsync, 0

    def dying(file: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Died
        sync(file)

    monkeypatch.setattr(os, "fsync", dying)
    deaths = 0
    for life in range(1, 100):  # each dies one write later than the last, until one ends
        left = life
        try:
            train(recipe, tmp_path / "dying", tiny_digits, torch.float32)
        except Died:
            deaths += 1
            continue
        break
    assert deaths > 6
    assert_same_member(tmp_path / "dying", expected)


def test_a_trained_member_is_left_alone(tmp_path: Path, tiny_digits: Digits) -> None:
    recipe = small()
    train(recipe, tmp_path / "run", tiny_digits, torch.float32)
    before = {f.name: f.stat().st_mtime_ns for f in (tmp_path / "run").iterdir()}
    assert train(recipe, tmp_path / "run", tiny_digits, torch.float32) == []
    assert {f.name: f.stat().st_mtime_ns for f in (tmp_path / "run").iterdir()} == before


def test_every_evaluation_is_an_event(tmp_path: Path, tiny_digits: Digits) -> None:
    events = train(small(), tmp_path / "run", tiny_digits, torch.float32)
    found = [event.record for event in events if isinstance(event, EvaluationEvent)]
    assert [record.step for record in found] == [6, 12, 18, 24, 25]
    assert Journal(tmp_path / "run").records() == found


def test_members_differ_and_a_member_is_decided_by_seed_and_number(tiny_digits: Digits) -> None:
    recipe, masters = small(), []
    for number in (0, 1, 0):
        task = digit_task(recipe, number, tiny_digits)
        trainer = Trainer(task, recipe.training, recipe.ema)
        for _ in range(3):
            trainer.step()
        masters.append(trainer.optimizer.master.clone())
    assert torch.equal(masters[0], masters[2])
    assert not torch.equal(masters[0], masters[1])


# In processes of their own: killed and interrupted.


def evaluations(run: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in run.glob("members/*/journal.jsonl"))


def signalled(
    process: "subprocess.Popen[str]",
    run: Path,
    after: int,
    send: Callable[[int, int], None],
    number: int,
) -> str:
    """Send a signal once `after` evaluations are written; return stderr."""
    deadline = time.monotonic() + 120
    while evaluations(run) < after and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    if process.poll() is None:
        send(process.pid, number)
    return process.communicate(timeout=120)[1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the smoke recipe in this process, on one thread."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    return execution.train("smoke", out=folder, execution=Execution(threads=1)).path


def resume(start: Start, run: Path) -> "subprocess.Popen[str]":
    return start("train", "--resume", "--out", run)


@pytest.mark.processes
def test_a_run_killed_twice_ends_with_the_same_bytes(
    start: Start, uninterrupted: Path, tmp_path: Path
) -> None:
    chance, run = random.Random(20), tmp_path / "run"
    process = start("train", "smoke", "--out", run, "--threads", 1)
    for after in sorted(chance.sample(range(1, 2 * EVALUATIONS), 2)):
        signalled(process, run, after, os.killpg, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (run / "evaluation.json").exists()
        process = resume(start, run)
    assert process.communicate(timeout=120)[1].startswith(f"resuming smoke in {run}\n")
    assert process.returncode == 0
    assert_same_members(run, uninterrupted)
    assert not list(run.rglob("*.tmp"))
    assert (run / "bundle/weights.safetensors").read_bytes() == (
        uninterrupted / "bundle/weights.safetensors"
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(10))
def test_a_run_killed_at_a_random_moment_ends_with_the_same_bytes(
    kill: int, start: Start, uninterrupted: Path, tmp_path: Path
) -> None:
    run, threads = tmp_path / "run", 1 + kill % 2
    process = start("train", "smoke", "--out", run, "--threads", threads)
    time.sleep(random.Random(kill).uniform(1.5, 4.5))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    again = resume(start, run)
    stderr = again.communicate(timeout=120)[1]
    if again.returncode == 2:  # killed before there was a run
        assert stderr.startswith(f"tenfold: {run}: no recipe.toml")
        assert not (run / "recipe.toml").exists()
        return
    assert again.returncode == 0, stderr
    assert_same_members(run, uninterrupted)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("threads", "send"),
    [(1, os.killpg), (2, os.killpg), (2, os.kill)],  # a terminal signals the group, kill does not
    ids=["one process", "every process", "the first process"],
)
def test_ctrl_c_says_how_to_resume_and_changes_nothing(
    threads: int,
    send: Callable[[int, int], None],
    start: Start,
    uninterrupted: Path,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    process = start("train", "smoke", "--out", run, "--threads", threads)
    stderr = signalled(process, run, 3, send, signal.SIGINT)
    assert process.returncode == 130, stderr
    last = stderr.splitlines()[-1]
    assert last == f"stopped; continue with: tenfold train --resume --out {run}"
    assert "Traceback" not in stderr
    assert 3 <= evaluations(run) < 2 * EVALUATIONS
    assert execution.resume(run).finished
    # Two workers with a thread each, or one after the other: the same bytes.
    assert_same_members(run, uninterrupted)


def test_a_recipe_that_was_changed_is_not_resumed(tmp_path: Path) -> None:
    run = open_or_create(small(), tmp_path / "run", Execution(device="cpu", threads=1))
    path = run.path / "recipe.toml"
    path.write_text(path.read_text().replace("seed = 0", "seed = 1"))
    with pytest.raises(RunError, match=r"recipe\.toml: changed since the run began"):
        execution.resume(run)
