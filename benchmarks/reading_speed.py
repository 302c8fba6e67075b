"""Time reading: one picture from a cold start, a field, a large page, and many crops in bulk.

python benchmarks/reading_speed.py --out benchmarks/records/reading-speed.json

Decoding is timed from the cold start only. The fields are four digits in boxes, 300 × 80 pixels.
The page has 24 of them on 12 megapixels of paper. A reader uses all cores for them. The crops
are MNIST's test images as arrays. Each is found, normalised and classified as with `--single`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from measurement import save
from PIL import Image

from tenfold.bundle.format import SHIPPED
from tenfold.cpu import available_cores
from tenfold.data.sources import load_digits
from tenfold.evaluation.statistics import spread
from tenfold.reading.bulk import read_in_bulk
from tenfold.reading.reader import Reader
from tenfold.rendering.held_out import held_out_fields
from tenfold.rendering.picture_sets import load_pictures

WARM_UP_CROPS = 2_000
FIELDS = 40
FIELD_SIZE = (300, 80)
FIELD_SIZE_ON_PAGE = (500, 133)
PAGE_SHAPE = (3000, 4000)

Pixels = npt.NDArray[np.uint8]


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


def fields() -> list[Pixels]:
    """Return fields uint8[80, 300] with four digits in boxes."""
    rendered = held_out_fields("comb", load_digits("mnist", "test"), FIELDS)
    return [_resized(pixels, FIELD_SIZE) for pixels, _ in rendered]


def page_with(fields: Sequence[Pixels]) -> Pixels:
    """Return a page uint8[3000, 4000] on which fields lie."""
    noise = np.random.default_rng(0).normal(225, 3, PAGE_SHAPE)
    page = noise.clip(0, 255).astype(np.uint8)
    places = [(y, x) for y in range(200, 2900, 500) for x in range(200, 3500, 900)]
    for (y, x), field in zip(places, fields, strict=False):
        large = _resized(field, FIELD_SIZE_ON_PAGE)
        page[y : y + large.shape[0], x : x + large.shape[1]] = large
    return page


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def seconds_each(reader: Reader, pictures: Sequence[Pixels]) -> list[float]:
    """Return the seconds that each picture takes, once the first has been read."""
    reader.read(pictures[0])
    seconds = []
    for pixels in pictures:
        start = time.perf_counter()
        reader.read(pixels)
        seconds.append(time.perf_counter() - start)
    return seconds


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
    reader = Reader.load(threads=available_cores())
    field_seconds = seconds_each(reader, fields())
    page_seconds = seconds_each(reader, [page_with(fields())] * (1 + options.times))
    for name, values in (("field", field_seconds), ("page", page_seconds)):
        milliseconds = 1000 * statistics.median(values)
        print(f"{name}: {milliseconds:,.1f} ms, median of {len(values)}")
    print(f"cold start: {statistics.median(seconds):.2f} s, median of {len(seconds)}")
    for workers, values in rates.items():
        rate = spread(values)
        print(
            f"{workers} process(es): {rate.mean:,.0f} ± {rate.half or 0:,.0f} crops/s, n = {rate.n}"
        )
    save(
        options.out,
        cold_seconds=seconds,
        field_seconds=field_seconds,
        page_seconds=page_seconds,
        crops_per_second=rates,
    )


if __name__ == "__main__":
    main()
