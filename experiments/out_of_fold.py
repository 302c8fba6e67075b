"""Judge changes of `single` on many images, each classified by a network that never saw it.

python experiments/out_of_fold.py runs/out-of-fold --out experiments/records/out-of-fold.json

The 10,000 images that `data.validation=10000` holds out are not used. The other 50,000 are split
into five folds, and for every fold a network is trained on the four others. Three tables compare
changes of training, and sets of variants of an image (`test_time_augmentation.py`) without and with
deskewing. They have mistakes and nll_sum in 10,000 images, at the temperature that fits all images,
and the differences from the first row with their standard error over the images. An interval over
networks would say nothing of the images. The test set is not looked at.
"""

import argparse
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from held_out import LogP, calibrated
from record_runs import write_record
from rich.progress import track
from safetensors.torch import load_file, save_file
from scipy.stats import sem
from test_time_augmentation import (
    CHOSEN,
    OF_THE_IMAGE,
    PLAIN,
    SHIFTS,
    WITH_DESKEWING,
    Sets,
    averaged,
)
from torch import Tensor
from torch.nn.functional import pad

from tenfold.augmentation.batches import Augment, DigitBatches
from tenfold.augmentation.geometric import Augmentation, augment
from tenfold.data.affine import draw_inverses, warp
from tenfold.data.digits import Digits, stratified_split
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import load_digits
from tenfold.model.config import NetworkConfig
from tenfold.model.kernels.functional import tune_process
from tenfold.model.network import DigitNetwork
from tenfold.studies.audit import deal
from tenfold.training.digits import digit_task
from tenfold.training.hardware import choose_dtype
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.task import Task
from tenfold.training.trainer import Trainer

HELD_OUT = 10_000
FOLDS = 5
FIGURES_PER = 10_000  # images
ASPECT_CHANGE = 0.1
STROKE_CHANGE = 0.4


def change_strokes(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Augment; make digits narrower or wider, and their strokes thinner or thicker.

    Width changes by up to 10 % either way, and height by the inverse. Pixels move by a share,
    uniform in ± 0.4, towards the maximum or the minimum of themselves and their four neighbours.
    """
    inverses = draw_inverses(len(images), config, generator)
    stretch = 1 + ASPECT_CHANGE * _uniform(len(images), generator)
    pixels = warp(images, torch.cat([inverses[:, :1] * stretch, inverses[:, 1:] / stretch], 1))
    share = STROKE_CHANGE * _uniform(len(images), generator)
    padded = pad(pixels, (1, 1, 1, 1))
    middle, ends = slice(1, -1), (slice(0, -2), slice(2, None))
    near = [pixels, *(padded[:, e, middle] for e in ends), *(padded[:, middle, e] for e in ends)]
    around = torch.stack(near)
    return torch.lerp(pixels, torch.where(share > 0, around.amax(0), around.amin(0)), share.abs())


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, 1, 1, generator=generator) * 2 - 1


class Change(NamedTuple):
    """How a training differs from that of `single`.

    Attributes:
        overrides: of the recipe.
        augment: moves the images of a batch.
        network: makes the network.
        every_nth_image: the training images that are used.
    """

    overrides: Sequence[str] = ()
    augment: Augment = augment
    network: Callable[[NetworkConfig], DigitNetwork] = DigitNetwork
    every_nth_image: int = 1


WITHOUT_DESKEWING = "without deskewing"
NO_DESKEWING = ["augmentation.deskew=0.0"]
AUGMENTATIONS = {
    "elastic deformation": Change([*NO_DESKEWING, "augmentation.elastic=0.5"]),
    "digits and strokes of other widths": Change(NO_DESKEWING, change_strokes),
}
CHANGES = {WITHOUT_DESKEWING: Change(NO_DESKEWING), "single": Change(), **AUGMENTATIONS}


def split() -> tuple[Digits, Digits]:
    """Return the 50,000 images, and the 10,000 that trials hold out."""
    return stratified_split(load_digits("mnist", "train"), HELD_OUT, derive_seed("validation"))


def changed_task(
    recipe: Recipe, change: Change, digits: Digits, targets: Tensor | None = None
) -> Task:
    """Return the recipe's task with the parts that a change replaces.

    Targets are float32[images, 10]; they replace the labels.
    """
    task = digit_task(recipe, 0, digits)
    assert isinstance(task.batches, DigitBatches)  # noqa: S101 - what a digit task has
    task.batches.augment = change.augment
    if targets is not None:
        task.batches.labels = targets
    weights = torch.Generator().manual_seed(derive_seed(task.seed, "weights"))
    return replace(task, network=change.network(recipe.network).initialise(weights))


def trained(task: Task, recipe: Recipe, path: Path) -> torch.nn.Module:
    """Train a task's network, or load the weights if `path` has them already."""
    network = copy.deepcopy(task.network)
    if not path.exists():
        tune_process()
        dtype = choose_dtype("auto", torch.device("cpu"))
        trainer = Trainer(task, recipe.training, recipe.ema, dtype)
        for _ in track(range(trainer.schedule.iterations), path.stem):
            trainer.step()
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(trainer.state_dict(), path)
    network.load_state_dict(load_file(path))
    return network.eval()


def networks(
    name: str, change: Change, training: Digits, root: Path
) -> Iterator[tuple[torch.nn.Module, Digits, Tensor]]:
    """Yield, for each fold, a network, the images that it never saw, and their indices."""
    recipe = load_recipe("single", change.overrides)
    for number, (others, own) in enumerate(deal(training.labels.numpy(), FOLDS, 0)):
        task = changed_task(recipe, change, training.subset(others[:: change.every_nth_image]))
        path = root / name.replace(" ", "-") / f"fold-{number}.safetensors"
        yield trained(task, recipe, path), training.subset(own), own


def out_of_fold(
    name: str, training: Digits, root: Path, sets: Sets
) -> tuple[dict[str, LogP], Tensor]:
    """Return log p [50,000, 10] over each set of variants of an image, and the images' indices."""
    folds = [
        (averaged(network, unseen.images, sets), indices)
        for network, unseen, indices in networks(name, CHANGES[name], training, root)
    ]
    log_ps = {key: np.concatenate([log_ps[key] for log_ps, _ in folds]) for key in sets}
    return log_ps, torch.cat([indices for _, indices in folds])


def table(log_ps: dict[str, LogP], indices: Tensor, training: Digits) -> Iterator[dict[str, Any]]:
    """Print a row for each set of predictions of the images at `indices`; yield its figures."""
    labels = training.labels[indices].numpy()
    columns: list[tuple[npt.NDArray[np.float64], ...]] = []
    for name, log_p in log_ps.items():
        wrong = log_p.argmax(1) != labels
        losses = -calibrated(log_p, labels)[np.arange(len(labels)), labels]
        columns.append((wrong.astype(np.float64), losses))
        row, cells = {"name": name, "images": len(labels)}, [name]
        for key, own, base in zip(("mistakes", "nll_sum"), columns[-1], columns[0], strict=True):
            mean = FIGURES_PER * own.mean()
            differences = FIGURES_PER * (own - base)
            difference, error = differences.mean(), sem(differences)
            figures = {key: mean, "difference": difference, "standard_error": error}
            row |= {key: {k: round(float(v), 2) for k, v in figures.items()}}
            cells += [f"{mean:.1f}", f"{difference:+.1f} ± {error:.1f}"]
        print("| " + " | ".join(cells) + " |")
        yield row | {"misread": sorted(indices[wrong].tolist())}


def main() -> None:
    """Train what is missing, print the tables and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder for the networks")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    training, _ = split()
    plain = {name: OF_THE_IMAGE[name] for name in (SHIFTS, *OF_THE_IMAGE)}  # that row is first
    without, indices = out_of_fold(WITHOUT_DESKEWING, training, options.root, plain)
    deskewed, _ = out_of_fold("single", training, options.root, WITH_DESKEWING)
    changed = {WITHOUT_DESKEWING: without[PLAIN], "single": deskewed[CHOSEN]}
    for name in AUGMENTATIONS:
        log_ps, _ = out_of_fold(name, training, options.root, {PLAIN: OF_THE_IMAGE[PLAIN]})
        changed[name] = log_ps[PLAIN]
    tables = (("changes", changed), (WITHOUT_DESKEWING, without), ("single", deskewed))
    rows = [
        {"table": title} | row
        for title, log_ps in tables
        for row in table(log_ps, indices, training)
    ]
    write_record(options.out, rows=rows)


if __name__ == "__main__":
    main()
