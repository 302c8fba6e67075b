"""Sets of runs: figures over the seeds, and differences in pairs of one seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finished_run import make_run
from scipy.stats import binomtest

from tenfold.artifacts.finished_run import FinishedRun, read_run
from tenfold.artifacts.studies import BestTrial, FreshSeeds, Scores, SweepResult
from tenfold.errors import RunError
from tenfold.studies.compare import compare, compare_fresh_seeds, only_seeds_differ, summarise

Made = Callable[..., FinishedRun]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return what makes a run of a seed, with this accuracy and without these mistakes."""

    def make(
        seed: int, accuracy: float = 0.98, corrected: int = 0, images: str = "ab"
    ) -> FinishedRun:
        def edit(facts: dict[str, Any]) -> None:
            facts["models"][-1]["accuracy"] = accuracy
            facts["mistakes"] = facts["mistakes"][corrected:]
            facts["data"]["sha256"] = images * 32

        number = len(list(tmp_path.iterdir()))
        return read_run(make_run(tmp_path / str(number), members=1, seed=seed, edit=edit))

    return make


def test_only_the_differences_of_seeds_that_both_sets_have_count(made: Made) -> None:
    a = [made(0, 0.90), made(1, 0.92), made(2, 0.5)]
    b = [made(1, 0.95), made(0, 0.91), made(7, 0.1)]
    found = compare(a, b)
    assert found.seeds == (0, 1)
    gap = found.differences["accuracy"]
    assert gap.n == 2
    assert gap.mean == pytest.approx((0.01 + 0.03) / 2)
    assert found.b["accuracy"].mean == pytest.approx(0.93)
    assert found.mcnemar is None
    assert "accuracy_without_disputed" not in found.differences  # no run has it


def test_two_single_runs_are_compared_image_by_image(made: Made) -> None:
    found = compare([made(3)], [made(3, corrected=6)])
    assert found.mcnemar == pytest.approx(binomtest(0, 6).pvalue)


@pytest.mark.parametrize(
    ("a", "b", "fault"),
    [
        ([{"seed": 0}], [{"seed": 1}], "share no seed"),
        ([{"seed": 0}, {"seed": 0}], [{"seed": 0}], "seed 0 is there twice"),
        ([{"seed": 0}], [{"seed": 0, "images": "cd"}], "measured on different images"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(
    a: list[dict[str, Any]], b: list[dict[str, Any]], fault: str, made: Made
) -> None:
    with pytest.raises(RunError, match=fault):
        compare([made(**run) for run in a], [made(**run) for run in b])


def test_runs_of_one_recipe_differ_in_their_seeds_only(made: Made, tmp_path: Path) -> None:
    runs = [made(0), made(1)]
    assert only_seeds_differ(runs)
    assert not only_seeds_differ([*runs, made(1)])
    other = read_run(make_run(tmp_path / "other", members=1, seed=2, recipe="swift"))
    assert not only_seeds_differ([*runs, other])
    assert summarise(runs)["training_seconds"].mean == pytest.approx(321.4)


def test_the_best_recipe_of_a_sweep_is_compared_seed_by_seed() -> None:
    def scores(*losses: float) -> Scores:
        return Scores(
            validation_nll_sum=losses,
            validation_accuracy=(0.5, 0.5),
            test_nll_sum=losses,
            test_accuracy=(0.5, 0.5),
        )

    result = SweepResult(
        recipe="swift",
        study="swift-0",
        trials=(),
        finals=(),
        best=BestTrial(number=0, nll_sum=1.0, values={}, recipe="swift-swept"),
        importance={},
        seeds=(4, 5),
        validation_images=500,
        fresh_seeds=FreshSeeds(baseline=scores(30.0, 50.0), best=scores(20.0, 44.0)),
    )
    found = compare_fresh_seeds(result)
    assert found.keys() == dict(result.fresh_seeds.best).keys()
    loss = found["validation_nll_sum"]
    assert (loss.baseline.mean, loss.best.mean, loss.difference.mean) == (40.0, 32.0, -8.0)
