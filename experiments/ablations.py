"""Remove one part of `swift` at a time, or add one, with ten paired seeds each.

python experiments/ablations.py runs/ablations --seeds 10

Trains the variants that experiments/records/ablations.json lacks and adds them to it. Then prints a
Markdown table of all that it holds, and draws docs/images/ablations.svg. The record also has two
variants that tenfold no longer trains: learned pooling, and two convolutions in each block. The
recipe was chosen on held-out training images before; nothing is chosen from what is seen here. A
second table has the seed report's network by kind of pooling. It is trained as the report did, with
Adam alone and nothing of `swift`'s, on as many images.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from record_runs import Group, group_of, groups_of, runs_in, write_record

from tenfold.artifacts.studies import Difference, Spread
from tenfold.evaluation.statistics import paired, spread
from tenfold.model.config import NetworkConfig

RECORD = Path("experiments/records/ablations.json")
FIGURES = {"accuracy": (100, 3), "nll_sum": (1, 1)}  # factor and decimals
VARIANTS: dict[str, list[str]] = {
    "swift": [],
    "max pooling": ["network.pooling=max"],
    "average pooling": ["network.pooling=average"],
    "Adam in place of Muon": ["training.optimizer.muon=0.0"],
    "no label smoothing": ["training.label_smoothing=0.0"],
    "no augmentation": [
        *(f"augmentation.{key}=0.0" for key in ("rotation", "scale", "shear", "translation"))
    ],
    "no EMA of the weights": ["ema.decay=0.0"],
    "constant learning rate": ["training.stages.1.learning_rate=0.006"],
    "no batch normalisation": ["network.normalisation=none"],
}
REPORT = [
    *(f"network.{key}={value}" for key, value in NetworkConfig().model_dump(mode="json").items()),
    *VARIANTS["Adam in place of Muon"],
    *VARIANTS["no label smoothing"],
    *VARIANTS["no augmentation"],
    *VARIANTS["no EMA of the weights"],
    "training.stages.0.learning_rate=0.001",
    "training.stages.1.learning_rate={start=0.001, end=0.0}",
]
REPORT_NAME = "the report's network"
IN_REPORT = {
    REPORT_NAME: REPORT,
    "its network, max pooling": [*REPORT, "network.pooling=max"],
    "its network, average pooling": [*REPORT, "network.pooling=average"],
}

Result = dict[str, tuple[Spread, Difference]]


def train(name: str, changes: Sequence[str], folder: Path, seeds: int) -> Group:
    """Train a variant with several seeds; return its group of the record."""
    command = [sys.executable, "-m", "tenfold", "repeat", "swift", "--seeds", str(seeds)]
    command += ["--out", str(folder), *(word for change in changes for word in ("--set", change))]
    subprocess.run(command, check=True)
    return group_of(name, runs_in(folder), changes=changes)


def difference_cell(gap: Difference, scale: float, digits: int) -> str:
    """Return a cell of a table: the mean of paired differences, its interval, p."""
    low, high = scale * (gap.low or gap.mean), scale * (gap.high or gap.mean)
    interval = f"{scale * gap.mean:+.{digits}f} ({low:+.{digits}f} … {high:+.{digits}f})"
    return interval if gap.p is None else f"{interval}, p = {gap.p:.2g}"


def table_row(name: str, result: Result) -> str:
    """Return a line of the table: means, then paired differences with p."""
    cells = [name]
    for key, (scale, digits) in FIGURES.items():
        mean = result[key][0]
        cells.append(f"{scale * mean.mean:.{digits}f} ± {scale * (mean.half or 0):.{digits}f}")
    for key, (scale, digits) in FIGURES.items():
        cells.append(difference_cell(result[key][1], scale, digits))
    return "| " + " | ".join(cells) + " |"


def print_table(groups: dict[str, Group], names: Iterable[str], base: str) -> dict[str, Result]:
    """Print a line for each variant, paired with `base` by seed; return the figures."""
    figures = {
        name: {key: [run[key] for run in groups[name]["runs"]] for key in FIGURES}
        for name in {*names, base}
    }
    against = figures[base]
    print(f"| | accuracy, % | nll_sum | accuracy less that of {base} | nll_sum less that |")
    print("|---|---|---|---|---|")
    results = {}
    for name in names:
        rows = figures[name]
        results[name] = {k: (spread(rows[k]), paired(against[k], rows[k])) for k in FIGURES}
        removed = "" if name in VARIANTS | IN_REPORT else " *(removed)*"
        print(table_row(name + removed, results[name]))
    print()
    return results


def draw(results: dict[str, Result], path: Path) -> None:
    """Draw each variant's paired differences from swift with their intervals."""
    figure = Figure(figsize=(8, 0.36 * len(results) + 1.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    places = range(len(results), 0, -1)
    for axes, key, scale, title in (
        (panels[0], "accuracy", 100, "accuracy, points"),
        (panels[1], "nll_sum", 1, "nll_sum"),
    ):
        gaps = [result[key][1] for result in results.values()]
        axes.errorbar(
            [scale * gap.mean for gap in gaps],
            list(places),
            xerr=[scale * ((gap.high or gap.mean) - gap.mean) for gap in gaps],
            fmt="o",
            ms=4,
            capsize=2,
            color="#0072b2",
        )
        axes.axvline(0, color="#555555", lw=0.8)
        axes.grid(axis="x", alpha=0.25, lw=0.4)
        axes.set_title(f"{title}, less swift's", loc="left", fontsize=9)
    panels[0].set_yticks(list(places), list(results))
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Train what is missing, print both tables and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--figure", type=Path, default=Path("docs/images/ablations.svg"))
    options = parser.parse_args()
    groups = groups_of(RECORD)
    for name, changes in (VARIANTS | IN_REPORT).items():
        if name not in groups:
            folder = options.root / re.sub(r"[^\w]+", "-", name)
            groups[name] = train(name, changes, folder, options.seeds)
            write_record(RECORD, groups=list(groups.values()))
    in_swift = [name for name in groups if name not in IN_REPORT]
    results = print_table(groups, [*in_swift, REPORT_NAME], "swift")
    print_table(groups, IN_REPORT, REPORT_NAME)
    draw({name: results[name] for name in in_swift if name != "swift"}, options.figure)


if __name__ == "__main__":
    main()
