"""Time `tenfold train` as whole processes, a seed each, and summarise what they scored.

python benchmarks/cold_start.py benchmarks/records/swift --seeds 10 -- train swift
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tenfold.evaluation.statistics import spread

TARGET = 0.99  # of the monitored images


def run_one(arguments: list[str], folder: Path, seed: int) -> dict[str, Any]:
    """Train in a process of its own; return wall seconds from its start, peak memory, scores."""
    command = ["/usr/bin/env", "time", "-f", "%M", sys.executable, "-m", "tenfold", *arguments]
    command += ["--seed", str(seed), "--out", str(folder), "--json"]
    begun = time.perf_counter()
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    training = sum(manifest["timings"].values())
    lines = (folder / "members/00/journal.jsonl").read_text(encoding="utf-8").splitlines()
    reached = [r["seconds"] for r in map(json.loads, lines) if r["accuracy"] >= TARGET]
    headline = evaluation["models"][-1]
    return {
        "seed": seed,
        "seconds": round(seconds, 2),
        "training_seconds": manifest["timings"]["training_seconds"],
        # From the start of the process: all that is neither training nor evaluation counts.
        "seconds_to_99": round(reached[0] + seconds - training, 2) if reached else None,
        "largest_process_mb": round(int(answer.stderr.split()[-1]) / 1024),
        "accuracy": headline["accuracy"],
        "nll_sum": headline["nll_sum"],
        "ece": headline["ece"],
    }


def main() -> None:
    """Run the seeds that have no line yet; print a summary of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("arguments", nargs="+", help="of tenfold: train RECIPE …")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / "cold-starts.jsonl"
    rows = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    for seed in range(given.seeds):
        if any(row["seed"] == seed for row in rows):
            continue
        rows.append(run_one(given.arguments, given.out / f"seed-{seed}", seed))
        with table.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(rows[-1], flush=True)
    print(f"\n{len(rows)} seeds of `tenfold {' '.join(given.arguments)}`")
    for key in ("accuracy", "nll_sum", "ece"):
        found = spread([row[key] for row in rows])
        print(f"{key}: {found.mean:.5g} ± {found.half or float('nan'):.2g} (95 % interval)")
    for key in ("seconds", "training_seconds", "seconds_to_99", "largest_process_mb"):
        values = [row[key] for row in rows if row[key] is not None]
        print(f"{key}: median {statistics.median(values):.5g}, {min(values)} to {max(values)}")


if __name__ == "__main__":
    main()
