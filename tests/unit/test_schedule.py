"""Ramps and stages, against arithmetic spelled out."""

import pytest
from pydantic import ValidationError

from tenfold.training.recipe import load_recipe, shipped
from tenfold.training.schedule import Hyperparameters, Ramp, Schedule, Stage


def stage(iterations: int, **changes: object) -> Stage:
    settings = {"learning_rate": 0.001, "batch_size": 100, **changes}
    return Stage.model_validate({"iterations": iterations, **settings})


def test_a_bare_number_is_a_constant() -> None:
    ramp = Ramp.model_validate(0.003)
    assert [ramp.at(t) for t in (0, 0.3, 1)] == [0.003, 0.003, 0.003]


@pytest.mark.parametrize(
    ("shape", "middle", "quarter"),
    [
        ("linear", 8 + 0.5 * (2 - 8), 8 + 0.25 * (2 - 8)),  # 5, 6.5
        ("geometric", (8 * 2) ** 0.5, 8 * (2 / 8) ** 0.25),  # 4, 5.66
        ("cosine", 2 + (8 - 2) / 2, 2 + 6 * (1 + 2**-0.5) / 2),  # 5, 7.12; cos(π/4) = 1/√2
    ],
)
def test_shapes(shape: str, middle: float, quarter: float) -> None:
    ramp = Ramp.model_validate({"start": 8, "end": 2, "shape": shape})
    assert ramp.at(0.5) == pytest.approx(middle, rel=1e-14)
    assert ramp.at(0.25) == pytest.approx(quarter, rel=1e-14)


def test_a_geometric_ramp_multiplies_by_the_same_factor() -> None:
    ramp = Ramp(start=1, end=1000, shape="geometric")
    assert [ramp.at(i / 3) for i in range(4)] == pytest.approx([1, 10, 100, 1000], rel=1e-14)


@pytest.mark.parametrize("ends", [(0.1, 0.3), (0.00375, 0.0025), (0.0002, 1e-8)])
@pytest.mark.parametrize("shape", ["linear", "geometric", "cosine"])
def test_both_ends_are_exact(ends: tuple[float, float], shape: str) -> None:
    ramp = Ramp.model_validate({"start": ends[0], "end": ends[1], "shape": shape})
    schedule = Schedule([stage(77, learning_rate=ramp)])
    assert schedule.at(0).learning_rate == ends[0]
    assert schedule.at(76).learning_rate == ends[1]


@pytest.mark.parametrize(
    "ramp",
    [
        {"start": 1, "end": 0, "shape": "geometric"},
        {"start": 0, "end": 1, "shape": "geometric"},
        {"start": -1, "end": 0},
        {"start": float("nan"), "end": 0},
        {"start": float("inf"), "end": 0},
        {"start": 1},
        {"start": 1, "end": 1, "shape": "square"},
        True,
    ],
)
def test_impossible_ramps_are_refused(ramp: object) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate(ramp)


def test_a_batch_of_less_than_one_image_is_refused() -> None:
    with pytest.raises(ValidationError, match="1 to 1,000,000 at both ends"):
        stage(10, batch_size={"start": 100, "end": 0.5})


def test_hyperparameters_change_at_multiples_of_update_every_within_a_stage() -> None:
    # 70 iterations, then 120: hyperparameters are set at 0, 50 | 70, 120, 170.
    one = stage(70, learning_rate={"start": 0, "end": 69}, l2_coefficient=1)
    two = stage(120, learning_rate={"start": 100, "end": 219}, l2_coefficient=2)
    schedule = Schedule([one, two], update_every=50)
    expected = [0] * 50 + [50] * 20 + [100] * 50 + [150] * 50 + [200] * 20
    assert [schedule.at(step).learning_rate for step in range(190)] == pytest.approx(expected)
    assert [schedule.at(step).stage for step in (0, 69, 70, 189)] == [0, 0, 1, 1]
    assert [schedule.at(step).l2_coefficient for step in (0, 69, 70, 189)] == [1, 1, 2, 2]


def test_batches_round_to_the_multiple_and_are_never_empty() -> None:
    ramp = {"start": 1, "end": 40}  # at iteration i: 1 + i
    schedule = Schedule([stage(40, batch_size=ramp, batch_multiple=16)])
    sizes = [schedule.at(i).batch_size for i in (0, 6, 22, 24, 38, 39)]
    # 1 → 0 → at least 16; 7 → 16; 23 → 16; 25 → 32; 39 → 32; 40 is half-way: 2.5 → 2 (to even)
    assert sizes == [16, 16, 16, 32, 32, 32]
    assert Schedule([stage(1, batch_size=2.6)]).at(0).batch_size == 3


def test_a_stage_of_one_iteration_stays_at_its_start() -> None:
    schedule = Schedule([stage(1, learning_rate={"start": 3, "end": 4})])
    assert schedule.at(0) == Hyperparameters(0, 3, 100, 0)


@pytest.mark.parametrize("step", [-1, 190])
def test_steps_outside_are_refused(step: int) -> None:
    with pytest.raises(IndexError, match=f"step {step} is outside 0 … 189"):
        Schedule([stage(190)]).at(step)


def test_the_report_s_final_setting() -> None:
    schedule = load_recipe("report-5-ensemble").schedule
    assert schedule.iterations == 1400 + 6000
    assert schedule.at(49) == Hyperparameters(0, 0.00375, 200, 100)
    t = 1350 / 1399  # the last update of stage 1 is at iteration 1350
    last = (0, 0.00375 - t * 0.00125, round(200 + t * 100), 100 + t * 300)
    assert schedule.at(1399) == pytest.approx(last)
    assert schedule.at(1400) == Hyperparameters(1, 0.0002, 400, 100)
    t = 3000 / 5999
    middle = (1, 0.0002 + t * (1e-8 - 0.0002), round(400 + t * 200), 100 - t * 100)
    assert schedule.at(1400 + 3049) == pytest.approx(middle)


@pytest.mark.parametrize("name", shipped())
def test_images_of_shipped_recipes_are_summed_over_all_iterations(name: str) -> None:
    schedule = load_recipe(name).schedule
    step = images = 0
    for one in schedule.stages:
        ramp, multiple = one.batch_size, one.batch_multiple
        assert ramp.shape == "linear"
        for iteration in range(one.iterations):
            assert schedule.images_before(step) == images
            updated = iteration - iteration % schedule.update_every
            t = updated / max(one.iterations - 1, 1)
            exact = ramp.start if ramp.start == ramp.end else ramp.start * (1 - t) + ramp.end * t
            images += max(multiple, multiple * round(exact / multiple))
            step += 1
    assert schedule.images_before(step) == images


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_images_of_the_longest_schedule_are_counted_without_trying_every_iteration(
    shape: str,
) -> None:
    iterations = 10**9
    ramp = {"start": 100, "end": 300, "shape": shape}
    schedule = Schedule([stage(iterations, batch_size=ramp), stage(iterations, batch_size=2.5)])
    # Both shapes are symmetric about the middle, where a batch has 200; 2.5 rounds to 2.
    assert schedule.images_before(iterations) == 200 * iterations
    assert schedule.images_before(2 * iterations) == 202 * iterations


@pytest.mark.parametrize("step", [-1, 191])
def test_images_before_steps_outside_are_refused(step: int) -> None:
    with pytest.raises(IndexError, match=f"step {step} is outside 0 … 190"):
        Schedule([stage(190)]).images_before(step)
