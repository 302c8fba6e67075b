"""Try readings of what the seed report leaves unsaid, on its final setting cut short.

python experiments/report_interpretation.py --seeds 2
python experiments/report_interpretation.py --seeds 0   # the table of what was tried

A run is two networks: stage 1 of `report-5-ensemble` (1,400 iterations) and the first 1,000 of the
6,000 of stage 2, by when both networks of the report had met their least loss: 182.75 at 400 and
199.26 at 800, 150.57 together. Figures are on the test set, every 100 iterations, as the report has
them: they choose how its sentences are read, nothing else. A run that has a line is not repeated.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record_runs import read_record, write_record
from torch import Tensor
from tqdm import trange

from tenfold.data.digits import Digits
from tenfold.data.sources import load_digits
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.training.digits import digit_task, log_probabilities
from tenfold.training.optimizer import Optimizer
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.schedule import Hyperparameters
from tenfold.training.trainer import Trainer

RECORD = Path("experiments/records/report-interpretation.json")
Row = dict[str, Any]
STAGE1, SEEN, EVERY = 1400, 1000, 100
AFRESH = "Adam begins afresh in stage 2"
FEWER = "55,000 training images"
READINGS: dict[str, list[str]] = {
    "as `report-5-ensemble` has it": [],
    "the mean of a batch's losses, not their sum": ["training.nll_reduction=mean"],
    AFRESH: [],
    "pixels from 0 to 255": ["network.input_std=0.00392156862745098"],
    "pixels standardised": ["network.input_mean=0.1307", "network.input_std=0.3081"],
    "geometric learning rate": [
        f"training.stages.{stage}.learning_rate.shape=geometric" for stage in (0, 1)
    ],
    "an L2 coefficient ten times as large": [
        "training.stages.0.l2_coefficient={start=1000, end=4000}",
        "training.stages.1.l2_coefficient={start=1000, end=0}",
    ],
    "weights from He's normal": ["network.initialisation=he"],
    "weights from a truncated normal of 0.05": ["network.initial_std=0.05"],
    FEWER: [],
}


def member(recipe: Recipe, number: int, reading: str, train: Digits, test: Digits) -> np.ndarray:
    """Train one network; return log p float32 [evaluations, n, 10] of stage 2."""
    if reading == FEWER:
        train = train.subset(range(55_000))
    task = digit_task(recipe, number, train)
    trainer = Trainer(task, recipe.training, recipe.ema, torch.bfloat16)
    rows = []
    for step in trange(1, STAGE1 + SEEN + 1, desc=f"{reading}, network {number + 1}"):
        trainer.step()
        if step == STAGE1 and reading == AFRESH:
            optimizer = trainer.optimizer
            optimizer.moment1.zero_()
            optimizer.moment2.zero_()
            optimizer.step = partial(afresh, optimizer)  # type: ignore[method-assign]
        if step >= STAGE1 and step % EVERY == 0:
            rows.append(log_probabilities(trainer.evaluated_network(), test.images).numpy())
    return np.stack(rows)


def afresh(
    optimizer: Optimizer, gradients: Sequence[Tensor], step: int, hyper: Hyperparameters
) -> None:
    """Count the steps of Adam's bias correction from the start of stage 2."""
    Optimizer.step(optimizer, gradients, step - STAGE1, hyper)


def run(reading: str, seed: int) -> Row:
    """Train two networks; return the rows that the report has, of each and of their average."""
    recipe = load_recipe("report-5-ensemble", [f"seed={seed}", *READINGS[reading]])
    train, test = (load_digits("mnist", split) for split in ("train", "test"))
    networks = [member(recipe, number, reading, train, test) for number in range(2)]
    labels = test.labels.numpy()
    both = [ensemble_log_probabilities(np.stack(pair)) for pair in zip(*networks, strict=True)]
    row: Row = {"reading": reading, "seed": seed}
    for name, curve in (("network 1", networks[0]), ("network 2", networks[1]), ("both", both)):
        found = [measure(log_p, labels) for log_p in curve]
        row[name] = {
            "accuracy": [round(m.accuracy, 4) for m in found],
            "nll_sum": [round(m.nll_sum, 2) for m in found],
        }
    return row


def table(rows: list[Row]) -> None:
    """Print a line a reading as Markdown: each network, then each pair, in the order of seeds."""
    print("| reading | after stage 1 | most accuracy | least nll_sum (iteration) | both |")
    print("|---|---|---|---|---|")
    for reading in READINGS:
        mine = [row for row in rows if row["reading"] == reading]
        curves = [row[f"network {k}"] for row in mine for k in (1, 2)]
        cells = [
            [f"{100 * curve['accuracy'][0]:.2f} %" for curve in curves],
            [f"{100 * max(curve['accuracy'][1:]):.2f} %" for curve in curves],
            [least(curve) for curve in curves],
            [
                f"{100 * max(row['both']['accuracy'][1:]):.2f} %, {least(row['both'])}"
                for row in mine
            ],
        ]
        if mine:
            print(f"| {reading} | {' | '.join(' · '.join(cell) for cell in cells)} |")


def least(curve: dict[str, list[float]]) -> str:
    """Say the least nll_sum of stage 2, and when."""
    losses = curve["nll_sum"][1:]
    return f"{min(losses):,.0f} ({EVERY * (1 + int(np.argmin(losses)))})"


def main() -> None:
    """Try what has no line yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    rows: list[Row] = read_record(RECORD)["rows"] if RECORD.exists() else []
    for seed in range(given.seeds):
        for reading in READINGS:
            if any((row["reading"], row["seed"]) == (reading, seed) for row in rows):
                continue
            rows.append(run(reading, seed))
            write_record(RECORD, rows=rows)
    table(rows)


if __name__ == "__main__":
    main()
