"""Several seeds: trained together, continued, summarised, compared."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tenfold.artifacts.finished_run import read_runs
from tenfold.errors import RunError
from tenfold.execution.config import Execution
from tenfold.execution.train import train
from tenfold.studies.repeat import create_runs, train_runs
from tenfold.training.recipe import load_recipe

from .drawn_pictures import Tenfold

pytestmark = pytest.mark.processes

ONE_THREAD = Execution(threads=1)
SMALL = ("training.stages.0.iterations=6", "training.stages.1.iterations=6", "members=1")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make two sets of the smoke recipe: three seeds, and two with another pooling."""
    folder = tmp_path_factory.mktemp("sets")
    for name, seeds, pooling in (("a", 3, "mixed"), ("b", 2, "max")):
        recipe = load_recipe("smoke", [*SMALL, f"network.pooling={pooling}"])
        train_runs(create_runs(recipe, range(seeds), folder / name, ONE_THREAD), ONE_THREAD)
    return folder / "a", folder / "b"


def test_each_seed_is_the_run_that_train_makes(sets: tuple[Path, Path], tmp_path: Path) -> None:
    alone = train(
        "smoke", overrides=[*SMALL, "seed=2"], out=tmp_path / "alone", execution=ONE_THREAD
    )
    weights = "bundle/weights.safetensors"
    assert (alone.path / weights).read_bytes() == (sets[0] / "seed-2" / weights).read_bytes()
    assert alone.evaluation == read_runs(sets[0])[2].evaluation


def test_no_more_members_train_at_a_time_than_there_are(tmp_path: Path) -> None:
    runs = create_runs(load_recipe("smoke", SMALL), range(1), tmp_path, ONE_THREAD)
    train_runs(runs, Execution(threads=2))
    assert runs[0].manifest.parallel_members == 1


@pytest.mark.usefixtures("undrawn")
def test_the_command_continues_and_summarises(
    sets: tuple[Path, Path], tmp_path: Path, tenfold: Tenfold
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(sets[0], folder)
    before = (folder / "seed-0/bundle/weights.safetensors").stat().st_mtime_ns
    shutil.rmtree(folder / "seed-1")
    (folder / "seed-2/evaluation.json").unlink()  # trained, not measured
    set_ = [word for change in SMALL for word in ("--set", change)]
    set_ += ["--set", "network.pooling=mixed", "--threads", "2"]
    _, out, err = tenfold("repeat", "smoke", "--seeds", 4, "--out", folder, *set_, "--json")
    found = json.loads(out)
    assert (folder / "seed-0/bundle/weights.safetensors").stat().st_mtime_ns == before
    assert found["runs"] == 4
    scores = [
        json.loads((folder / f"seed-{k}/evaluation.json").read_text())["models"][-1]["accuracy"]
        for k in range(4)
    ]
    for seed, accuracy in enumerate(scores):  # a line for each that was measured now
        printed = f"seed-{seed} on test images: {accuracy:.2%}, nll_sum" in err
        assert printed == (seed > 0)
    assert found["accuracy"]["mean"] == pytest.approx(np.mean(scores))
    assert found["accuracy"]["n"] == 4
    page = Path(found["report"]).read_text()
    assert "Over 4 seeds" in page
    assert f"{np.mean(scores):.3%}" in page
    first = json.loads((sets[0] / "seed-1/evaluation.json").read_text())
    again = json.loads((folder / "seed-1/evaluation.json").read_text())
    assert first == again


def test_another_recipe_is_refused(sets: tuple[Path, Path]) -> None:
    message = r"seed-0: its run has members = 1, not 2; name another --out"
    with pytest.raises(RunError, match=message):
        create_runs(load_recipe("smoke"), range(1), sets[0], ONE_THREAD)


def test_a_recipe_of_a_detector_is_refused_before_it_is_trained(
    tenfold: Tenfold, tmp_path: Path
) -> None:
    ended = tenfold("repeat", "page", "--out", tmp_path / "set")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "tenfold: page: trains a detector; name a recipe of a classifier, such as swift\n"
    )
    assert not (tmp_path / "set").exists()


def test_compare_pairs_the_seeds_that_both_have(sets: tuple[Path, Path], tenfold: Tenfold) -> None:
    a, b = sets
    found = json.loads(tenfold("compare", a, b, "--json").out)
    assert found["seeds"] == [0, 1]
    assert found["mcnemar"] is None
    losses = [
        [
            json.loads((s / f"seed-{k}/evaluation.json").read_text())["models"][-1]["nll_sum"]
            for k in (0, 1)
        ]
        for s in (a, b)
    ]
    gap = found["differences"]["nll_sum"]
    assert gap["mean"] == pytest.approx(np.mean(losses[1]) - np.mean(losses[0]))
    assert re.search(r"nll_sum\s", tenfold("compare", a, b).out)


def test_two_single_runs_are_compared_image_by_image(
    sets: tuple[Path, Path], tenfold: Tenfold
) -> None:
    a, b = sets[0] / "seed-0", sets[1] / "seed-0"
    found = json.loads(tenfold("compare", a, b, "--json").out)
    wrong = [
        {m["index"] for m in json.loads((run / "evaluation.json").read_text())["mistakes"]}
        for run in (a, b)
    ]
    from scipy.stats import binomtest

    k, n = len(wrong[1] - wrong[0]), len(wrong[0] ^ wrong[1])
    assert found["mcnemar"] == pytest.approx(binomtest(k, n).pvalue if n else 1)
    assert found["differences"]["accuracy"]["p"] is None
