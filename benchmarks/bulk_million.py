"""Read a million crops on a Ray cluster that loses a worker half-way, and count the results.

    python benchmarks/bulk_million.py --out benchmarks/records/bulk-million.json

Draws the crops (seven-segment digits under noise, as PNG in Parquet files of 10,000), reads them
with `tenfold read --single --out --on ray`, and kills one of Ray's worker processes when half of
the output files are there. Then counts rows that are missing or there twice. `--local` reads
without Ray, to compare.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from measurement import save
from pyarrow import dataset, parquet

from tenfold.data.digits import synthetic_digits

CROPS_PER_FILE = 10_000


def draw_crops(folder: Path, count: int) -> list[int]:
    """Write Parquet files of PNG images; return the labels. Noise makes every image different."""
    digits = synthetic_digits(2_000, seed=1)
    images, random = digits.images.numpy(), np.random.default_rng(0)
    labels: list[int] = []
    for number, first in enumerate(range(0, count, CROPS_PER_FILE)):
        chosen = random.integers(0, len(images), min(CROPS_PER_FILE, count - first))
        noise = random.integers(0, 24, (len(chosen), 28, 28), np.uint8)
        pictures = images[chosen] // 10 * 9 + noise
        encoded = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
        table = pa.table({"image": encoded, "id": np.arange(first, first + len(chosen))})
        parquet.write_table(table, folder / f"crops-{number:04}.parquet")
        labels += digits.labels.numpy()[chosen].tolist()
    return labels


def kill_worker(driver: int) -> bool:
    """Kill one Ray worker that reads for the process `driver`; say whether there was one."""
    parents: dict[int, int] = {}
    readers = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(folder.name)] = int(fields[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::_read"):
                readers.append(int(folder.name))
        except OSError:  # the process has ended meanwhile
            continue
    for pid in readers:
        ancestor = pid
        while ancestor in parents and ancestor != driver:
            ancestor = parents[ancestor]
        if ancestor == driver:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def read(folder: Path, out: Path, files: int, *, on_ray: bool) -> dict[str, Any]:
    """Read all crops; on Ray, kill a worker half-way."""
    words = [sys.executable, "-m", "tenfold", "read", str(folder), "--single", "--out", str(out)]
    start = time.monotonic()
    process = subprocess.Popen([*words, *(["--on", "ray"] if on_ray else [])])
    killed = False
    progress = [(start, 0)]  # seconds, output files
    while process.poll() is None:
        time.sleep(0.1)
        done = len(list(out.glob("part-*.parquet")))
        if done > progress[-1][1]:
            progress.append((time.monotonic(), done))
        if on_ray and not killed and done >= files // 2:
            killed = kill_worker(process.pid)
    seconds = time.monotonic() - start
    row = {"exit_code": process.returncode, "seconds": round(seconds, 1), "workers_killed": killed}
    if len(progress) > 2:  # noqa: PLR2004 - from the first file to the last, without the start
        (first_seconds, first), (last_seconds, last) = progress[1], progress[-1]
        rate = (last - first) * CROPS_PER_FILE / (last_seconds - first_seconds)
        row["rows_per_second_once_running"] = round(rate)
    return row


def check(out: Path, labels: list[int]) -> dict[str, int]:
    """Count rows, names that are there twice or not at all, and digits accepted and right."""
    columns = dataset.dataset(out, format="parquet").to_table(columns=["file", "text", "error"])
    names = [Path(name).name for name in columns["file"].to_pylist()]
    expected = {
        f"crops-{n // CROPS_PER_FILE:04}.parquet#{n % CROPS_PER_FILE}": label
        for n, label in enumerate(labels)
    }
    texts = columns["text"].to_pylist()  # of a digit that is not accepted: ?
    return {
        "rows": columns.num_rows,
        "duplicates": sum(count > 1 for count in Counter(names).values()),
        "missing": len(expected.keys() - set(names)),
        "unexpected": len(set(names) - expected.keys()),
        "errors": columns.num_rows - columns["error"].null_count,
        "accepted_and_right": sum(
            str(expected.get(name)) == text for name, text in zip(names, texts, strict=True)
        ),
    }


def main() -> None:
    """Draw, read, count, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--local", action="store_true", help="read without Ray")
    parser.add_argument("--out", type=Path, help="file of the record")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenfold-") as name:
        crops, out = Path(name) / "crops", Path(name) / "readings.parquet"
        crops.mkdir()
        labels = draw_crops(crops, options.count)
        files = len(list(crops.iterdir()))
        figures = read(crops, out, files, on_ray=not options.local) | check(out, labels)
    figures["rows_per_second"] = round(figures["rows"] / figures["seconds"])
    print(json.dumps(figures, indent=1))
    save(options.out, count=options.count, **figures)


if __name__ == "__main__":
    main()
