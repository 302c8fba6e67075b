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
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from held_out import calibrated
from out_of_fold import AS_IT_WAS, WITHOUT, out_of_fold, split, train
from record_runs import write_record
from torch import Tensor
from views import PLAIN, SETS, averaged

from tenfold.augmentation.geometric import Augmentation, augment
from tenfold.data.digits import Digits
from tenfold.evaluation.metrics import measure
from tenfold.execution.run import Run
from tenfold.model.network import DigitNetwork
from tenfold.training import trainer as loop
from tenfold.training.loss import nll_sum
from tenfold.training.recipe import load_recipe

# At which the average of networks smoothed by 0.03 is about as sure as it should be.
TEMPERATURE = 0.55
Loss = Callable[[Tensor, Tensor, float], Tensor]
Augment = Callable[[Tensor, Augmentation, torch.Generator], Tensor]
UNSMOOTHED = "training.label_smoothing=0.0"


class Lesson:
    """What teachers say of the images that were augmented last."""

    def __init__(self, teachers: list[DigitNetwork]) -> None:
        self.teachers = teachers
        self.pixels = torch.empty(0)

    def augment(self, images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
        """Augment, and remember."""
        self.pixels = augment(images, config, generator)
        return self.pixels

    def loss(self, logits: Tensor, _labels: Tensor, _smoothing: float) -> Tensor:
        """Return the cross entropy with the teachers' average, summed over the batch."""
        with torch.no_grad():
            said = torch.stack([net(self.pixels).float().softmax(1) for net in self.teachers])
            targets = torch.softmax(said.mean(0).log() / TEMPERATURE, 1)
        return cross_entropy(logits, targets, 0)


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return -Σ t log p over a batch; `targets` float32[n, 10] are smoothed first."""
    smoothed = torch.lerp(targets, torch.full_like(targets, 0.1), smoothing)
    return -(smoothed * torch.log_softmax(logits.float(), 1)).sum()


def students(
    given: argparse.Namespace, training: Digits
) -> Iterator[tuple[str, int, DigitNetwork]]:
    """Yield (kind, seed, network), trained or read from `given.root`."""
    teachers = [Run.open(path).bundle().networks[0] for path in given.teachers]
    for network in teachers:
        network.set_compute_dtype(torch.bfloat16)
    lesson = Lesson(teachers)
    log_ps, indices = out_of_fold(WITHOUT, training, given.folds, {PLAIN: SETS[PLAIN]})
    said = calibrated(log_ps[PLAIN], training.labels[indices].numpy())
    targets = torch.empty(len(training), 10)
    targets[indices] = torch.from_numpy(said).exp().float()
    kinds: dict[str, tuple[list[str], Loss, Augment, Tensor | None]] = {
        "labels": ([], nll_sum, augment, None),
        "others, of the moved image": ([], lesson.loss, lesson.augment, None),
        "one that never saw it": ([], cross_entropy, augment, targets),
        "the same, unsmoothed": ([UNSMOOTHED], cross_entropy, augment, targets),
    }
    for kind, (changes, loss, augmented, taught) in kinds.items():
        for seed in range(given.seeds):
            path = given.root / f"{kind.replace(' ', '-')}-seed-{seed}.safetensors"
            with patch.multiple(loop, nll_sum=loss, augment=augmented):
                recipe = load_recipe("single", [f"seed={seed}", *AS_IT_WAS, *changes])
                yield kind, seed, train(recipe, training, path, taught)


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
