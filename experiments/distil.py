r"""Can `single` learn what several networks say? Students on the 10,000 held-out images.

tenfold train single --set data.validation=10000 --set ... --out runs/trials/NAME
python experiments/distil.py runs/students --teachers runs/trials/NAME ... \
    --folds runs/out-of-fold --out experiments/records/distilled.json

Beside networks that learn labels: students of what the trials named say on average of the same
moved image (Hinton, Vinyals & Dean 2015), made as sure as it should be; and of what a network that
never saw the image says of it (`out_of_fold.py`), with and without label smoothing. All without
deskewing, as `single` was. Figures over one view and eight, temperatures fitted on the same images.
The test set is not looked at.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from held_out import calibrated
from out_of_fold import AS_IT_WAS, WITHOUT, out_of_fold, split, train
from record_runs import write_record
from torch import Tensor
from views import PLAIN, SETS, averaged

from tenfold.augmentation.batches import DigitBatches
from tenfold.data.digits import Digits
from tenfold.evaluation.metrics import measure
from tenfold.execution.run import Run
from tenfold.model.network import DigitNetwork
from tenfold.training.digits import digit_task
from tenfold.training.recipe import load_recipe
from tenfold.training.task import Batches, Task

# At which the average of networks smoothed by 0.03 is about as sure as it should be.
TEMPERATURE = 0.55
UNSMOOTHED = "training.label_smoothing=0.0"


class TaughtBatches:
    """Batches whose labels are what teachers say of the same, moved images."""

    def __init__(self, batches: Batches, teachers: list[DigitNetwork]) -> None:
        self.batches = batches
        self.teachers = teachers

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return pixels and the teachers' average, float32[n, 10]."""
        pixels, _ = self.batches.at(step)
        with torch.no_grad():
            each = torch.stack([net(pixels).float().softmax(1) for net in self.teachers])
            return pixels, torch.softmax(each.mean(0).log() / TEMPERATURE, 1)


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return -Σ t log p over a batch; `targets` float32[n, 10] are smoothed first."""
    smoothed = torch.lerp(targets, torch.full_like(targets, 0.1), smoothing)
    return -(smoothed * torch.log_softmax(logits.float(), 1)).sum()


def taught(task: Task, teachers: list[DigitNetwork]) -> Task:
    """Let teachers label each batch."""
    return replace(task, batches=TaughtBatches(task.batches, teachers), loss=cross_entropy)


def with_targets(task: Task, targets: Tensor, smoothing: float) -> Task:
    """Put targets float32[n, 10] in place of the labels."""
    assert isinstance(task.batches, DigitBatches)  # noqa: S101 - of a digit task
    task.batches.labels = targets
    return replace(task, loss=partial(cross_entropy, smoothing=smoothing))


def students(
    given: argparse.Namespace, training: Digits
) -> Iterator[tuple[str, int, DigitNetwork]]:
    """Yield (kind, seed, network), trained or read from `given.root`."""
    teachers = [Run.open(path).bundle().networks[0] for path in given.teachers]
    for network in teachers:
        network.set_compute_dtype(torch.bfloat16)
    log_ps, indices = out_of_fold(WITHOUT, training, given.folds, {PLAIN: SETS[PLAIN]})
    said = calibrated(log_ps[PLAIN], training.labels[indices].numpy())
    targets = torch.empty(len(training), 10)
    targets[indices] = torch.from_numpy(said).exp().float()
    smoothing = load_recipe("single").training.label_smoothing
    kinds: dict[str, tuple[list[str], Callable[[Task], Task]]] = {
        "labels": ([], lambda task: task),
        "others, of the moved image": ([], lambda task: taught(task, teachers)),
        "one that never saw it": ([], lambda task: with_targets(task, targets, smoothing)),
        "the same, unsmoothed": ([UNSMOOTHED], lambda task: with_targets(task, targets, 0)),
    }
    for kind, (changes, changed) in kinds.items():
        for seed in range(given.seeds):
            path = given.root / f"{kind.replace(' ', '-')}-seed-{seed}.safetensors"
            recipe = load_recipe("single", [f"seed={seed}", *AS_IT_WAS, *changes])
            yield kind, seed, train(recipe, changed(digit_task(recipe, 0, training)), path)


def main() -> None:
    """Train what is missing; print a table and keep its figures, and every mistake's index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--teachers", type=Path, nargs="+", required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    training, held_out = split()
    labels = held_out.labels.numpy()
    sets = {name: SETS[name] for name in ("the image", PLAIN)}
    rows = []
    for kind, seed, network in students(given, training):
        cells = [f"{kind}, seed {seed}"]
        for name, log_p in averaged(network, held_out.images, sets).items():
            found = measure(calibrated(log_p, labels), labels)
            wrong = np.flatnonzero(log_p.argmax(1) != labels)
            row = {
                "taught": kind,
                "seed": seed,
                "views": len(sets[name]),
                "mistakes": wrong.tolist(),
            }
            rows.append(row | {"nll_sum": round(found.nll_sum, 2)})
            cells += [f"{found.accuracy:.2%}", f"{found.nll_sum:.1f}"]
        print("| " + " | ".join(cells) + " |")
    write_record(given.out, rows=rows)


if __name__ == "__main__":
    main()
