"""On a machine with CUDA: time to 99.0, 99.5 and 99.7 % on MNIST, and images a second in training.

python benchmarks/gpu.py --out benchmarks/records/gpu.json

It takes at most ten minutes, and ends with exit code 2 where there is no CUDA. The speed is that
of the report's network, beside stock PyTorch. A time to an accuracy is that of one network's
iterations until its accuracy on the test images is first that high: of the curve, or of the
finished network with its test-time augmentation. Nothing else is chosen on the test images.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from measurement import save

from tenfold.artifacts.training import Event, JournalRecord
from tenfold.benchmark.bench import write_data
from tenfold.benchmark.candidates import Run as Steps
from tenfold.benchmark.candidates import stock_steps, tenfold_steps, tuned_steps
from tenfold.data.sources import load_digits
from tenfold.execution.config import Execution
from tenfold.execution.train import train
from tenfold.training.hardware import fast_bfloat16
from tenfold.training.journal import Journal

TARGETS = (0.99, 0.995, 0.997)
CANDIDATES: dict[str, Callable[[Path, int, torch.device], Steps]] = {
    "tenfold": tenfold_steps,
    "PyTorch eager, float32": stock_steps,
    "PyTorch eager, bfloat16": tuned_steps,  # the last
}


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        recipes: trained in turns, one seed after the other.
        seeds: of each recipe, at most.
        batches: images a step, for the speed.
        rounds: turns of each candidate.
        turn_seconds: that a turn takes.
        minutes: after which no further training goes on.
        overrides: of the recipes.
    """

    recipes: tuple[str, ...] = ("swift", "single")
    seeds: int = 5
    batches: tuple[int, ...] = (400, 2048)
    rounds: int = 5
    turn_seconds: float = 1.0
    minutes: float = 9.0
    overrides: tuple[str, ...] = ('data.monitor="test"',)


class OutOfTimeError(Exception):
    """The time of the plan is over."""


def candidates(device: torch.device) -> dict[str, Callable[[Path, int, torch.device], Steps]]:
    """Return what is measured on a device: bfloat16 only where it is not emulated."""
    return CANDIDATES if fast_bfloat16(device) else dict(islice(CANDIDATES.items(), 2))


def speeds(device: torch.device, batch: int, plan: Plan) -> dict[str, dict[str, float]]:
    """Return images a second of each candidate, which take turns: median, least and most."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        steps = {name: build(folder, batch, device) for name, build in candidates(device).items()}
    counts = {}
    for name, run in steps.items():
        timed(run, 10, device)  # the first steps choose algorithms
        counts[name] = max(1, round(10 * plan.turn_seconds / timed(run, 10, device)))
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(plan.rounds):
        for name, run in steps.items():
            found[name].append(batch * counts[name] / timed(run, counts[name], device))
    return {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for name, values in found.items()
    }


def timed(run: Steps, steps: int, device: torch.device) -> float:
    """Return the seconds that some steps take until the device has done them."""
    synchronize(device)
    begun = time.perf_counter()
    run(steps)
    synchronize(device)
    return time.perf_counter() - begun


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def training(
    recipe: str, seed: int, device: torch.device, plan: Plan, end: float
) -> dict[str, Any]:
    """Train one network; return its seconds, its accuracy, and the seconds to each target.

    Raises:
        OutOfTimeError: it is `end`, a time of `time.monotonic`.
    """

    def stop_at_end(_member: int, _event: Event) -> None:
        if time.monotonic() > end:
            raise OutOfTimeError

    with tempfile.TemporaryDirectory() as name:
        run = train(
            recipe,
            out=Path(name) / "run",
            overrides=[*plan.overrides, f"seed={seed}"],
            execution=Execution(device=device.type),
            on_event=stop_at_end,
        )
        accuracy = run.evaluation.models[-1].accuracy
        curve = [(r.accuracy, r.seconds) for r in Journal(run.members[0]).read(JournalRecord)]
    seconds = curve[-1][1]
    return {
        "recipe": recipe,
        "seed": seed,
        "training_seconds": seconds,
        "accuracy": accuracy,
        "seconds_to": {
            str(target): next((s for a, s in [*curve, (accuracy, seconds)] if a >= target), None)
            for target in TARGETS
        },
    }


def trainings(device: torch.device, plan: Plan, end: float) -> list[dict[str, Any]]:
    """Train seed after seed of every recipe until all are done or the time is over."""
    rows: list[dict[str, Any]] = []
    for seed in range(plan.seeds):
        for recipe in plan.recipes:
            try:
                rows.append(training(recipe, seed, device, plan, end))
            except OutOfTimeError:
                print(f"the time is over: {len(rows)} networks were trained")
                return rows
            print(rows[-1], flush=True)
    return rows


def measure(device: torch.device, plan: Plan) -> dict[str, Any]:
    """Return all figures; the speed comes first, so that the device is warm for trainings."""
    end = time.monotonic() + 60 * plan.minutes
    images_per_second = {str(batch): speeds(device, batch, plan) for batch in plan.batches}
    for batch, rows in images_per_second.items():
        for name, row in rows.items():
            print(f"batch {batch}: {name}: {row['median']:,.0f} images/s")
    return {"images_per_second": images_per_second, "trainings": trainings(device, plan, end)}


def print_summary(rows: Sequence[dict[str, Any]]) -> None:
    """Print the median time of each recipe to each target, and of how many seeds it is."""
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        of_recipe = [row for row in rows if row["recipe"] == recipe]
        for target in TARGETS:
            seconds = [row["seconds_to"][str(target)] for row in of_recipe]
            reached = [value for value in seconds if value is not None]
            median = f"{statistics.median(reached):.1f} s" if reached else "not reached"
            print(f"{recipe}: {target:.1%}: {median} ({len(reached)} of {len(seconds)} seeds)")


def main() -> None:
    """Measure, print a summary and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="file of the record")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu.py: torch finds no CUDA device here; run it where there is one", file=sys.stderr)
        raise SystemExit(2)
    load_digits("mnist", "train")  # downloads it, which is not timed
    figures = measure(torch.device("cuda"), Plan())
    print_summary(figures["trainings"])
    save(options.out, device="cuda", **figures)


if __name__ == "__main__":
    main()
