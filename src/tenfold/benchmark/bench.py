"""`tenfold bench train`: images a second of tenfold's step, beside others doing the same.

Every variant has a process of its own (see `bursts`), so that allocators, threads and peak
memory are its own, and only one computes at a time. They take turns, a burst of steps each,
`ROUNDS` times over: what the machine does meanwhile falls on all of them.
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
    STOCK,
    TENFOLD,
    Contestant,
    Tell,
    Variant,
    race,
    started,
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
    tell: Tell = lambda _line: None,
) -> dict[str, Any]:
    """Measure training; return the JSON-ready result, `rows` in the order of measuring.

    Args:
        batch: images a step.
        seconds: of measuring for each variant, in `ROUNDS` bursts.
        compiled: include torch.compile, which compiles for up to minutes first.
        peers: include Keras and JAX where they are installed.
        sweep: measure tenfold at batch sizes 32 … 2048 too.
        phases: measure the phases and the operators of tenfold's step too.
        tell: called with lines of progress.

    Raises:
        RunError: tenfold's own step cannot run.
    """
    chosen = [PEAK, TENFOLD, *STOCK, *([COMPILED] if compiled else []), *(OTHERS if peers else [])]
    entries = [(variant, batch) for variant in chosen]
    with tempfile.TemporaryDirectory(prefix="tenfold-bench-") as name:
        folder = Path(name)
        result: dict[str, Any] = {"batch": batch, "seconds": seconds, "data": _lay_data(folder)}
        (multiply, *raced), skipped = race(entries, folder, seconds, tell)
        peak = {
            key: max((answer.get(key, 0.0) for answer in multiply.answers), default=0.0) or None
            for key in ("bfloat16_gflops", "float32_gflops")
        }
        ceiling = 1e9 * max(filter(None, peak.values())) / training_flops(NetworkConfig())
        result["rows"] = [_row(contestant, ceiling) for contestant in raced]
        result |= {"skipped": skipped, "peak": peak}
        result |= describe_machine(torch.device("cpu")).model_dump()
        result["ceiling_images_per_second"] = ceiling
        if sweep:
            sizes, _ = race([(TENFOLD, size) for size in SWEEP], folder, seconds, tell)
            result["sweep"] = [_sweep_row(contestant, ceiling) for contestant in sizes]
        if phases:
            result["phases"] = _phases(batch, folder, tell)
    return result


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


def _lay_data(folder: Path) -> str:
    """Write images, labels and an order as .npy: MNIST if it is here, else noise of its shape."""
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


def _row(contestant: Contestant, ceiling: float) -> dict[str, Any]:
    speeds = contestant.speeds()
    memory = [answer["peak_memory_mb"] for answer in contestant.answers]
    return {
        "name": contestant.variant.name,
        "images_per_second": statistics.median(speeds),
        "min": min(speeds),
        "max": max(speeds),
        "peak_fraction": statistics.median(speeds) / ceiling,
        "peak_memory_mb": None if None in memory else max(memory),
        "start_seconds": contestant.start_seconds,
        "versions": contestant.versions,
    }


def _sweep_row(contestant: Contestant, ceiling: float) -> dict[str, Any]:
    row = _row(contestant, ceiling)
    row["seconds_per_million_images"] = 1e6 / row["images_per_second"]
    return {"batch": contestant.batch, **row}


def _phases(batch: int, folder: Path, tell: Tell) -> dict[str, Any]:
    """Return milliseconds a step of tenfold, by phase and by operator."""
    with started(Variant("phases", "phases"), batch, folder) as contestant:
        contestant.warm_up(0)
        answer = contestant.burst(PHASE_STEPS)
    tell(f"phases of {PHASE_STEPS} steps measured")
    return {key: answer[key] for key in ("phases", "operators")}
