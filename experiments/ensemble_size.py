"""Measure accuracy and nll_sum of ensembles of every size, made of single runs.

tenfold repeat single --seeds 10 --out runs/single
python experiments/ensemble_size.py runs/single --out experiments/records/ensemble-size.json

An ensemble of k averages the first k seeds, the next one the next k and so on, so that they are
independent. The temperature of each is fitted on the validation images, which all seeds share.
Prints a Markdown table and draws docs/images/ensemble-size.svg. Test labels that people dispute are
counted apart, too.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from record_runs import runs_in, write_record

from tenfold.data.digits import Digits
from tenfold.data.disputed_labels import disputed_labels
from tenfold.data.sources import load_digits
from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.evaluation.statistics import spread
from tenfold.execution.run import Run

Row = dict[str, float | int | None]
LEAST_FOR_INTERVAL = 3  # ensembles; the interval of two is of no use


class Predictions(NamedTuple):
    """A set of images, and each run's log p of them, float32 [runs, n, 10]."""

    digits: Digits
    log_p: npt.NDArray[np.float32]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Return the labels, int64 [n]."""
        labels: npt.NDArray[np.int64] = self.digits.labels.numpy()
        return labels


def predict(runs: list[Run], digits: Digits) -> Predictions:
    """Classify images by the network of each run."""
    log_ps = [run.bundle().member_log_probabilities(digits.images)[0] for run in runs]
    return Predictions(digits, np.stack(log_ps))


def score(chosen: slice, validation: Predictions, test: Predictions) -> tuple[float, float, float]:
    """Return an ensemble's test accuracy, its nll_sum, and the part of the disputed labels."""
    on_validation = ensemble_log_probabilities(validation.log_p[chosen])
    temperature = fit_temperature(on_validation, validation.labels)
    log_p = apply_temperature(ensemble_log_probabilities(test.log_p[chosen]), temperature)
    scores = measure(log_p, test.labels)
    disputed = list(disputed_labels(test.digits.sha256))
    return scores.accuracy, scores.nll_sum, -log_p[disputed, test.labels[disputed]].sum()


def measure_sizes(runs: list[Run]) -> list[Row]:
    """Return a row for each size from one to all runs."""
    validation = predict(runs, runs[0].digits()[1])
    test, n = predict(runs, load_digits("mnist", "test")), len(runs)
    minutes = np.mean([run.manifest.timings.training_seconds for run in runs]) / 60
    rows: list[Row] = []
    for k in range(1, n + 1):
        scores = [score(slice(i, i + k), validation, test) for i in range(0, n - k + 1, k)]
        accuracy, loss, disputed = (spread(values) for values in zip(*scores, strict=True))
        rows.append(
            {
                "members": k,
                "core_minutes": round(float(k * minutes), 1),
                "accuracy": accuracy.mean,
                "nll_sum": loss.mean,
                "nll_sum_disputed": disputed.mean,
                "ensembles": len(scores),
                "accuracy_half": accuracy.half,
                "nll_sum_half": loss.half,
            }
        )
    return rows


def draw(rows: list[Row], path: Path) -> None:
    """Draw accuracy and NLL over the number of members."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, key, scale, label in zip(
        figure.subplots(1, 2),
        ("accuracy", "nll_sum"),
        (100, 1),
        ("test accuracy, %", "test nll_sum"),
        strict=True,
    ):
        size = [row["members"] for row in rows]
        axes.plot(size, [scale * (row[key] or 0) for row in rows], marker="o", markersize=4)
        several = [row for row in rows if (row["ensembles"] or 0) >= LEAST_FOR_INTERVAL]
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
    """Measure, print a table, write the record and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--figure", type=Path, default=Path("docs/images/ensemble-size.svg"))
    options = parser.parse_args()
    rows = measure_sizes(runs_in(options.runs))
    print("| members | core minutes | accuracy | nll_sum | disputed | ensembles |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        several = row["accuracy_half"] is not None
        accuracy = f" ± {100 * (row['accuracy_half'] or 0):.3f}" if several else ""
        loss = f" ± {row['nll_sum_half']:.1f}" if several else ""
        print(
            f"| {row['members']} | {row['core_minutes']} | {100 * (row['accuracy'] or 0):.3f}"
            f"{accuracy} % | {row['nll_sum']:.1f}{loss}"
            f" | {row['nll_sum_disputed']:.1f} | {row['ensembles']} |"
        )
    write_record(options.out, sizes=rows)
    draw(rows, options.figure)


if __name__ == "__main__":
    main()
