"""Measure trials of a recipe on their held-out images, alone and in pairs.

tenfold train single --set data.validation=10000 --set ... --out runs/trials/NAME
python experiments/held_out.py runs/trials/* --out experiments/records/held-out.json

A row has accuracy and nll_sum with the recipe's test-time augmentation, at the temperature that is
fitted on the same images. These figures choose recipes, and are too good for all of them alike. A
pair averages two trials, each at its own temperature first. The test set is not looked at.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
from record_runs import curves_of, recipe_of, write_record
from rich.progress import track

from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.execution.run import Run

LogP = npt.NDArray[np.float64]


def calibrated(log_p: LogP, labels: npt.NDArray[np.int64]) -> LogP:
    """Return log p [n, 10] at the temperature that fits these images."""
    return apply_temperature(log_p, fit_temperature(log_p, labels))


def open_trials(paths: list[Path], parser: argparse.ArgumentParser) -> list[Run]:
    """Open runs; end with the parser's error if they do not hold out the same images."""
    runs = [Run.open(path) for path in paths]
    for run in runs:
        if run.recipe.data != runs[0].recipe.data:
            parser.error(f"{run.path}: holds out other images than {runs[0].path}")
    return runs


def main() -> None:
    """Measure the trials named and every pair of them; write recipes, curves and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = open_trials(options.runs, parser)
    _, held_out = runs[0].digits()
    labels = held_out.labels.numpy()
    rows, log_ps = [], {}
    for run in track(runs):
        log_p = ensemble_log_probabilities(run.bundle().member_log_probabilities(held_out.images))
        log_ps[run.path.name] = calibrated(log_p, labels)
    for names in (*((name,) for name in log_ps), *itertools.combinations(log_ps, 2)):
        log_p = ensemble_log_probabilities(np.stack([log_ps[name] for name in names]))
        scores = measure(calibrated(log_p, labels), labels)
        wrong = np.flatnonzero(log_p.argmax(1) != labels)
        rows.append(
            {"trials": names, "images": len(labels), "accuracy": scores.accuracy}
            | {"nll_sum": round(scores.nll_sum, 2), "mistakes": wrong.tolist()}
        )
        print(f"| {' + '.join(names)} | {scores.accuracy:.2%} | {scores.nll_sum:.1f} |")
    trials = [
        {"name": run.path.name, "recipe": recipe_of(run), "curves": curves_of(run)} for run in runs
    ]
    write_record(options.out, rows=rows, trials=trials)


if __name__ == "__main__":
    main()
