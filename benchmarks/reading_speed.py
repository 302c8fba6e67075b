"""Time reading: one picture from a cold start, and many crops in bulk, decoding excluded.

python benchmarks/reading_speed.py --out benchmarks/records/reading-speed.json

The crops are MNIST's test images as arrays. Each is found, normalised and classified as with
`--single`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from measurement import save
from PIL import Image

from tenfold.bundle.format import SHIPPED
from tenfold.cpu import available_cores
from tenfold.data.sources import load_digits
from tenfold.evaluation.statistics import spread
from tenfold.reading.bulk import read_in_bulk
from tenfold.rendering.picture_sets import load_pictures

WARM_UP_CROPS = 2_000


def cold_start_seconds(picture: Path, times: int) -> list[float]:
    """Return the seconds that each of several `tenfold read` processes takes on one picture."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tenfold", "read", str(picture), "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds.append(time.perf_counter() - start)
    return seconds


def crops_per_second(crops: npt.NDArray[np.uint8], count: int, workers: int) -> float:
    """Return crops read a second, once the workers have started."""

    def endless() -> Iterator[npt.NDArray[np.uint8]]:
        yield from islice(cycle(crops), count)

    outcomes = read_in_bulk(endless(), SHIPPED, "single", workers=workers)
    for _ in islice(outcomes, WARM_UP_CROPS):
        pass
    start = time.perf_counter()
    done = sum(1 for _ in outcomes)
    return done / (time.perf_counter() - start)


def main() -> None:
    """Measure, print the figures and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--crops", type=int, default=30_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as `tenfold read` sets it
    number = load_pictures("document-numbers", n=1).pictures[0]
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "number.png"
        Image.fromarray(number).save(picture)
        seconds = cold_start_seconds(picture, 7)
    crops = load_digits("mnist", "test").images.numpy()
    rates = {
        str(workers): [
            crops_per_second(crops, options.crops, workers) for _ in range(options.times)
        ]
        for workers in sorted({1, available_cores()})
    }
    print(f"cold start: {statistics.median(seconds):.2f} s, median of {len(seconds)}")
    for workers, values in rates.items():
        rate = spread(values)
        print(
            f"{workers} process(es): {rate.mean:,.0f} ± {rate.half or 0:,.0f} crops/s, n = {rate.n}"
        )
    save(options.out, cold_seconds=seconds, crops_per_second=rates)


if __name__ == "__main__":
    main()
