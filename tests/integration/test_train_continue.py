"""The same command starts a run, goes on with it, and prints its results when it is done."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenfold import Execution
from tenfold.errors import RunError
from tenfold.execution.create import newest_unfinished, open_or_create
from tenfold.execution.local import LocalExecutor
from tenfold.execution.train import resume, train
from tenfold.folder_lock import LOCK_NAME, exclusive
from tenfold.training.member import Interrupted
from tenfold.training.recipe import Recipe, load_recipe

ONE_THREAD = Execution(device="cpu", precision="float32", threads=1)
SMALL = ("training.stages.0.iterations=4", "training.stages.1.iterations=4", "members=1")
WEIGHTS = "members/00/weights.safetensors"


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("smoke", SMALL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small recipe."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    return train("smoke", overrides=SMALL, out=folder, execution=ONE_THREAD).path


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def times(run: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}


def test_a_finished_run_is_left_alone(copy: Path) -> None:
    before = times(copy)
    again = train("smoke", overrides=SMALL, out=copy)
    assert again.finished
    assert resume(copy).path == copy
    assert times(copy) == before


def test_no_more_members_train_at_a_time_than_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = []

    def one_after_the_other(workers: int, _: str) -> LocalExecutor:
        processes.append(workers)
        return LocalExecutor()

    monkeypatch.setattr("tenfold.execution.config.LocalExecutor", one_after_the_other)
    three_threads = Execution(device="cpu", precision="float32", threads=3)
    overrides = [*SMALL, "members=2"]
    run = train("smoke", overrides=overrides, out=tmp_path / "run", execution=three_threads)
    assert processes == [2]
    assert run.manifest.threads == 3
    assert run.manifest.parallel_members == 2


def test_a_run_that_was_stopped_goes_on(recipe: Recipe, trained: Path, tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        train(recipe, out=tmp_path / "run", execution=ONE_THREAD, on_event=stop)
    assert not (tmp_path / "run/evaluation.json").exists()
    train(recipe, out=tmp_path / "run")
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (trained / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    "left",
    [
        (),
        (LOCK_NAME,),
        (LOCK_NAME, ".manifest.json.17.tmp"),
        (LOCK_NAME, "manifest.json"),
        (LOCK_NAME, "manifest.json", ".recipe.toml.17.tmp"),
    ],
)
def test_what_a_killed_process_left_of_a_new_run_is_no_obstacle(
    left: tuple[str, ...], recipe: Recipe, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in left:
        (folder / name).write_bytes(b"{")
    if "manifest.json" in left:
        shutil.copy(trained / "manifest.json", folder)
    run = open_or_create(recipe, folder, ONE_THREAD)
    assert run.recipe == recipe
    names = sorted(path.name for path in folder.iterdir())
    assert names == [LOCK_NAME, "manifest.json", "recipe.toml"]


def test_a_manifest_of_something_else_is_not_overwritten(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web application"}')
    with pytest.raises(RunError, match="not empty, and holds no run"):
        open_or_create(recipe, tmp_path, ONE_THREAD)


@pytest.mark.parametrize(
    ("settings", "execution", "message"),
    [
        (("seed=3",), {}, "its run has seed = 0, not 3"),
        (("data.validation=300",), {}, "its run has data.validation = 500, not 300"),
        (("training.stages.1.iterations=5",), {}, r"training\.stages\.1\.iterations = 4, not 5"),
        ((), {"threads": 2}, "its run has threads = 1, not 2"),
        ((), {"precision": "bfloat16"}, 'its run has precision = "float32", not "bfloat16"'),
    ],
)
def test_what_disagrees_with_the_run_is_named(
    settings: tuple[str, ...], execution: dict[str, Any], message: str, trained: Path
) -> None:
    with pytest.raises(RunError, match=rf"{message}; name another --out"):
        open_or_create(load_recipe("smoke", [*SMALL, *settings]), trained, Execution(**execution))


def test_what_agrees_with_the_run_is_accepted(recipe: Recipe, trained: Path) -> None:
    for execution in (ONE_THREAD, Execution(), Execution(device="cpu"), Execution(threads=1)):
        assert open_or_create(recipe, trained, execution).finished


def test_the_newest_unfinished_run_is_found_by_its_recipe(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no unfinished run under runs/"):
        newest_unfinished()
    other = recipe.changed({"seed": 1})
    runs = [open_or_create(r, None, ONE_THREAD) for r in (recipe, other)]
    assert [str(run.path) for run in runs] == ["runs/smoke-1", "runs/smoke-2"]
    for seconds, run in enumerate(runs):
        os.utime(run.path / "manifest.json", (seconds, seconds))
    for name, text in (("damaged", "name = ["), ("of-another-version", 'kind = "old"')):
        shutil.copytree(runs[1].path, tmp_path / "runs" / name)
        (tmp_path / "runs" / name / "recipe.toml").write_text(text)
    assert newest_unfinished().path == runs[1].path
    assert newest_unfinished(recipe).path == runs[0].path
    with pytest.raises(RunError, match="no unfinished run of smoke with these settings"):
        newest_unfinished(recipe.changed({"seed": 2}))


@pytest.mark.usefixtures("undrawn")
def test_the_command_says_done_and_prints_the_results_again(
    copy: Path, tenfold: Callable[..., Any]
) -> None:
    set_ = [word for setting in SMALL for word in ("--set", setting)]
    for words in (
        ("smoke", *set_, "--seed", 0, "--out", copy),
        ("smoke", *set_, "--resume", "--out", copy),
        ("--resume", "--seed", 0, "--threads", 1, "--device", "cpu", "--out", copy),
    ):
        ended = tenfold("train", *words, "--json")
        assert ended.code == 0, ended.err
        assert ended.err == f"done: smoke in {copy}\n"
        evaluation = json.loads((copy / "evaluation.json").read_text())
        printed = json.loads(ended.out)
        assert printed["accuracy"] == evaluation["models"][-1]["accuracy"]


def test_a_folder_that_is_held(copy: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.folder_lock.LOCK_TIMEOUT_SECONDS", 0.1)
    (copy / "evaluation.json").unlink()
    with (
        exclusive(copy),
        pytest.raises(RunError, match=f"{copy}: another process is at work there"),
    ):
        train(recipe, out=copy)
