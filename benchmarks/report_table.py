"""Print what the report-* recipes reached beside what the seed report did, as Markdown tables.

tenfold repeat report-5-ensemble --seeds 5 --out runs/report-5-ensemble
python benchmarks/report_table.py runs/report-5-ensemble/seed-*

The first table has a line a method: mean ± 95 % interval over the runs, and the best of them, as
the report chose. The second has every row that the runs' curves select.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tenfold.evaluation.statistics import spread
from tenfold.report.folder import RunFolder, Selection, read_run
from tenfold.report.seed_report import seed_method
from tenfold.report.tables import RULES

REPORTED = {1: "99.2–99.3 %", 2: "99.4 % hard to reach"}


def reported(recipe: str) -> str:
    """Return the most accuracy and the least loss of the seed report's method."""
    method = seed_method(recipe)
    assert method is not None  # noqa: S101 - main() has asked
    rows = [row for row in method.rows if row.model in {"the network", "ensemble"}]
    if not rows:
        return REPORTED[method.number]
    accuracy, loss = max(row.accuracy for row in rows), min(row.nll_sum for row in rows)
    return f"{accuracy:.2%}, {loss:.1f}"


def chosen(run: RunFolder, rule: str) -> Selection:
    """Return what the headline model's curve has by a rule."""
    rows = run.evaluation.selection
    return next(row for row in reversed(rows) if row.rule == rule)


def cell(
    runs: list[RunFolder],
    rule: str,
    figure: Callable[[Selection], float],
    form: Callable[[float], str],
) -> str:
    """Return mean ± interval of a figure over the runs."""
    found = spread([figure(chosen(run, rule)) for run in runs])
    return form(found.mean) + (f" ± {form(found.half)}" if found.half is not None else "")


def summary(recipe: str, runs: list[RunFolder]) -> str:
    """Return a line of the first table."""

    def accuracy(row: Selection) -> float:
        return 100 * row.accuracy

    def loss(row: Selection) -> float:
        return row.nll_sum

    best = max(100 * chosen(run, "max-accuracy").accuracy for run in runs)
    least = min(chosen(run, "min-nll").nll_sum for run in runs)
    cells = [
        f"`{recipe}`",
        str(len(runs)),
        reported(recipe),
        cell(runs, "max-accuracy", accuracy, "{:.3f}".format),
        cell(runs, "min-nll", loss, "{:.1f}".format),
        f"{best:.2f} %, {least:.1f}",
        cell(runs, "last", accuracy, "{:.3f}".format),
    ]
    return "| " + " | ".join(cells) + " |"


def main(folders: list[str]) -> None:
    """Print both tables."""
    methods: dict[str, list[RunFolder]] = defaultdict(list)
    for run in map(read_run, map(Path, folders)):
        if seed_method(recipe := str(run.recipe["name"])):
            methods[recipe].append(run)
    print(
        "| recipe | n | reported: most accuracy, least loss | most accuracy, % | least nll_sum ",
        end="",
    )
    print("| best of n | end of training, % (nothing selected) |")
    print("|---|---|---|---|---|---|---|")
    for recipe, runs in sorted(methods.items()):
        print(summary(recipe, runs))
    print("\n| recipe | seed | model | row | iteration | accuracy | nll_sum (`loss_p`) |")
    print("|---|---|---|---|---|---|---|")
    for recipe, runs in sorted(methods.items()):
        for run in runs:
            for row in run.evaluation.selection:
                print(
                    f"| `{recipe}` | {run.recipe['seed']} | {row.model} | {RULES[row.rule]} "
                    f"| {row.step:,} | {row.accuracy:.2%} | {row.nll_sum:.1f} |"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
