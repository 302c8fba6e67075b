"""Take one thing at a time out of `swift`, or put one in: ten paired seeds each.

python benchmarks/ablations.py runs/ablations --seeds 10

Trains what is missing, then prints a Markdown table and draws docs/images/ablations.svg. The
recipe was chosen on held-out training images before; nothing is chosen from what is seen here.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure

from tenfold.report.runset import Comparison, compare, read_set

VARIANTS: dict[str, list[str]] = {
    "swift": [],
    "max pooling": ["network.pooling=max"],
    "average pooling": ["network.pooling=average"],
    "learned pooling": ["network.pooling=learned"],
    "Adam in place of Muon": ["training.optimizer.muon=0.0"],
    "no label smoothing": ["training.label_smoothing=0.0"],
    "no augmentation": [
        *(f"augmentation.{key}=0.0" for key in ("rotation", "scale", "shear", "translation"))
    ],
    "no averaging": ["averaging.decay=0.0"],
    "constant learning rate": ["training.stages.1.learning_rate=0.006"],
    "no batch normalisation": ["network.normalisation=none"],
}


def folder_of(root: Path, name: str) -> Path:
    """Return where a variant's runs are."""
    return root / name.replace(" ", "-")


def row(name: str, result: Comparison) -> str:
    """Return a line of the table: means, paired differences, p."""
    accuracy, loss = result.differences["accuracy"], result.differences["nll_sum"]
    mean, half = result.b["accuracy"], result.b["accuracy"].half or float("nan")
    cells = [name, f"{100 * mean.mean:.3f} ± {100 * half:.3f}"]
    cells += [f"{result.b['nll_sum'].mean:.1f} ± {result.b['nll_sum'].half or float('nan'):.1f}"]
    for gap, scale, digits in ((accuracy, 100, 3), (loss, 1, 1)):
        assert gap.low is not None and gap.high is not None  # noqa: S101, PT018 - several seeds
        low, high = scale * gap.low, scale * gap.high
        interval = f"{scale * gap.mean:+.{digits}f} ({low:+.{digits}f} … {high:+.{digits}f})"
        cells.append(interval if gap.p is None else f"{interval}, p = {gap.p:.2g}")
    return "| " + " | ".join(cells) + " |"


def draw(results: dict[str, Comparison], path: Path) -> None:
    """Draw each variant's paired differences from swift with their intervals."""
    figure = Figure(figsize=(8, 0.36 * len(results) + 1.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    places = range(len(results), 0, -1)
    for axes, key, scale, title in (
        (panels[0], "accuracy", 100, "accuracy, points"),
        (panels[1], "nll_sum", 1, "nll_sum"),
    ):
        gaps = [result.differences[key] for result in results.values()]
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
    """Train, compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--figure", type=Path, default=Path("docs/images/ablations.svg"))
    given = parser.parse_args()
    for name, changes in VARIANTS.items():
        command = [sys.executable, "-m", "tenfold", "repeat", "swift", "--seeds", str(given.seeds)]
        command += ["--out", str(folder_of(given.root, name))]
        command += [word for change in changes for word in ("--set", change)]
        subprocess.run(command, check=True)
    swift = read_set(folder_of(given.root, "swift"))
    results = {
        name: compare(swift, read_set(folder_of(given.root, name)))
        for name in VARIANTS
        if name != "swift"
    }
    print("| | accuracy, % | nll_sum | accuracy less swift's | nll_sum less swift's |")
    print("|---|---|---|---|---|")
    print(row("swift", compare(swift, swift)))
    for name, result in results.items():
        print(row(name, result))
    draw(results, given.figure)


if __name__ == "__main__":
    main()
