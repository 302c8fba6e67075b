"""Keep the record of a set of runs: recipe, one manifest, the seeds' journals, a line a seed.

python benchmarks/record_set.py runs/single-seeds benchmarks/records/single
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from tenfold.execution.run import Run


def line(run: Run) -> dict[str, Any]:
    """Return what one seed scored: the headline model, and which images it got wrong."""
    evaluation = run.evaluation
    headline, calibration = evaluation["models"][-1], evaluation["calibration"]
    return {
        "seed": run.recipe.seed,
        **{key: headline[key] for key in ("accuracy", "errors", "nll_sum", "ece")},
        "temperature": calibration["temperature"],
        "nll_sum_before_temperature": calibration["before"]["nll_sum"],
        "training_seconds": run.manifest["timings"]["training_seconds"],
        "mistakes": [mistake["index"] for mistake in evaluation["mistakes"]],
    }


def main(source: Path, target: Path) -> None:
    """Copy what a record holds; weights and log probabilities are left out for their size."""
    runs = [Run.open(folder) for folder in source.glob("seed-*")]
    runs = sorted((run for run in runs if run.finished), key=lambda run: run.recipe.seed)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.toml", "manifest.json"):
        shutil.copy(runs[0].path / name, target / name)
    (target / "results.jsonl").write_text("".join(json.dumps(line(run)) + "\n" for run in runs))
    for run in runs:
        for number, member in enumerate(run.members):
            part = f".member-{number}" if len(run.members) > 1 else ""
            name = f"seed-{run.recipe.seed}{part}.journal.jsonl"
            shutil.copy(member / "journal.jsonl", target / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
