"""The task of a recipe: classify digits."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from tenfold.artifacts.evaluation import KeepRule
from tenfold.artifacts.training import JournalRecord, TrainingRecord
from tenfold.augmentation.batches import DigitBatches
from tenfold.augmentation.outlier_exposure import ImageBank, OutlierExposure, image_banks
from tenfold.data.digits import Digits, concatenate, stratified_split
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import load_digits
from tenfold.model.network import DigitNetwork
from tenfold.model.trainable import TrainableNetwork
from tenfold.training.initial_weights import initialise
from tenfold.training.loss import nll_sum
from tenfold.training.recipe import Recipe
from tenfold.training.task import Measurement, Metrics, Task

EVALUATION_BATCH = 500

SCORES: dict[KeepRule, Callable[[Metrics], float] | None] = {
    "last": None,
    "min-nll": lambda metrics: -metrics["nll_sum"],
    "max-accuracy": lambda metrics: metrics["accuracy"],
}


def recipe_digits(recipe: Recipe) -> tuple[Digits, Digits]:
    """Return what a recipe trains on and what its curves are measured on.

    The validation images are the same for every seed, so that seeds can be compared.

    Raises:
        DataError: the data cannot be had.
    """
    config = recipe.data
    training = load_digits(config.spec, "train")
    training, validation = stratified_split(training, config.validation, derive_seed("validation"))
    if config.also:
        training = concatenate([training, *(load_digits(spec, "train") for spec in config.also)])
    if config.monitor == "test":
        return training, load_digits(config.spec, "test")
    return training, validation


def digit_task(  # noqa: PLR0913 - a task's parts, each replaceable
    recipe: Recipe,
    member: int,
    training: Digits,
    monitored: Digits | None = None,
    device: torch.device | str = "cpu",
    *,
    initial: Mapping[str, Tensor] | None = None,
    banks: Sequence[ImageBank] | None = None,
) -> Task:
    """Return what a member of a recipe's ensemble is trained on.

    Args:
        recipe: network, data preparation, loss.
        member: its number, from 0; with the recipe's seed it decides everything random.
        training: images to train on.
        monitored: images that evaluations measure, if there are any.
        device: where it is trained.
        initial: state dict of the network that training starts from; by default see
            `initialise`.
        banks: images that replace some of a batch; by default the recipe's outlier exposure.
    """
    device = torch.device(device)
    seed = derive_seed(recipe.seed, "member", member)
    network = DigitNetwork(recipe.network)
    if initial is None:
        initialise(network, recipe, seed)
    else:
        network.load_state_dict(initial)
    if banks is None:
        banks = _banks(recipe.outlier_exposure, training, seed)
    batches = DigitBatches(
        training,
        recipe.schedule.images_before,
        augmentation=recipe.augmentation,
        degradations=recipe.degradations,
        banks=banks,
        seed=seed,
        device=device,
    )
    return Task(
        network=network.to(device),
        batches=batches,
        loss=partial(nll_sum, label_smoothing=recipe.training.label_smoothing),
        seed=seed,
        measure=partial(measure, digits=monitored) if monitored else None,
        score=SCORES[recipe.training.keep],
        record=JournalRecord if monitored else TrainingRecord,
    )


def _banks(exposure: OutlierExposure, training: Digits, seed: int) -> list[ImageBank]:
    banks = image_banks(exposure, seed)
    if exposure.found:
        # Reading is imported only for the recipes that use it.
        from tenfold.training.found_digits import found_digits

        found = found_digits(training, 4 * exposure.bank_size, seed)
        banks.append(ImageBank(*found, exposure.found))
    return banks


def measure(network: TrainableNetwork, digits: Digits) -> Measurement:
    """Measure summed negative log-likelihood and accuracy; predictions are log p [n, 10]."""
    log_p = log_probabilities(network, digits.images)
    metrics = {
        "nll_sum": float(nll_sum(log_p, digits.labels)),
        "accuracy": float((log_p.argmax(1) == digits.labels).double().mean()),
    }
    return Measurement(metrics, log_p.numpy())


def log_probabilities(network: TrainableNetwork, images_nhw: Tensor) -> Tensor:
    """Return log p float32 [n, 10] of uint8 images [n, 28, 28], on the CPU."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits = [
            network(chunk.to(device).float() / 255)
            for chunk in torch.split(images_nhw, EVALUATION_BATCH)
        ]
        return torch.log_softmax(torch.cat(logits), dim=1).cpu()
