"""Fine-tuning: a trained network learns corrections, beside what it was trained on.

A fraction of every batch is drawn from the corrections. The rest are the recipe's own batches, so
that little is forgotten (Robins 1995, "rehearsal"). Then the weights before and after are averaged
(Wortsman et al. 2022, "robust fine-tuning"): as much of those after as the corrections need, and as
validation images allow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from tenfold.augmentation.outlier_exposure import ImageBank, image_banks
from tenfold.bundle.format import CONFIG_FILE, find_bundle, read_config
from tenfold.data.digits import Digits
from tenfold.data.mnist import NON_DIGIT_LABEL
from tenfold.data.seeds import derive_seed
from tenfold.errors import BundleError
from tenfold.model.network import DigitNetwork
from tenfold.training.digits import digit_task, log_probabilities, recipe_digits
from tenfold.training.hardware import choose_placement
from tenfold.training.recipe import Recipe, load_recipe, shipped
from tenfold.training.schedule import Ramp, Stage
from tenfold.training.trainer import Trainer

VALIDATION_IMAGES = 2_000
RECIPE_FILE = "recipe.toml"  # of a run folder, and of a bundle that was tuned from one


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How long and how strongly corrections are learned.

    Attributes:
        iterations: of training.
        batch_size: corrections included.
        learning_rate: at first; it falls to 0.
        min_fraction: of each batch that is corrections.
        max_fraction: of each batch, where so many are needed to draw each correction once.
        tuned_shares: of the weights after training in the average, from the least, which is always
            taken; a larger one while fewer corrections than `min_learned` are learned.
        min_learned: share of the misread corrections that are then read right.
        max_rise: of the loss on validation images, as a share of it, with a larger share than the
            least. It says more than accuracy does, which a few of the images decide.
        max_bank_size: of the images of outlier exposure, which take long to render.
    """

    iterations: int = 100
    batch_size: int = 128
    learning_rate: float = 0.001
    min_fraction: float = 0.1
    max_fraction: float = 0.3
    tuned_shares: tuple[float, ...] = (0.25, 0.35, 0.45, 0.55)
    min_learned: float = 0.9
    max_rise: float = 0.05
    max_bank_size: int = 1_000

    def fraction(self, corrections: int) -> float:
        """Return the fraction of each batch that so many corrections make."""
        once = corrections / (self.iterations * self.batch_size)
        return min(max(self.min_fraction, once), self.max_fraction)


@dataclass(frozen=True)
class Rehearsal:
    """What a network was trained on.

    Attributes:
        recipe: that it was trained by.
        training: digits.
        validation: digits that were held out, or where none were, some of the training digits.
        banks: images of the recipe's outlier exposure.
    """

    recipe: Recipe
    training: Digits
    validation: Digits
    banks: list[ImageBank]


def rehearsal(
    recipe: Recipe, settings: FineTuning, seed: int, training: Digits | None = None
) -> Rehearsal:
    """Load a recipe's digits, unless they are given, and render its outliers.

    What is found in fields is left out: it takes long to render.

    Raises:
        DataError: the data cannot be had.
    """
    validation = None
    if training is None:
        training, monitored = recipe_digits(recipe)
        validation = monitored if recipe.data.monitor == "validation" else None
    if validation is None:  # the test images may decide nothing
        validation = training.subset(range(min(len(training), VALIDATION_IMAGES)))
    size = min(recipe.outlier_exposure.bank_size, settings.max_bank_size)
    exposure = recipe.outlier_exposure.model_copy(update={"bank_size": size})
    banks = image_banks(exposure, derive_seed(seed, "banks"))
    return Rehearsal(recipe, training, validation, banks)


def fine_tune(  # noqa: PLR0913 - what is learned, how, and where
    network: DigitNetwork,
    corrections: Digits,
    known: Rehearsal,
    settings: FineTuning,
    *,
    seed: int,
    device: str = "auto",
    on_step: Callable[[], None] = lambda: None,
) -> DigitNetwork:
    """Return a network that has learned corrections, on the CPU.

    Args:
        network: trained, on the CPU; it is not changed.
        corrections: what is to be learned.
        known: what the network was trained on.
        settings: how long and how strongly it learns.
        seed: decides everything random.
        device: auto, cpu, cuda or mps.
        on_step: called after each iteration.
    """
    recipe = _tuning_recipe(known.recipe, network, settings, seed)
    where = choose_placement(device)
    fraction = settings.fraction(len(corrections))
    bank = ImageBank(corrections.images, corrections.labels, fraction)
    before = network.state_dict()
    task = digit_task(
        recipe, 0, known.training, device=where.device, initial=before, banks=[bank, *known.banks]
    )
    trainer = Trainer(task, recipe.training, recipe.ema, where.dtype)
    while trainer.step_count < settings.iterations:
        trainer.step()
        on_step()
    after = {name: tensor.cpu() for name, tensor in trainer.state_dict().items()}
    misread = corrections.subset(_misread(network, corrections).nonzero()[:, 0].tolist())
    least, *others = settings.tuned_shares
    tuned = _averaged(network, before, after, least)
    if _learned(tuned, misread) >= settings.min_learned:
        return tuned
    allowed = (1 + settings.max_rise) * mean_loss(network, known.validation)
    for share in others:
        more = _averaged(network, before, after, share)
        if mean_loss(more, known.validation) > allowed:
            break
        tuned = more
        if _learned(tuned, misread) >= settings.min_learned:
            break
    return tuned


def recipe_of(path: str | Path) -> Recipe:
    """Return the recipe that the networks of a run or of a bundle were trained by.

    A shipped recipe comes without further sets: nobody has to fetch them to tune a bundle.

    Raises:
        BundleError: it is neither in the folder nor a shipped one.
    """
    beside = Path(path) / RECIPE_FILE
    if beside.is_file():
        return load_recipe(beside)
    facts = read_config(path).facts
    if facts.recipe not in shipped():
        raise BundleError(
            f"{find_bundle(path) / CONFIG_FILE}: facts.recipe: {facts.recipe} is no shipped "
            "recipe; name the run folder that the bundle is from"
        )
    without = {"data.also": [], "outlier_exposure.symbols": 0.0}
    return load_recipe(facts.recipe).changed({"data.spec": facts.data or "mnist", **without})


def mean_loss(network: DigitNetwork, digits: Digits) -> float:
    """Return the mean negative log-likelihood of digits for a network in evaluation mode."""
    return float(nll_loss(log_probabilities(network, digits.images), digits.labels))


def _misread(network: DigitNetwork, corrections: Digits) -> Tensor:
    """Tell which corrections a network misreads, bool[n].

    A non-digit is misread if a digit is more probable than not.
    """
    log_p, found = log_probabilities(network, corrections.images).max(dim=1)
    is_digit = corrections.labels != NON_DIGIT_LABEL
    return torch.where(is_digit, found != corrections.labels, log_p > math.log(0.5))


def _learned(network: DigitNetwork, misread: Digits) -> float:
    """Return which share of corrections that were misread is not any more; 1 if there were none."""
    return 1 - float(_misread(network, misread).float().mean()) if len(misread) else 1.0


def _tuning_recipe(
    recipe: Recipe, network: DigitNetwork, settings: FineTuning, seed: int
) -> Recipe:
    """Return a recipe for this network, with this seed and the schedule of fine-tuning."""
    size = settings.batch_size
    stage = Stage(
        iterations=settings.iterations,
        learning_rate=Ramp(start=settings.learning_rate, end=0),
        batch_size=Ramp(start=size, end=size),
    )
    training = recipe.training.model_copy(update={"stages": (stage,)})
    changes = {"network": network.config, "training": training, "seed": seed}
    return recipe.model_copy(update=changes)


def _averaged(
    network: DigitNetwork, before: dict[str, Tensor], after: dict[str, Tensor], share: float
) -> DigitNetwork:
    """Return a network with weights between two states."""
    averaged = DigitNetwork(network.config).eval()
    averaged.load_state_dict(
        {name: torch.lerp(before[name].float(), after[name].float(), share) for name in after}
    )
    return averaged
