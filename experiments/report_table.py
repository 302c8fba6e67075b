"""Print what the report-* recipes reached beside what the seed report did, as Markdown tables.

tenfold repeat report-5-ensemble --seeds 5 --out runs/report-5-ensemble   # and the other four
python experiments/record_runs.py runs/report-* --out experiments/records/report-methods.json
python experiments/report_table.py

The first table has a line for each method: mean ± 95 % interval over the runs, and the best of
them, as the report chose. The second has every row that the runs' curves select.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from record_runs import groups_of

from tenfold.artifacts.evaluation import Curve, Selection
from tenfold.evaluation.statistics import spread
from tenfold.report.seed_report import seed_method
from tenfold.report.tables import RULES
from tenfold.training.curves import selected_rows

REPORTED = {1: "99.2–99.3 %", 2: "99.4 % hard to reach"}  # the report gives these two in words
Row = dict[str, Any]


def reported(recipe: str) -> str:
    """Return the most accuracy and the least loss of the seed report's method."""
    method = seed_method(recipe)
    if method is None:
        raise SystemExit(f"{recipe}: no method of the seed report")
    rows = [row for row in method.rows if row.model in {"the network", "ensemble"}]
    if not rows:
        return REPORTED[method.number]
    accuracy, loss = max(row.accuracy for row in rows), min(row.nll_sum for row in rows)
    return f"{100 * accuracy:.2f} %, {loss:.1f}"


def selections(run: Row) -> Iterator[Selection]:
    """Yield the rows that each curve of a run selects, the headline model's last."""
    step = run["curves"]["step"]
    for name, curve in run["curves"].items():
        if isinstance(curve, dict):
            yield from selected_rows(
                Curve(name=name, step=step, **{key: curve[key] for key in ("nll_sum", "accuracy")})
            )


def interval(values: Sequence[float], digits: int) -> str:
    """Return mean ± half of the 95 % interval."""
    mean = spread(values)
    half = "" if mean.half is None else f" ± {mean.half:.{digits}f}"
    return f"{mean.mean:.{digits}f}{half}"


def summary(recipe: str, runs: Sequence[Row]) -> str:
    """Return a line of the first table."""
    # Later rows replace earlier ones, so that the headline model's remain.
    chosen = [{row.rule: row for row in selections(run)} for run in runs]
    accuracies = [100 * rows["max-accuracy"].accuracy for rows in chosen]
    losses = [rows["min-nll"].nll_sum for rows in chosen]
    cells = [
        f"`{recipe}`",
        str(len(runs)),
        reported(recipe),
        interval(accuracies, 3),
        interval(losses, 1),
        f"{max(accuracies):.2f} %, {min(losses):.1f}",
        interval([100 * rows["last"].accuracy for rows in chosen], 3),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    record = Path("experiments/records/report-methods.json")
    parser.add_argument("--record", type=Path, default=record)
    groups = groups_of(parser.parse_args().record)
    print("| recipe | n | reported: most accuracy, least loss | most accuracy, % ", end="")
    print("| least nll_sum | best of n | end of training, % (nothing selected) |")
    print("|---|---|---|---|---|---|---|")
    for recipe, group in groups.items():
        print(summary(recipe, group["runs"]))
    print("\n| recipe | seed | model | row | iteration | accuracy | nll_sum (`loss_p`) |")
    print("|---|---|---|---|---|---|---|")
    for recipe, group in groups.items():
        for run in group["runs"]:
            for row in selections(run):
                print(
                    f"| `{recipe}` | {run['seed']} | {row.model} | {RULES[row.rule]} "
                    f"| {row.step:,} | {row.accuracy:.2%} | {row.nll_sum:.1f} |"
                )


if __name__ == "__main__":
    main()
