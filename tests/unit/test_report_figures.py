"""Figures show what matters, whatever the curves do."""

from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_run import make_run

from tenfold.artifacts.evaluation import Curve, OperatingPoint
from tenfold.artifacts.finished_run import read_run
from tenfold.evaluation.risk_coverage import measure_risk_coverage
from tenfold.report.curves import comparison_figure, curve_figure, visible_range
from tenfold.report.figures import risk_coverage_figure, schedule_figure


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "two")


def test_curves_on_different_numbers_of_images_are_compared_by_their_mean(run: Path) -> None:
    curve = read_run(run).evaluation.curves.models[0]
    assert "nll_sum" in comparison_figure([curve, curve], [500, 500]).svg
    mixed = comparison_figure([curve, curve], [500, 1000]).svg
    assert "nll_sum" not in mixed
    assert "mean NLL" in mixed


@pytest.mark.parametrize("best", ["low", "high"])
def test_early_values_do_not_squash_the_rest(best: Any) -> None:
    sign = 1 if best == "low" else -1
    late = np.linspace(100, 110, 90)
    values = sign * np.concatenate([np.linspace(5000, 500, 10), late])
    low, high = visible_range(list(values), best=best)
    assert low < sign * 100 < high
    assert low < sign * 110 < high
    assert high - low < 60


@pytest.mark.parametrize("values", [[3.0], [float("nan")] * 3, [0.0, 0.0], [2.0, float("inf")]])
def test_a_range_has_a_width_whatever_the_values(values: list[float]) -> None:
    low, high = visible_range(values, best="low")
    assert low < high


@pytest.mark.parametrize("points", [1, 3])
def test_short_curves_are_drawn(points: int) -> None:
    curve = Curve(
        name="member 1",
        step=(100, 200, 300)[:points],
        nll_sum=(400.0, 300.0, 350.0)[:points],
        accuracy=(0.1, 0.98, 0.5)[:points],
    )
    drawn = curve_figure("c", curve, "9 test images", [150])
    best = "at iteration 200" if points > 1 else "at iteration 100"
    assert drawn.svg.count(best) == 2
    assert drawn.svg.count("<use") >= points  # each evaluation is marked


@pytest.mark.parametrize("size", [[nan, 0.04, 0.05], [0.04, inf, nan], [nan, nan, nan]])
def test_a_schedule_is_drawn_though_the_weights_diverged(size: list[float], run: Path) -> None:
    journal = [
        record.model_copy(update={"weight_loss": value})
        for record, value in zip(read_run(run).journal, size, strict=False)
    ]
    assert "weight_loss (loss_w)" in schedule_figure(journal).svg


@pytest.mark.parametrize("accepted", [0, 2])
def test_curves_of_sets_are_named_and_a_lone_one_has_a_band(accepted: int) -> None:
    chosen = OperatingPoint(confidence=None, accepted=accepted, wrong=0)
    confidence, wrong = np.array([0.9, 0.8, 0.7]), np.array([False, False, True])
    curve = measure_risk_coverage(confidence, wrong, chosen)
    several = risk_coverage_figure({"optical": curve, "documents": curve}).svg
    assert ">optical<" in several
    assert ">documents<" in several
    assert "FillBetween" not in several
    assert "FillBetween" in risk_coverage_figure({"optical": curve}).svg
