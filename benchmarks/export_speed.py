"""Time the shipped bundle in ONNX Runtime beside the same network in plain PyTorch.

tenfold export field --out field.onnx
tenfold export field --int8 --out field.int8.onnx
python benchmarks/export_speed.py *.onnx --out benchmarks/records/export-speed.json

PyTorch runs eagerly in float32, without tenfold's kernels. Contestants take turns; the median of
the rounds counts. Images a second in batches on all cores, and milliseconds for one on one core.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TENFOLD_KERNELS"] = "off"

import numpy as np  # after the kernels are chosen
import numpy.typing as npt
import torch
from measurement import save

from tenfold.bundle.format import SHIPPED, read_config
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.torch_bundle import Bundle
from tenfold.cpu import available_cores
from tenfold.data.sources import load_digits

Images = npt.NDArray[np.uint8]
BATCHES = (64, 256)
ROUNDS = 9


def seconds(run: Callable[[Images], object], images: Images, batch: int) -> float:
    """Return the seconds that all images take, a batch a call."""
    begun = time.perf_counter()
    for start in range(0, len(images), batch):
        run(images[start : start + batch])
    return time.perf_counter() - begun


def contestants(files: list[Path], threads: int) -> dict[str, Callable[[Images], object]]:
    """Return what maps images to probabilities, by name."""
    torch.set_num_threads(threads)
    bundle, config = Bundle.load(SHIPPED), read_config(SHIPPED)
    runs: dict[str, Callable[[Images], object]] = {
        "torch": lambda images: bundle.probabilities(torch.from_numpy(images))
    }
    for file in files:
        runs[file.name] = OnnxClassifier(config, file.read_bytes(), threads).probabilities
    return runs


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    images = load_digits("mnist", "test").images.numpy()
    cores = available_cores()
    found: dict[str, dict[str, float]] = {}
    for threads, batch, count in [*((cores, b, 4000) for b in BATCHES), (1, 1, 300)]:
        runs = contestants(given.files, threads)
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, run in runs.items():
                taken[name].append(seconds(run, images[:count], batch))
        row = {name: statistics.median(times) / count for name, times in taken.items()}
        key = "one image, milliseconds" if batch == 1 else f"batches of {batch}, images/s"
        found[key] = {n: 1e3 * s if batch == 1 else 1 / s for n, s in row.items()}
        print(key, {name: round(value, 3) for name, value in found[key].items()}, flush=True)
    save(given.out, threads=cores, figures=found)


if __name__ == "__main__":
    main()
