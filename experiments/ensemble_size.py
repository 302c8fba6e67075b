"""Measure how many members are worth it: accuracy and NLL of ensembles made of single runs.

tenfold repeat single --seeds 10 --out runs/single
python experiments/ensemble_size.py runs/single --out experiments/records/ensemble-size.json

Ensembles of k are made of the first k seeds, the next k and so on, so that they are independent;
the temperature of each is fitted on the validation images that all seeds share. Prints a Markdown
table, with the part of nll_sum that labels disputed by people have, and draws
docs/images/ensemble-size.svg.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from record_runs import write_record

from tenfold.data.digits import Digits
from tenfold.data.disputed_labels import disputed_labels
from tenfold.data.sources import load_digits
from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.evaluation.statistics import spread
from tenfold.execution.run import Run

Array = npt.NDArray[np.float32]
Data = tuple[Array, Array, Digits, Digits]


def predictions(runs: list[Run]) -> Data:
    """Return log p of validation and test images, [runs, n, 10] each, and both sets."""
    validation, test = runs[0].digits()[1], load_digits("mnist", "test")
    on_validation, on_test = [], []
    for run in runs:
        bundle = run.bundle()
        on_validation.append(bundle.member_log_probabilities(validation.images)[0])
        on_test.append(bundle.member_log_probabilities(test.images)[0])
    return np.stack(on_validation), np.stack(on_test), validation, test


def score(chosen: list[int], data: Data) -> tuple[float, float, float]:
    """Return test accuracy, nll_sum, and that of the disputed labels, of one ensemble."""
    on_validation, on_test, validation, test = data
    averaged = ensemble_log_probabilities(on_validation[chosen])
    temperature = fit_temperature(averaged, validation.labels.numpy())
    log_p = apply_temperature(ensemble_log_probabilities(on_test[chosen]), temperature)
    labels, disputed = test.labels.numpy(), list(disputed_labels(test.sha256))
    measured = measure(log_p, labels)
    return measured.accuracy, measured.nll_sum, -log_p[disputed, labels[disputed]].sum()


def rows(runs: list[Run]) -> list[dict[str, float | int | None]]:
    """Return a row for each size from one to all runs."""
    data, n = predictions(runs), len(runs)
    minutes = np.mean([run.manifest.timings.training_seconds for run in runs]) / 60
    found: list[dict[str, float | int | None]] = []
    for k in range(1, n + 1):
        apart = [score(list(range(i, i + k)), data) for i in range(0, n - k + 1, k)]
        accuracy, loss, disputed = (spread(values) for values in zip(*apart, strict=True))
        found.append(
            {
                "members": k,
                "core_minutes": round(float(k * minutes), 1),
                "accuracy": accuracy.mean,
                "nll_sum": loss.mean,
                "nll_sum_disputed": disputed.mean,
                "disjoint": len(apart),
                "accuracy_half": accuracy.half,
                "nll_sum_half": loss.half,
            }
        )
    return found


def draw(found: list[dict[str, float | int | None]], path: Path) -> None:
    """Draw accuracy and NLL over the number of members."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, key, scale, label in zip(
        figure.subplots(1, 2),
        ("accuracy", "nll_sum"),
        (100, 1),
        ("test accuracy, %", "test nll_sum"),
        strict=True,
    ):
        size = [row["members"] for row in found]
        axes.plot(size, [scale * (row[key] or 0) for row in found], marker="o", markersize=4)
        several = [row for row in found if (row["disjoint"] or 0) > 2]  # noqa: PLR2004 - of two, it says nothing
        axes.errorbar(
            [row["members"] for row in several],
            [scale * (row[key] or 0) for row in several],
            yerr=[scale * (row[f"{key}_half"] or 0) for row in several],
            linestyle="",
            color="C0",
            capsize=3,
        )
        axes.set(xlabel="members", ylabel=label, xticks=size[:: len(size) // 9 or 1])
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path)


def main() -> None:
    """Print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--figure", type=Path, default=Path("docs/images/ensemble-size.svg"))
    arguments = parser.parse_args()
    folders = sorted(arguments.runs.glob("seed-*"), key=lambda f: int(f.name.partition("-")[2]))
    found = rows([Run.open(folder) for folder in folders if Run(folder).finished])
    print("| members | core minutes | accuracy | nll_sum | disputed | disjoint ensembles |")
    print("|---|---|---|---|---|---|")
    for row in found:
        sure = row["accuracy_half"] is not None
        accuracy = f" ± {100 * (row['accuracy_half'] or 0):.3f}" if sure else ""
        loss = f" ± {row['nll_sum_half']:.1f}" if sure else ""
        print(
            f"| {row['members']} | {row['core_minutes']} | {100 * (row['accuracy'] or 0):.3f}"
            f"{accuracy} % | {row['nll_sum']:.1f}{loss}"
            f" | {row['nll_sum_disputed']:.1f} | {row['disjoint']} |"
        )
    write_record(arguments.out, sizes=found)
    draw(found, arguments.figure)


if __name__ == "__main__":
    main()
