"""Every parser answers mutated bytes with a result or an error of its own.

`make fuzz` does the same for longer, guided by coverage; what it finds becomes a test.
"""

import random
import time
import warnings

import pytest
from fuzz_targets import EXPECTED, SEEDS, TARGETS, TRIAL_SECONDS
from mutations import mutated

from tenfold.bundle import runtime

INPUTS = 60
SLOW = {"report": 3, "sweep-json": 3, "sweep-journal": 20}  # they draw, or open a database


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_bytes_end_in_an_expected_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "TRIAL_SECONDS", TRIAL_SECONDS)
    rng = random.Random(0)
    seeds = [path.read_bytes() for path in sorted((SEEDS / name).iterdir())]
    for data in seeds + [mutated(rng.choice(seeds), rng) for _ in range(SLOW.get(name, INPUTS))]:
        begun, status = time.process_time(), 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                TARGETS[name](data)
            except EXPECTED as error:
                status = getattr(error, "status_code", 0)
        assert status < 500
        assert time.process_time() - begun < 5


def test_each_target_has_seeds() -> None:
    assert {path.name for path in SEEDS.iterdir()} == set(TARGETS)
