"""`benchmarks/gpu.py`: it says where it cannot run, and works where a device is the CPU."""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from tenfold.benchmark import bench
from tenfold.data.digits import Digits
from tenfold.execution.config import Execution
from tenfold.training.hardware import fast_bfloat16

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.processes


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_without_cuda_it_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    record = tmp_path / "gpu.json"
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "gpu.py", "--out", record],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
    assert "CUDA" in done.stderr
    assert not record.exists()


@pytest.mark.slow
def test_what_it_measures(
    tiny_digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu

    monkeypatch.setattr(bench, "verify", lambda _name: [])
    monkeypatch.setattr(bench, "load_digits", lambda *_: tiny_digits)
    # Threads of tiny steps mostly wait for each other.
    monkeypatch.setattr(gpu, "Execution", partial(Execution, threads=1))
    monkeypatch.setattr(gpu, "TARGETS", (0.2, 0.5, 1.1))
    small = gpu.Plan(
        recipes=("smoke",),
        seeds=2,
        batches=(8,),
        rounds=2,
        turn_seconds=0.01,
        overrides=("members=1",),
    )
    figures = gpu.measure(torch.device("cpu"), small)
    rows = figures["images_per_second"]["8"]
    assert list(rows)[:2] == ["tenfold", "PyTorch eager, float32"]
    assert (len(rows) == 3) == fast_bfloat16(torch.device("cpu"))  # elsewhere it is emulated
    assert all(0 < row["min"] <= row["median"] <= row["max"] for row in rows.values())
    assert [row["seed"] for row in figures["trainings"]] == [0, 1]
    for row in figures["trainings"]:
        first, second, never = row["seconds_to"].values()
        assert 0 < first <= second <= row["training_seconds"]
        assert row["accuracy"] > 0.5
        assert never is None
    gpu.print_summary(figures["trainings"])
    assert "smoke: 110.0%: not reached (0 of 2 seeds)" in capsys.readouterr().out
    assert gpu.trainings(torch.device("cpu"), small, time.monotonic()) == []
