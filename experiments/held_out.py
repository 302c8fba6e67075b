"""Measure trials of a recipe on their held-out images, alone and averaged, and keep their records.

tenfold train single --set data.validation=10000 --set ... --out runs/trials/NAME
python experiments/held_out.py runs/trials/* --out experiments/records/held-out.json

Each row: accuracy and nll_sum over the recipe's views, its temperature fitted on the same images:
these figures choose recipes and flatter all of them alike. A pair averages two trials, each at its
own temperature first. The test set is not looked at.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
from record_runs import curves_of, recipe_of, write_record
from tqdm import tqdm

from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.execution.run import Run

LogP = npt.NDArray[np.float64]


def calibrated(log_p: LogP, labels: npt.NDArray[np.int64]) -> LogP:
    """Return log p [n, 10] at the temperature that fits these images."""
    return apply_temperature(log_p, fit_temperature(log_p, labels))


def open_trials(paths: list[Path], parser: argparse.ArgumentParser) -> list[Run]:
    """Open runs that hold out the same images; end with the parser's error if they do not."""
    runs = [Run.open(path) for path in paths]
    for run in runs:
        if run.recipe.data != runs[0].recipe.data:
            parser.error(f"{run.path}: holds out other images than {runs[0].path}")
    return runs


def main() -> None:
    """Measure the trials named, and every pair of them; keep recipes, journals and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    runs = open_trials(given.runs, parser)
    _, held_out = runs[0].digits()
    labels = held_out.labels.numpy()
    rows, log_ps = [], {}
    for run in tqdm(runs):
        raw = ensemble_log_probabilities(run.bundle().member_log_probabilities(held_out.images))
        log_ps[run.path.name] = calibrated(raw, labels)
    for names in (*((name,) for name in log_ps), *itertools.combinations(log_ps, 2)):
        log_p = ensemble_log_probabilities(np.stack([log_ps[name] for name in names]))
        found = measure(calibrated(log_p, labels), labels)
        wrong = np.flatnonzero(log_p.argmax(1) != labels)
        rows.append(
            {"trials": names, "images": len(labels), "accuracy": found.accuracy}
            | {"nll_sum": round(found.nll_sum, 2), "mistakes": wrong.tolist()}
        )
        print(f"| {' + '.join(names)} | {found.accuracy:.2%} | {found.nll_sum:.1f} |")
    trials = [
        {"name": run.path.name, "recipe": recipe_of(run), "curves": curves_of(run)} for run in runs
    ]
    write_record(given.out, rows=rows, trials=trials)


if __name__ == "__main__":
    main()
