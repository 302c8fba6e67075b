"""Laws that every schedule keeps."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tenfold.training.schedule import Ramp, Schedule, Stage

positive = st.floats(min_value=1e-9, max_value=1e6)
shapes = st.sampled_from(["linear", "geometric", "cosine"])
ramps = st.builds(Ramp, start=positive, end=positive, shape=shapes)
halves = st.integers(2, 1200).map(lambda size: size / 2)  # many batches lie half-way
batches = st.builds(Ramp, start=halves, end=halves, shape=shapes)
stages = st.builds(
    Stage,
    iterations=st.integers(1, 120),
    learning_rate=ramps,
    batch_size=batches,
    l2_coefficient=ramps,
    batch_multiple=st.integers(1, 64),
)
schedules = st.builds(Schedule, st.lists(stages, min_size=1, max_size=3), st.integers(1, 70))


@given(ramps, st.floats(0, 1))
def test_a_ramp_stays_between_its_ends(ramp: Ramp, t: float) -> None:
    low, high = sorted((ramp.start, ramp.end))
    assert low * (1 - 1e-12) <= ramp.at(t) <= high * (1 + 1e-12)


@given(ramps)
def test_the_ends_are_exact(ramp: Ramp) -> None:
    assert ramp.at(0) == ramp.start
    assert ramp.at(1) == ramp.end


@given(ramps, st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_ramp_never_turns_back(ramp: Ramp, times: list[float]) -> None:
    first, second = (ramp.at(t) for t in sorted(times))
    slack = 1e-12 * max(ramp.start, ramp.end)
    assert (second - first) * (ramp.end - ramp.start) >= -slack * abs(ramp.end - ramp.start)


@given(schedules)
def test_images_before_is_the_plain_sum(schedule: Schedule) -> None:
    total = 0
    for step in range(schedule.iterations):
        assert schedule.images_before(step) == total
        total += schedule.at(step).batch_size
    assert schedule.images_before(schedule.iterations) == total


@given(schedules, st.randoms(use_true_random=False))
def test_at_is_a_pure_function_of_the_step(schedule: Schedule, chance: random.Random) -> None:
    steps = list(range(schedule.iterations))
    in_order = [schedule.at(step) for step in steps]
    chance.shuffle(steps)
    other = Schedule(schedule.stages, schedule.update_every)
    assert {step: other.at(step) for step in steps} == dict(enumerate(in_order))


@given(schedules)
def test_batches_are_positive_multiples_and_values_change_only_at_updates(
    schedule: Schedule,
) -> None:
    start = 0
    for index, stage in enumerate(schedule.stages):
        for iteration in range(stage.iterations):
            hyper = schedule.at(start + iteration)
            assert hyper.stage == index
            assert hyper.batch_size > 0
            assert hyper.batch_size % stage.batch_multiple == 0
            if iteration % schedule.update_every:
                assert hyper == schedule.at(start + iteration - 1)
        start += stage.iterations
