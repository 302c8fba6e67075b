"""`tenfold bench train`: images per second of tenfold's training step and of other candidates.

Every candidate runs in a process of its own (`worker.py`), with its own allocators, threads and
peak memory. Only one computes at a time. They take turns of some steps each, `ROUNDS` times over,
so that other load on the machine slows all of them alike.
"""

import statistics
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenfold.benchmark.runner import (
    COMPILED,
    OTHERS,
    PEAK,
    PEERS,
    STOCK,
    TENFOLD,
    Candidate,
    OnProgress,
    Worker,
    measure_in_turns,
    start_worker,
)
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.data.sampling import IndexStream
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import load_digits, verify
from tenfold.model.config import NetworkConfig
from tenfold.training.hardware import describe_machine

SWEEP = (32, 64, 128, 256, 512, 1024, 2048)
PHASE_STEPS = 20


def bench(  # noqa: PLR0913 - each is an option of the command line
    *,
    batch: int = 400,
    seconds: float = 3.0,
    compiled: bool = False,
    peers: bool = True,
    sweep: bool = False,
    phases: bool = False,
    on_progress: OnProgress = lambda _line: None,
) -> dict[str, Any]:
    """Measure training; return the JSON-ready result, `rows` in the order of measuring.

    Args:
        batch: images a step.
        seconds: of measuring for each candidate, in `ROUNDS` turns.
        compiled: include torch.compile, which compiles for up to minutes first.
        peers: include Keras and JAX where they are installed; only a source checkout can.
        sweep: measure tenfold at batch sizes 32 … 2048 too.
        phases: measure the phases and the operators of tenfold's step too.
        on_progress: called with a line of text now and then.

    Raises:
        RunError: tenfold's own step cannot run.
    """
    candidates = [
        PEAK,
        TENFOLD,
        *STOCK,
        *([COMPILED] if compiled else []),
        *(OTHERS if peers and PEERS.is_dir() else []),
    ]
    entries = [(candidate, batch) for candidate in candidates]
    with tempfile.TemporaryDirectory(prefix="tenfold-bench-") as name:
        folder = Path(name)
        result: dict[str, Any] = {"batch": batch, "seconds": seconds, "data": write_data(folder)}
        (multiply, *measured), skipped = measure_in_turns(entries, folder, seconds, on_progress)
        peak = _peak(multiply)
        ceiling = 1e9 * max(filter(None, peak.values())) / training_flops(NetworkConfig())
        result["rows"] = [_row(worker, ceiling) for worker in measured]
        result |= {"skipped": skipped, "peak": peak}
        result |= describe_machine(torch.device("cpu")).model_dump()
        result["ceiling_images_per_second"] = ceiling
        if sweep:
            sizes, _ = measure_in_turns(
                [(TENFOLD, size) for size in SWEEP], folder, seconds, on_progress
            )
            result["sweep"] = [_sweep_row(worker, ceiling) for worker in sizes]
        if phases:
            result["phases"] = _phases(batch, folder, on_progress)
    return result


def _peak(multiply: Worker) -> dict[str, float | None]:
    """Return the fastest matrix product by dtype, in GFLOP/s; None where none was measured."""
    measured = multiply.measurements
    keys = ("bfloat16_gflops", "float32_gflops")
    return {key: max((m.get(key, 0.0) for m in measured), default=0.0) or None for key in keys}


def training_flops(config: NetworkConfig) -> int:
    """Return the floating-point operations to train on one image: 2 a multiply-add.

    Backward takes the forward products twice, for the gradients of weights and of inputs; the
    first convolution's input is the image, which needs none. Convolutions count their padding,
    everything but convolutions and matrix products is left out.
    """
    first = SIDE * SIDE * 9 * config.widths[0]
    forward, side = first, SIDE
    for inputs, outputs in pairwise(config.widths):
        side = -(-side // 2)
        forward += side * side * 9 * inputs * outputs
    side = -(-side // 2)
    units = (side * side * config.widths[-1], *config.fully_connected, CLASSES)
    forward += sum(a * b for a, b in pairwise(units))
    return 2 * (3 * forward - first)


def write_data(folder: Path) -> str:
    """Write images, labels and an order as .npy: MNIST if it is here, else random bytes."""
    if all(state == "ok" for _, state in verify("mnist")):
        digits = load_digits("mnist", "train")
        name, images, labels = digits.name, digits.images.numpy(), digits.labels.numpy()
    else:
        random = np.random.default_rng(0)
        name = "random bytes"
        images = random.integers(0, 256, (60_000, SIDE, SIDE), np.uint8)
        labels = random.integers(0, CLASSES, 60_000, np.int64)
    order = IndexStream(len(images), derive_seed("bench")).indices(0, len(images)).numpy()
    for stem, array in (("images", images), ("labels", labels), ("order", order)):
        np.save(folder / f"{stem}.npy", array)
    return name


def _row(worker: Worker, ceiling: float) -> dict[str, Any]:
    speeds = worker.speeds()
    memory = [measurement["peak_memory_mb"] for measurement in worker.measurements]
    return {
        "name": worker.candidate.name,
        "images_per_second": statistics.median(speeds),
        "min": min(speeds),
        "max": max(speeds),
        "peak_fraction": statistics.median(speeds) / ceiling,
        "peak_memory_mb": None if None in memory else max(memory),
        "start_seconds": worker.start_seconds,
        "versions": worker.versions,
    }


def _sweep_row(worker: Worker, ceiling: float) -> dict[str, Any]:
    row = _row(worker, ceiling)
    row["seconds_per_million_images"] = 1e6 / row["images_per_second"]
    return {"batch": worker.batch, **row}


def _phases(batch: int, folder: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Return milliseconds a step of tenfold, by phase and by operator."""
    with start_worker(Candidate("phases", "phases"), batch, folder) as worker:
        worker.warm_up(0)
        measurement = worker.run(PHASE_STEPS)
    on_progress(f"phases of {PHASE_STEPS} steps measured")
    return {key: measurement[key] for key in ("phases", "operators")}
