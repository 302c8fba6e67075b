"""Tuning a bundle to corrections, and what that wins and loses.

The networks are trained once a fold on the corrections of the other folds, then on all of them.
What is measured of the result is read from the files that were written.
"""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from tenfold.artifacts.base import NamedImageSet
from tenfold.artifacts.studies import BeforeAndAfter, TuningResult
from tenfold.bundle.format import CONFIG_FILE, find_bundle, read_card, read_config
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.save import copy_bundle, save_bundle
from tenfold.bundle.torch_bundle import Bundle
from tenfold.cpu import available_cores
from tenfold.data.digits import Digits
from tenfold.data.download import file_sha256
from tenfold.data.mnist import NON_DIGIT_LABEL
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import load_digits
from tenfold.errors import DataError, MissingExtraError
from tenfold.evaluation.reader import evaluate_reader
from tenfold.files import write_atomically
from tenfold.model.kernels.functional import tune_process
from tenfold.reading.bulk import run_in_processes
from tenfold.reading.reader import Reader
from tenfold.rendering.picture_sets import load_pictures
from tenfold.training.fine_tuning import (
    RECIPE_FILE,
    FineTuning,
    fine_tune,
    recipe_of,
    rehearsal,
)

FOREIGN_SETS = ("optical", "font-digits", "font-letters")
MAX_CORRECTIONS = 5_000

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class TuningConfig:
    """How a bundle is tuned and measured.

    Attributes:
        learning: how long and how strongly corrections are learned.
        folds: of the cross-validation. Each more takes as long as the tuning itself.
        foreign_sets: names of sets of pictures; those that cannot be had are left out.
        seed: of the folds, of the order of images and of augmentation.
        threads: CPU threads; all cores by default.
    """

    learning: FineTuning = field(default_factory=FineTuning)
    folds: int = 2
    foreign_sets: Sequence[str] = FOREIGN_SETS
    seed: int = 0
    threads: int | None = None


def tune(
    path: str | Path,
    corrections: Digits,
    folder: Path,
    config: TuningConfig = TuningConfig(),
    on_progress: OnProgress = lambda _what, _done, _all: None,
) -> TuningResult:
    """Write a bundle whose networks have learned corrections; all else stays as it was.

    Args:
        path: the bundle: see `find_bundle`.
        corrections: images as the networks see them, with the right labels; see `Corrections`.
        folder: where the new bundle is written: an empty folder.
        config: how it is tuned and measured.
        on_progress: called with the stage, and how many of its steps are done, of how many.

    Raises:
        BundleError: the bundle is damaged, or nobody knows what it was trained on.
        DataError: too few corrections or too many, or the training images cannot be had.
    """
    begun = time.monotonic()
    tuner = _Tuner(path, corrections, config, on_progress)
    cross_validated = tuner.cross_validate()
    tuned = tuner.tune(corrections)
    sha256 = file_sha256(find_bundle(path) / CONFIG_FILE)
    on_progress("measuring", 0, 1)
    copy_bundle(path, folder, "float32")
    states = [network.state_dict() for network in tuned.networks]
    card = _card(path, sha256, len(corrections), config.seed)
    save_bundle(folder, read_config(folder), states, card)
    own_recipe = Path(path) / RECIPE_FILE
    if own_recipe.is_file():  # without it the new bundle could not be tuned
        write_atomically(folder / RECIPE_FILE, own_recipe.read_bytes())
    return TuningResult(
        bundle_sha256=sha256,
        data=NamedImageSet(
            name=corrections.name, images=len(corrections), sha256=corrections.sha256
        ),
        folds=config.folds,
        corrections=cross_validated,
        test_images=_compare_digits(path, folder, tuner.test),
        foreign_sets=tuple(_compare_pictures(path, folder, config.foreign_sets, on_progress)),
        seconds=round(time.monotonic() - begun, 2),
    )


def deal_folds(labels: torch.Tensor, folds: int, seed: int) -> torch.Tensor:
    """Return the fold of each label, int64[n]: each digit, and all together, dealt evenly."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "folds"))
    order = torch.randperm(len(labels), generator=generator)
    order = order[torch.argsort(labels[order], stable=True)]
    fold = torch.empty_like(labels)
    fold[order] = torch.arange(len(labels)) % folds
    return fold


class _Tuner:
    """A bundle, what it was trained on, and the corrections."""

    def __init__(
        self, path: str | Path, corrections: Digits, config: TuningConfig, on_progress: OnProgress
    ) -> None:
        if not config.folds <= len(corrections) <= MAX_CORRECTIONS:
            raise DataError(
                f"{corrections.source}: corrections: {len(corrections):,}; "
                f"give {config.folds} to {MAX_CORRECTIONS:,}, or train with them"
            )
        tune_process()
        torch.set_num_threads(config.threads or available_cores())
        self.bundle = Bundle.load(path)
        recipe = recipe_of(path)
        on_progress("rendering", 0, 1)
        self.known = rehearsal(recipe, config.learning, config.seed)
        self.test = load_digits(self.known.recipe.data.spec, "test")
        self.corrections = corrections
        self.config = config
        self.on_progress = on_progress
        self.done = 0

    def cross_validate(self) -> BeforeAndAfter:
        """Judge each correction by the bundle, and by one that was tuned to the other folds."""
        labels, images = self.corrections.labels, self.corrections.images
        threshold = self.bundle.config.rejection_threshold
        fold = deal_folds(labels, self.config.folds, self.config.seed)
        right = 0
        for number in range(self.config.folds):
            tuned = self.tune(self.corrections.subset(torch.nonzero(fold != number)[:, 0]))
            judged = fold == number
            right += _count_right(tuned.probabilities(images[judged]), labels[judged], threshold)
        before = _count_right(self.bundle.probabilities(images), labels, threshold)
        return BeforeAndAfter(
            name=self.corrections.name, pictures=len(labels), before=before, after=right
        )

    def tune(self, corrections: Digits) -> Bundle:
        """Train every network of the bundle on."""
        networks = [
            fine_tune(
                network,
                corrections,
                self.known,
                self.config.learning,
                seed=derive_seed(self.config.seed, "tune", member),
                on_step=self._on_step,
            )
            for member, network in enumerate(self.bundle.networks)
        ]
        return Bundle(self.bundle.config, tuple(networks))

    def _on_step(self) -> None:
        trainings = (self.config.folds + 1) * len(self.bundle.networks)
        self.done += 1
        self.on_progress("training", self.done, trainings * self.config.learning.iterations)


def _count_right(
    probabilities: npt.NDArray[np.float32], labels: torch.Tensor, rejection_threshold: float
) -> int:
    """Count digits whose most probable class is right, and non-digits that are not accepted."""
    rejected = probabilities.max(axis=1) < rejection_threshold
    is_right = probabilities.argmax(axis=1) == labels.numpy()
    return int(np.where(labels.numpy() == NON_DIGIT_LABEL, rejected, is_right).sum())


def _compare_digits(before: str | Path, after: Path, test: Digits) -> BeforeAndAfter:
    """Compare two bundles on test images, with as many threads as training had."""
    classifiers = [OnnxClassifier.load(p, torch.get_num_threads()) for p in (before, after)]
    found = (classifier.probabilities(test.images.numpy()) for classifier in classifiers)
    right = [_count_right(probabilities, test.labels, 0) for probabilities in found]
    return BeforeAndAfter(name=test.name, pictures=len(test), before=right[0], after=right[1])


def _compare_pictures(
    before: str | Path, after: Path, names: Sequence[str], on_progress: OnProgress
) -> Iterator[BeforeAndAfter]:
    """Compare how two bundles read sets of pictures, as many sets at once as there are threads."""
    compare = functools.partial(_compare_set, before, after)
    workers = min(torch.get_num_threads(), len(names)) or 1
    on_progress("reading pictures", 0, len(names))
    sets = run_in_processes(compare, names, workers, in_order=True)
    for index, compared in enumerate(sets, 1):
        on_progress("reading pictures", index, len(names))
        if compared:
            yield compared


def _compare_set(before: str | Path, after: Path, name: str) -> BeforeAndAfter | None:
    """Compare two bundles on one set; None if it cannot be had."""
    try:
        pictures = load_pictures(name)
    except (DataError, MissingExtraError):
        return None
    found = [evaluate_reader(Reader.load(path), pictures) for path in (before, after)]
    return BeforeAndAfter(
        name=name, pictures=found[0].of, before=found[0].right, after=found[1].right
    )


def _card(path: str | Path, sha256: str, corrections: int, seed: int) -> str:
    """Return the card of the bundle that was tuned, and how it was."""
    return (
        f"{read_card(path).rstrip()}\n\nTuned to {corrections} corrections with seed {seed} by "
        f"`tenfold tune`, from the bundle\nwhose `bundle.json` has the SHA-256 {sha256}.\n"
        "Calibration and rejection threshold are those of that bundle.\n"
    )
