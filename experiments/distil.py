r"""Can one network learn what several networks know? Students on the 10,000 held-out images.

tenfold train single --set data.validation=10000 --set ... --out runs/trials/NAME
python experiments/distil.py runs/students --teachers runs/trials/NAME ... \
    --folds runs/out-of-fold --out experiments/records/distilled.json

Compares targets: labels; the calibrated average of the trials named, for the same augmented image
(Hinton, Vinyals & Dean 2015); and the probabilities of a network that never saw the image
(`out_of_fold.py`), with and without label smoothing. All networks are trained without deskewing.
Figures are over the image and over eight variants of it, at temperatures fitted on the same images.
The test set is not looked at.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from held_out import calibrated
from out_of_fold import (
    NO_DESKEWING,
    WITHOUT_DESKEWING,
    Change,
    changed_task,
    out_of_fold,
    split,
    trained,
)
from record_runs import write_record
from test_time_augmentation import OF_THE_IMAGE, PLAIN, averaged
from torch import Tensor, nn

from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES
from tenfold.evaluation.metrics import measure
from tenfold.execution.run import Run
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.task import Batches, Task

LABELS = "labels"
TEACHERS = "the average of other networks, for the same augmented image"
KINDS: dict[str, list[str]] = {  # overrides of the recipe
    LABELS: [],
    TEACHERS: [],
    "a network that never saw the image": [],
    "a network that never saw the image, no label smoothing": ["training.label_smoothing=0.0"],
}
# Calibrates the average of networks that were trained with a label smoothing of 0.03.
TEACHERS_TEMPERATURE = 0.55


class TaughtBatches(NamedTuple):
    """Batches whose labels are the teachers' average probabilities [n, 10] of the same pixels."""

    batches: Batches
    teachers: list[nn.Module]

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return pixels float32[n, 28, 28] and targets float32[n, 10] of a step."""
        pixels, _ = self.batches.at(step)
        with torch.no_grad():
            log_ps = [network(pixels).float().log_softmax(1) for network in self.teachers]
            average = torch.stack(log_ps).exp().mean(0).log()
        return pixels, torch.softmax(average / TEACHERS_TEMPERATURE, 1)


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return -Σ t log p over a batch; `targets` float32[n, 10] are smoothed first."""
    uniform = torch.full_like(targets, 1 / CLASSES)
    smoothed = torch.lerp(targets, uniform, label_smoothing)
    return -(smoothed * torch.log_softmax(logits.float(), 1)).sum()


def load_teachers(paths: list[Path]) -> list[nn.Module]:
    """Return the networks of some runs, in the precision of training."""
    teachers: list[nn.Module] = []
    for path in paths:
        network = Run.open(path).bundle().networks[0]
        teachers.append(network.set_compute_dtype(torch.bfloat16))
    return teachers


def students(options: argparse.Namespace, training: Digits) -> Iterator[tuple[str, int, nn.Module]]:
    """Yield (kind of targets, seed, network), trained or loaded from `options.root`."""
    plain = {PLAIN: OF_THE_IMAGE[PLAIN]}
    log_ps, indices = out_of_fold(WITHOUT_DESKEWING, training, options.folds, plain)
    unseen = calibrated(log_ps[PLAIN], training.labels[indices].numpy())
    targets = torch.empty(len(training), CLASSES)
    targets[indices] = torch.from_numpy(unseen).exp().float()
    teachers = load_teachers(options.teachers)

    def task(kind: str, recipe: Recipe) -> Task:
        task = changed_task(recipe, Change(), training)
        if kind == LABELS:
            return task
        if kind == TEACHERS:
            loss = partial(cross_entropy, label_smoothing=0.0)
            return replace(task, batches=TaughtBatches(task.batches, teachers), loss=loss)
        task = changed_task(recipe, Change(), training, targets)
        smoothing = recipe.training.label_smoothing
        return replace(task, loss=partial(cross_entropy, label_smoothing=smoothing))

    for kind, overrides in KINDS.items():
        for seed in range(options.seeds):
            recipe = load_recipe("single", [f"seed={seed}", *NO_DESKEWING, *overrides])
            path = options.root / f"{kind.replace(' ', '-')}-seed-{seed}.safetensors"
            yield kind, seed, trained(task(kind, recipe), recipe, path)


def main() -> None:
    """Train what is missing, print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder for the students")
    parser.add_argument("--teachers", type=Path, nargs="+", required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    training, held_out = split()
    labels = held_out.labels.numpy()
    sets = {name: OF_THE_IMAGE[name] for name in ("the image", PLAIN)}
    rows = []
    for kind, seed, network in students(options, training):
        cells = [f"{kind}, seed {seed}"]
        for name, log_p in averaged(network, held_out.images, sets).items():
            scores = measure(calibrated(log_p, labels), labels)
            mistakes = np.flatnonzero(log_p.argmax(1) != labels).tolist()
            row = {"targets": kind, "seed": seed, "variants": len(sets[name])}
            rows.append(row | {"mistakes": mistakes, "nll_sum": round(scores.nll_sum, 2)})
            cells += [f"{scores.accuracy:.2%}", f"{scores.nll_sum:.1f}"]
        print("| " + " | ".join(cells) + " |")
    write_record(options.out, rows=rows)


if __name__ == "__main__":
    main()
