"""`tenfold bench train`: what is measured and reported; speed itself is not tested."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tenfold.benchmark import bench, candidates, runner
from tenfold.benchmark.bench import training_flops
from tenfold.benchmark.result_table import result_tables
from tenfold.benchmark.runner import STOCK, Candidate, measure_in_turns
from tenfold.data.digits import Digits
from tenfold.errors import RunError
from tenfold.model.config import NetworkConfig
from tenfold.model.network import DigitNetwork

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def folder(tmp_path: Path, tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write digits as `bench` writes its own."""
    monkeypatch.setattr(bench, "verify", lambda _name: [])
    monkeypatch.setattr(bench, "load_digits", lambda *_: tiny_digits)
    assert bench.write_data(tmp_path) == tiny_digits.name
    return tmp_path


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Write a candidate of no computation: 1 ms a step; "broken" and "fading" ones fail."""
    path = tmp_path / "toy.py"
    path.write_text(
        "import os, time\n"
        "PACKAGES = ('numpy',)\n"
        "def build(key, folder, batch):\n"
        "    print('a library that prints')\n"
        "    if key == 'broken':\n"
        "        raise SystemExit('no luck today')\n"
        "    taken = 0\n"
        "    def run(steps):\n"
        "        nonlocal taken\n"
        "        taken += steps\n"
        "        if key == 'fading' and taken > 4:\n"
        "            raise SystemExit('faded')\n"
        "        time.sleep(1000 if key == 'endless' else steps * 1e-3)\n"
        "        with open(folder / 'turns', 'a') as file:\n"
        "            file.write(f'{key} {os.getpid()}\\n')\n"
        "    return run\n"
    )
    return path


def test_flops_are_those_of_the_report_s_network() -> None:
    first = 28 * 28 * 9 * 1 * 32
    products = (
        first
        + 14 * 14 * 9 * 32 * 64
        + 7 * 7 * 9 * 64 * 128
        + (4 * 4 * 128) * 1024
        + 1024 * 512
        + 512 * 10
    )
    assert training_flops(NetworkConfig()) == 2 * (products + 2 * products - first) == 60_014_592


def test_candidates_take_turns_and_failures_are_reported(toy: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    entries = [(Candidate(name, name, toy), 10) for name in ("one", "broken", "fading", "two")]
    running, skipped = measure_in_turns(entries, tmp_path, 0.02, lines.append)
    assert [worker.candidate.name for worker in running] == ["one", "two"]
    assert skipped == [
        {"name": "broken", "why": "no luck today"},
        {"name": "fading", "why": "faded"},
    ]
    assert any("no luck today" in line for line in lines)
    turns = [line.split() for line in (tmp_path / "turns").read_text().splitlines()]
    measured = [name for name, _ in turns if name != "fading"][6:]  # after three warm-ups each
    assert measured == ["one", "two"] * runner.ROUNDS
    assert len({pid for _, pid in turns}) == 3
    for worker in running:
        assert 0 < max(worker.speeds()) <= 10 / 1e-3  # 10 images a step, 1 ms at the least
        assert worker.versions.keys() == {"numpy"}


def test_a_candidate_whose_steps_take_too_long_is_skipped(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MAX_STEP_SECONDS", 1e-4)
    running, skipped = measure_in_turns(
        [(Candidate("slow", "slow", toy), 1)], tmp_path, 1, lambda _: None
    )
    assert running == []
    assert skipped == [{"name": "slow", "why": "a step takes 0.0 s"}]


def test_tenfold_s_own_failure_is_an_error(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Candidate("tenfold", "broken", toy)
    monkeypatch.setattr(bench, "TENFOLD", broken)
    monkeypatch.setattr(runner, "TENFOLD", broken)
    with pytest.raises(RunError, match="tenfold did not run: no luck today"):
        measure_in_turns([(broken, 10)], tmp_path, 0.01, lambda _: None)


@linux
@pytest.mark.parametrize("how", ["interrupted", "parent gone"])
def test_no_process_outlives_the_command(how: str, toy: Path, tmp_path: Path) -> None:
    with runner.start_worker(Candidate("endless", "endless", toy), 1, tmp_path) as worker:
        process = worker.process
        worker._read_measurement()
        assert process.stdin is not None
        process.stdin.write("1\n")  # it sleeps
        process.stdin.flush()
        if how == "parent gone":
            process.stdin.close()
            assert process.wait(20) == 0
            return
    assert process.returncode == -signal.SIGKILL


@pytest.mark.processes
def test_ctrl_c_ends_the_command_quietly(start: Any) -> None:
    process = start("bench", "train", "--no-peers", "--seconds", "60")
    assert "matrix multiply" in process.stderr.readline()
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (stdout, "Traceback" in stderr) == ("", False)
    assert time.monotonic() - begun < 20


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("peers", "place", "offered"),
    [(True, runner.PEERS, True), (True, Path("absent"), False), (False, runner.PEERS, False)],
)
def test_peers_are_offered_where_their_programs_are(
    monkeypatch: pytest.MonkeyPatch, place: Path, *, peers: bool, offered: bool
) -> None:
    asked: list[Candidate] = []

    def measure(entries: list[tuple[Candidate, int]], *_: object) -> None:
        asked.extend(candidate for candidate, _ in entries)
        raise RunError("that is enough")

    monkeypatch.setattr(bench, "PEERS", place)
    monkeypatch.setattr(bench, "measure_in_turns", measure)
    with pytest.raises(RunError, match="that is enough"):
        bench.bench(peers=peers)
    assert (set(runner.OTHERS) <= set(asked)) == offered


@pytest.mark.processes
@pytest.mark.usefixtures("folder")
def test_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SWEEP", (8,))
    monkeypatch.setattr(bench, "PHASE_STEPS", 2)
    monkeypatch.setattr(runner, "ROUNDS", 2)
    lines: list[str] = []
    result = json.loads(
        json.dumps(
            bench.bench(
                batch=16,
                seconds=0.02,
                peers=False,
                sweep=True,
                phases=True,
                on_progress=lines.append,
            )
        )
    )
    names = [row["name"] for row in result["rows"]] + [row["name"] for row in result["skipped"]]
    assert names == ["tenfold", *(candidate.name for candidate in STOCK)]
    ceiling = max(filter(None, result["peak"].values())) * 1e9 / 60_014_592
    for row in result["rows"] + result["sweep"]:
        assert 0 < row["min"] <= row["images_per_second"] <= row["max"]
        assert row["peak_fraction"] == pytest.approx(row["images_per_second"] / ceiling)
        assert row["peak_memory_mb"] > 50
        assert row["start_seconds"] > 0.1  # it imports torch
        assert row["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert [row["batch"] for row in result["sweep"]] == [8]
    assert result["hardware"]["cores"] >= 1
    phases, operators = result["phases"]["phases"], result["phases"]["operators"]
    assert min(phases.values()) > 0
    assert phases.keys() >= {"forward", "loss and backward", "Adam"}
    assert operators["Adam"] > 0
    assert operators["matrix multiply"] > 0
    assert operators["convolution, forward"] > 0
    assert operators["convolution, backward"] > 0
    tables = list(result_tables(result))
    assert tables[0].row_count == len(result["rows"])
    assert next(iter(tables[0].columns[-1].cells)) == "1.00×"
    assert len(tables) == 5


def test_the_stock_network_is_the_same_function() -> None:
    stock = candidates.StockNetwork(NetworkConfig()).eval()
    tenfold = DigitNetwork(NetworkConfig()).eval()
    # Both name their parameters block after block; tenfold flattens channels last.
    state = dict(zip(tenfold.state_dict(), stock.state_dict().values(), strict=True))
    flat = state["dense.0.linear.weight"]
    state["dense.0.linear.weight"] = (
        flat.view(-1, 128, 4, 4).permute(0, 2, 3, 1).reshape(flat.shape)
    )
    tenfold.load_state_dict(state)
    pixels = torch.rand(5, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(stock(pixels[:, None]), tenfold(pixels), rtol=1e-4, atol=1e-5)


def test_weight_decay_is_the_report_s_term() -> None:
    network = candidates.StockNetwork(NetworkConfig())
    weights = network.penalised()
    term = candidates.L2_COEFFICIENT * sum(w.square().mean() for w in weights)
    gradients = torch.autograd.grad(torch.as_tensor(term), weights)
    _, *groups = candidates._decayed(network)
    for group, weight, gradient in zip(groups, weights, gradients, strict=True):
        assert group["params"][0] is weight
        torch.testing.assert_close(group["weight_decay"] * weight, gradient)


def test_batches_are_shuffled_images_from_the_start_again_at_the_end(
    folder: Path, tiny_digits: Digits
) -> None:
    batches = candidates.Batches(folder, 150)
    drawn = [batches.draw() for _ in range(3)]  # 450 of 400 images
    pixels = torch.cat([pixels for pixels, _ in drawn])
    labels = torch.cat([labels for _, labels in drawn])
    assert pixels.shape == (450, 1, 28, 28)
    assert torch.equal(pixels[400:], pixels[:50])
    assert torch.equal(labels[:400].sort().values, tiny_digits.labels.sort().values)
    key = functional.pad(pixels[:400].flatten(1), (0, 1))
    key[:, -1] = labels[:400]
    expected = functional.pad(tiny_digits.images.flatten(1) / 255, (0, 1))
    expected[:, -1] = tiny_digits.labels
    torch.testing.assert_close(key.sort(0).values, expected.sort(0).values)


PEAK = """
from tenfold.benchmark.worker import peak_memory_mb
before = peak_memory_mb()
block = bytearray(300_000_000)
block[::4096] = b"x" * len(block[::4096])
del block
print(before, peak_memory_mb())
"""


@linux
def test_peak_memory_counts_what_was_given_back() -> None:
    """In a process of its own: another peak may be higher already."""
    command = [sys.executable, "-c", PEAK]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, after = map(float, printed.split())
    assert before < 300 < after
