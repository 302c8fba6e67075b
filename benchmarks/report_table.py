"""Print the rows that a report-* run's curves select, as a Markdown table.

python benchmarks/report_table.py benchmarks/records/report-methods/*
"""

import json
import sys
from pathlib import Path

NAMES = {"min-nll": "min loss", "max-accuracy": "max accuracy", "last": "end of training"}
SELECTED_ON = {"min-nll": "test", "max-accuracy": "test", "last": "nothing"}


def main(folders: list[str]) -> None:
    """Print one row for each model and rule of each run."""
    print("| recipe | model | row | selected on | iteration | accuracy | nll_sum (`loss_p`) |")
    print("|---|---|---|---|---|---|---|")
    for folder in map(Path, folders):
        if not (folder / "evaluation.json").is_file():
            continue
        evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        for row in evaluation["selection"]:
            rule = row["rule"]
            print(
                f"| `{folder.name}` | {row['model']} | {NAMES[rule]} | {SELECTED_ON[rule]} "
                f"| {row['step']:,} | {100 * row['accuracy']:.2f} % | {row['nll_sum']:.1f} |"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
