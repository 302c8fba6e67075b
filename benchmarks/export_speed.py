"""Time the shipped bundle in ONNX Runtime beside the same network in plain PyTorch.

python benchmarks/export_speed.py --out benchmarks/records/export-speed.json

PyTorch runs eagerly in float32, without tenfold's kernels. The candidates take turns, and the
median of the rounds counts: images a second in batches on all cores, and milliseconds for one image
on one core.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TENFOLD_KERNELS"] = "off"

import numpy as np  # only now, since tenfold chooses its kernels when it is imported
import numpy.typing as npt
import torch
from measurement import save

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.torch_bundle import Bundle
from tenfold.cpu import available_cores
from tenfold.data.sources import load_digits

Images = npt.NDArray[np.uint8]
BATCHES = (64, 256)
ROUNDS = 9


def seconds(run: Callable[[Images], object], images: Images, batch: int) -> float:
    """Return the seconds that all images take, with one call for each batch."""
    start = time.perf_counter()
    for first in range(0, len(images), batch):
        run(images[first : first + batch])
    return time.perf_counter() - start


def candidates(threads: int) -> dict[str, Callable[[Images], object]]:
    """Return the functions that map images to probabilities, by name."""
    torch.set_num_threads(threads)
    bundle = Bundle.load()
    return {
        "torch": lambda images: bundle.probabilities(torch.from_numpy(images)),
        "onnx": OnnxClassifier.load(threads=threads).probabilities,
    }


def main() -> None:
    """Measure, print the figures and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    images = load_digits("mnist", "test").images.numpy()
    cores = available_cores()
    figures: dict[str, dict[str, float]] = {}
    for threads, batch, count in [*((cores, b, 4000) for b in BATCHES), (1, 1, 300)]:
        runs = candidates(threads)
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, run in runs.items():
                taken[name].append(seconds(run, images[:count], batch))
        row = {name: statistics.median(times) / count for name, times in taken.items()}
        key = "one image, milliseconds" if batch == 1 else f"batches of {batch}, images/s"
        figures[key] = {n: 1e3 * s if batch == 1 else 1 / s for n, s in row.items()}
        print(key, {name: round(value, 3) for name, value in figures[key].items()}, flush=True)
    save(options.out, threads=cores, figures=figures)


if __name__ == "__main__":
    main()
