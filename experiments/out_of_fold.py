"""Judge changes of `single` on many images, each read by a network that never saw it.

python experiments/out_of_fold.py runs/out-of-fold --out experiments/records/out-of-fold.json

The 10,000 images that `data.validation=10000` holds out stay out of it. The other 50,000 are dealt
into five folds, and for every fold a network is trained on the four others. Three tables, of
changes, and of views (`views.py`) without deskewing and with it: mistakes and nll_sum in 10,000
images at the temperature that fits them all, and what they differ from the first row's by, with the
standard error over images, which an interval over networks says nothing of. The test set is not
looked at.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from held_out import calibrated
from record_runs import write_record
from safetensors.torch import load_file, save_file
from scipy.stats import sem
from torch import Tensor
from torch.nn.functional import pad
from tqdm import trange
from views import CHOSEN, DESKEWED, PLAIN, SETS, SHIFTS, View, averaged

from tenfold.augmentation.batches import DigitBatches
from tenfold.augmentation.geometric import Augmentation, augment, draw_inverses, warp
from tenfold.data.digits import Digits, stratified_split
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import load_digits
from tenfold.model.config import NetworkConfig
from tenfold.model.kernels.functional import tune_process
from tenfold.model.network import DigitNetwork
from tenfold.studies.audit import deal
from tenfold.training.digits import digit_task
from tenfold.training.hardware import choose_placement
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.task import Task
from tenfold.training.trainer import Trainer

LogP = npt.NDArray[np.float64]
HELD_OUT = 10_000


def strokes(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Augment; make digits narrower or wider, and their strokes thicker or thinner.

    Width changes by up to 10 % either way, and height by the inverse. Pixels go a share, uniform in
    ± 0.4, of the way to the most or the least of themselves and their four neighbours.
    """
    inverses = draw_inverses(len(images), config, generator)
    stretch = 1 + 0.1 * _uniform(len(images), generator)
    pixels = warp(images, torch.cat([inverses[:, :1] * stretch, inverses[:, 1:] / stretch], 1))
    share = 0.4 * _uniform(len(images), generator)
    framed = pad(pixels, (1, 1, 1, 1))
    middle, ends = slice(1, -1), (slice(0, -2), slice(2, None))
    near = [pixels, *(framed[:, e, middle] for e in ends), *(framed[:, middle, e] for e in ends)]
    around = torch.stack(near)
    return torch.lerp(pixels, torch.where(share > 0, around.amax(0), around.amin(0)), share.abs())


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, 1, 1, generator=generator) * 2 - 1


Augment = Callable[[Tensor, Augmentation, torch.Generator], Tensor]


class Variant(NamedTuple):
    """What differs from `single`: overrides, augmentation, the network, and images: every nth."""

    changes: Sequence[str] = ()
    augment: Augment = augment
    network: Callable[[NetworkConfig], DigitNetwork] = DigitNetwork
    every: int = 1


WITHOUT = "without deskewing"  # as `single` was
AS_IT_WAS = ["augmentation.deskew=0.0"]
CHANGES = {
    "elastic deformation": Variant([*AS_IT_WAS, "augmentation.elastic=0.5"]),
    "digits and strokes of other widths": Variant(AS_IT_WAS, strokes),
}
VARIANTS = {WITHOUT: Variant(AS_IT_WAS), "single": Variant(), **CHANGES}


def split() -> tuple[Digits, Digits]:
    """Return the 50,000 images, and the 10,000 that trials hold out."""
    return stratified_split(load_digits("mnist", "train"), HELD_OUT, derive_seed("validation"))


def train(recipe: Recipe, task: Task, path: Path) -> DigitNetwork:
    """Train a task's network on the CPU, or read the one that was trained."""
    network = task.network
    assert isinstance(network, DigitNetwork)  # noqa: S101 - of a digit task
    if not path.exists():
        tune_process()
        trainer = Trainer(task, recipe.training, recipe.ema, choose_placement("cpu").dtype)
        for _ in trange(trainer.schedule.iterations, desc=path.stem):
            trainer.step()
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(trainer.state_dict(), path)
    network.set_compute_dtype(torch.float32).load_state_dict(load_file(path))
    return network.eval()


def task_of(recipe: Recipe, variant: Variant, training: Digits) -> Task:
    """Return the task of a recipe, with a variant's network and augmentation."""
    task = digit_task(recipe, 0, training)
    assert isinstance(task.batches, DigitBatches)  # noqa: S101 - of a digit task
    task.batches.augment = variant.augment
    if variant.network is DigitNetwork:
        return task
    weights = torch.Generator().manual_seed(derive_seed(task.seed, "weights"))
    return replace(task, network=variant.network(recipe.network).initialise(weights))


def networks(
    name: str, variant: Variant, training: Digits, root: Path
) -> Iterator[tuple[DigitNetwork, Digits, Tensor]]:
    """Yield, for each of five folds, a network, what it never saw, and indices of that."""
    recipe = load_recipe("single", variant.changes)
    for number, (others, own) in enumerate(deal(training.labels.numpy(), 5, 0)):
        path = root / name.replace(" ", "-") / f"fold-{number}.safetensors"
        task = task_of(recipe, variant, training.subset(others[:: variant.every]))
        network = train(recipe, task, path)
        yield network, training.subset(own), own


def out_of_fold(
    name: str, training: Digits, root: Path, sets: dict[str, tuple[View, ...]]
) -> tuple[dict[str, LogP], Tensor]:
    """Return log p [50,000, 10] over each set of views, by the networks that never saw; indices."""
    found = [
        (averaged(network, unseen.images, sets), indices)
        for network, unseen, indices in networks(name, VARIANTS[name], training, root)
    ]
    log_ps = {views: np.concatenate([part[views] for part, _ in found]) for views in sets}
    return log_ps, torch.cat([indices for _, indices in found])


def losses(log_p: LogP, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return each image's loss, at the temperature that fits them all."""
    found: npt.NDArray[np.float64] = -calibrated(log_p, labels)[np.arange(len(labels)), labels]
    return found


def table(readings: dict[str, LogP], indices: Tensor, training: Digits) -> Iterator[dict[str, Any]]:
    """Print a row for each reading of the images at `indices`; yield its figures and mistakes."""
    labels = training.labels[indices].numpy()
    columns: list[tuple[npt.NDArray[np.float64], ...]] = []
    for name, log_p in readings.items():
        wrong = log_p.argmax(1) != labels
        columns.append((wrong.astype(np.float64), losses(log_p, labels)))
        row, cells = {"name": name, "images": len(labels)}, [name]
        for key, own, base in zip(("mistakes", "nll_sum"), columns[-1], columns[0], strict=True):
            gaps = 1e4 * (own - base)
            gap, error = gaps.mean(), sem(gaps)
            figures = {key: 1e4 * own.mean(), "gap": gap, "standard_error": error}
            row |= {key: {k: round(float(v), 2) for k, v in figures.items()}}
            cells += [f"{1e4 * own.mean():.1f}", f"{gap:+.1f} ± {error:.1f}"]
        print("| " + " | ".join(cells) + " |")
        yield row | {"misread": sorted(indices[wrong].tolist())}


def main() -> None:
    """Train what is missing; print the tables and keep their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    training, _ = split()
    views = {name: SETS[name] for name in sorted(SETS, key=lambda name: name != SHIFTS)}
    without, indices = out_of_fold(WITHOUT, training, given.root, views)
    deskewed, _ = out_of_fold("single", training, given.root, DESKEWED)
    changed = {WITHOUT: without[PLAIN], "single": deskewed[CHOSEN]}
    for name in CHANGES:
        changed[name] = out_of_fold(name, training, given.root, {PLAIN: SETS[PLAIN]})[0][PLAIN]
    rows = [
        {"table": title} | row
        for title, readings in (("changes", changed), (WITHOUT, without), ("single", deskewed))
        for row in table(readings, indices, training)
    ]
    write_record(given.out, rows=rows)


if __name__ == "__main__":
    main()
