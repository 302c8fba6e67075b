"""A million crops on a Ray cluster that loses a worker half-way: all of them, once each.

    python benchmarks/bulk_million.py --out benchmarks/records/bulk-million.json

draws the crops (seven-segment digits under noise, as PNG in Parquet files of 10,000),
reads them with `tenfold read --single --out --on ray`, kills one of Ray's worker processes when
half of the parts are there, and counts. `--local` reads without Ray, to compare.
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

SHARD = 10_000


def generate(folder: Path, count: int) -> list[int]:
    """Write shards of PNG; return the labels. Every picture is another: noise is added."""
    digits = synthetic_digits(2_000, seed=1)
    images, random = digits.images.numpy(), np.random.default_rng(0)
    labels: list[int] = []
    for number, first in enumerate(range(0, count, SHARD)):
        chosen = random.integers(0, len(images), min(SHARD, count - first))
        noise = random.integers(0, 24, (len(chosen), 28, 28), np.uint8)
        pictures = images[chosen] // 10 * 9 + noise
        encoded = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
        table = pa.table({"image": encoded, "id": np.arange(first, first + len(chosen))})
        parquet.write_table(table, folder / f"crops-{number:04}.parquet")
        labels += digits.labels.numpy()[chosen].tolist()
    return labels


def parts(out: Path) -> int:
    """Count the parts that are there."""
    return len(list(out.glob("part-*.parquet")))


def kill_worker(driver: int) -> int:
    """SIGKILL one process that reads, of those whose cluster the driver has started."""
    parents: dict[int, int] = {}
    reading = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(folder.name)] = int(fields[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::_read"):
                reading.append(int(folder.name))
        except OSError:  # gone meanwhile
            continue
    for pid in reading:
        above = pid
        while above in parents and above != driver:
            above = parents[above]
        if above == driver:
            os.kill(pid, signal.SIGKILL)
            return 1
    return 0


def read(folder: Path, out: Path, shards: int, *, on_ray: bool) -> dict[str, Any]:
    """Read everything, with a loss half-way if on Ray."""
    words = [sys.executable, "-m", "tenfold", "read", str(folder), "--single", "--out", str(out)]
    begun = time.monotonic()
    process = subprocess.Popen([*words, *(["--on", "ray"] if on_ray else [])])
    killed = 0
    first: tuple[float, int] | None = None
    last = (begun, 0)
    while process.poll() is None:
        time.sleep(0.1)
        if (there := parts(out)) > last[1]:
            last = (time.monotonic(), there)
            first = first or last
        if on_ray and not killed and there >= shards // 2:
            killed = kill_worker(process.pid)
    seconds = time.monotonic() - begun
    row = {"exit_code": process.returncode, "seconds": round(seconds, 1), "workers_killed": killed}
    if first and last[1] > first[1]:  # without what starting takes
        rate = (last[1] - first[1]) * SHARD / (last[0] - first[0])
        row["rows_per_second_once_running"] = round(rate)
    return row


def check(out: Path, labels: list[int]) -> dict[str, Any]:
    """Count rows, names that are there twice or not at all, and digits read right."""
    table = dataset.dataset(out, format="parquet").to_table(columns=["file", "digit", "error"])
    names = Counter(table["file"].to_pylist())
    wanted = {f"crops-{n // SHARD:04}.parquet#{n % SHARD}": label for n, label in enumerate(labels)}
    found = {Path(name).name for name in names}
    digits = zip(table["file"].to_pylist(), table["digit"].to_pylist(), strict=True)
    return {
        "rows": table.num_rows,
        "twice": sum(count > 1 for count in names.values()),
        "lost": len(wanted.keys() - found),
        "unknown": len(found - wanted.keys()),
        "errors": table.num_rows - table["error"].null_count,
        "right": sum(wanted[Path(name).name] == digit for name, digit in digits),
    }


def main() -> None:
    """Generate, read, count, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--local", action="store_true", help="read without Ray")
    parser.add_argument("--out", type=Path, help="file of the record")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenfold-") as name:
        crops, out = Path(name) / "crops", Path(name) / "readings.parquet"
        crops.mkdir()
        labels = generate(crops, options.count)
        shards = len(list(crops.iterdir()))
        found = {
            "count": options.count,
            **read(crops, out, shards, on_ray=not options.local),
            **check(out, labels),
        }
    found["rows_per_second"] = round(found["rows"] / found["seconds"])
    print(json.dumps(found, indent=1))
    save(options.out, **found)


if __name__ == "__main__":
    main()
