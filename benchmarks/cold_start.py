"""Time `tenfold train` as whole processes, one for each seed, and summarise what they scored.

python benchmarks/cold_start.py runs/swift --out benchmarks/records/cold-start.json -- train swift

The run folders stay in `runs/swift`; the record has one line of figures for each seed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measurement import save

from tenfold.evaluation.statistics import spread

TARGET_ACCURACY = 0.99


def run_one(arguments: list[str], folder: Path, seed: int) -> dict[str, Any]:
    """Train in a process of its own; return wall seconds from its start, peak memory, scores."""
    command = ["/usr/bin/env", "time", "-f", "%M", sys.executable, "-m", "tenfold", *arguments]
    command += ["--seed", str(seed), "--out", str(folder), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    training = manifest["timings"]["training_seconds"]
    evaluating = manifest["timings"]["evaluation_seconds"]
    lines = (folder / "members/00/journal.jsonl").read_text(encoding="utf-8").splitlines()
    reached = [r["seconds"] for r in map(json.loads, lines) if r["accuracy"] >= TARGET_ACCURACY]
    headline = evaluation["models"][-1]
    # What is neither training nor evaluation counts as start-up.
    startup = seconds - training - evaluating
    return {
        "seed": seed,
        "seconds": round(seconds, 2),
        "training_seconds": training,
        "seconds_to_99": round(reached[0] + startup, 2) if reached else None,
        "largest_process_mb": round(int(done.stderr.split()[-1]) / 1024),
        **{key: headline[key] for key in ("accuracy", "nll_sum", "ece")},
    }


def main() -> None:
    """Train every seed; print a summary and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder for the runs")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, help="file of the record")
    parser.add_argument("arguments", nargs="+", help="of tenfold: train RECIPE …")
    options = parser.parse_args()
    rows = []
    for seed in range(options.seeds):
        rows.append(run_one(options.arguments, options.root / f"seed-{seed}", seed))
        print(rows[-1], flush=True)
    print(f"\n{len(rows)} seeds of `tenfold {' '.join(options.arguments)}`")
    for key in ("accuracy", "nll_sum", "ece"):
        mean = spread([row[key] for row in rows])
        print(f"{key}: {mean.mean:.5g} ± {mean.half or float('nan'):.2g} (95 % interval)")
    for key in ("seconds", "training_seconds", "seconds_to_99", "largest_process_mb"):
        values = [row[key] for row in rows if row[key] is not None]
        print(f"{key}: median {statistics.median(values):.5g}, {min(values)} to {max(values)}")
    save(options.out, runs=rows)


if __name__ == "__main__":
    main()
