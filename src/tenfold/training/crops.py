"""The task of a recipe with a `[crop]` table: classify what stands in rendered fields."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.artifacts.training import JournalRecord
from tenfold.bundle.detector_runtime import shipped_detector
from tenfold.data.datasets import SYMBOLS
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import load_symbols
from tenfold.model.crop_config import CropConfig
from tenfold.model.crop_network import CropNetwork
from tenfold.model.trainable import TrainableNetwork
from tenfold.training.crop_renderer import CropRenderer, LabelledCrop
from tenfold.training.initial_weights import initialise
from tenfold.training.recipe import Recipe
from tenfold.training.rendered_batches import RenderedBatches
from tenfold.training.task import Measurement, Task

MEASURED_TOGETHER = 500


def _symbols() -> Digits:
    """Return the letters and symbols that stand in the place of digits."""
    images = torch.from_numpy(load_symbols())
    labels = torch.arange(len(images)) % CLASSES  # every digit is drawn as some of them
    return Digits(images, labels, SYMBOLS, SYMBOLS)


def stack_crops(crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
    """Return pixels uint8[n, 32, 32] and labels int64[n]."""
    pixels = np.stack([crop.pixels for crop in crops])
    labels = np.array([crop.label for crop in crops], np.int64)
    return torch.from_numpy(pixels), torch.from_numpy(labels)


def crop_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy, summed over the crops."""
    return F.cross_entropy(logits.float(), labels, reduction="sum")


def crop_task(
    recipe: Recipe,
    member: int,
    training: Digits,
    monitored: Digits,
    device: torch.device | str = "cpu",
) -> Task:
    """Return what a crop classifier is trained on; see `ObjectKind.task`.

    A fourth of its crops are where the shipped detector finds digits.
    """
    device = torch.device(device)
    seed = derive_seed(recipe.seed, "member", member)
    detector = shipped_detector()
    share = recipe.outlier_exposure.symbols
    symbols = _symbols() if share else None
    renderer = CropRenderer(training, derive_seed(seed, "crops"), detector, symbols, share)
    held_out = CropRenderer(monitored, derive_seed("validation"), detector)
    crops = [held_out.render(index) for index in range(recipe.fields.evaluation)]
    network = CropNetwork(recipe.crop or CropConfig())
    return Task(
        network=initialise(network, recipe, seed).to(device),
        batches=RenderedBatches(
            renderer.render, stack_crops, recipe.schedule.images_before, device
        ),
        loss=crop_loss,
        seed=seed,
        measure=partial(measure, crops=crops),
        record=JournalRecord,
    )


def measure(network: TrainableNetwork, crops: Sequence[LabelledCrop]) -> Measurement:
    """Measure the summed loss of crops, and the share that is classified rightly.

    Those of a task are without symbols.
    """
    device = next(network.parameters()).device
    pixels, labels = (part.to(device) for part in stack_crops(crops))
    with torch.inference_mode():
        logits = torch.cat([network(part) for part in torch.split(pixels, MEASURED_TOGETHER)])
    accuracy = float((logits.argmax(1) == labels).float().mean())
    return Measurement({"nll_sum": float(crop_loss(logits, labels)), "accuracy": accuracy})
