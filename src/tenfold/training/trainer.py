"""Training one network: the step, its averages, and what is evaluated of them.

Everything random in a step is a pure function of (member seed, step), so a checkpoint
needs weights, moments and averages, but no generator state.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tenfold.augmentation.degradations import degrade
from tenfold.augmentation.geometric import augment
from tenfold.augmentation.outlier_exposure import image_banks, replace_images
from tenfold.data.deskew import deskewed
from tenfold.data.digits import Digits
from tenfold.data.sampling import IndexStream
from tenfold.data.seeds import derive_seed
from tenfold.model.network import DigitNetwork
from tenfold.training.ema import EMA
from tenfold.training.loss import nll_sum
from tenfold.training.optimizer import Optimizer, write_parameters
from tenfold.training.recipe import Recipe

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Placement:
    """Where and in which precision a member is trained."""

    device: torch.device
    dtype: torch.dtype


class Trainer:
    """One member in training: network, optimiser, averages, and the step that advances them."""

    def __init__(self, recipe: Recipe, member: int, training: Digits, where: Placement) -> None:
        self.recipe = recipe
        self.schedule = recipe.schedule
        self.seed = derive_seed(recipe.seed, "member", member)
        self.device = where.device
        self.images = training.images.to(where.device)
        if recipe.augmentation.deskew:  # each image, then each deskewed
            self.images = torch.cat([self.images, upright(training.images).to(where.device)])
        self.labels = training.labels.to(where.device)
        self.banks = image_banks(recipe.outlier_exposure, self.seed)
        self.stream = IndexStream(len(training), derive_seed(self.seed, "order"))
        self.generator = torch.Generator()
        initial = torch.Generator().manual_seed(derive_seed(self.seed, "weights"))
        self.network = DigitNetwork(recipe.network).initialise(initial).to(where.device)
        hidden = [layer.weight for layer in self.network.penalised_layers()]
        # The optimiser takes its float32 master weights before working copies are rounded.
        self.optimizer = Optimizer(self.network, hidden, recipe.training.optimizer)
        self.network.set_compute_dtype(where.dtype)
        buffers = (b for b in self.network.buffers() if b.is_floating_point())
        self.ema = EMA([self.optimizer.master, *buffers], recipe.ema)
        self.evaluated = DigitNetwork(recipe.network).to(where.device).eval()
        self.evaluated.set_compute_dtype(where.dtype)
        self.loss_total = torch.zeros((), dtype=torch.float64, device=where.device)
        self.step_count = 0

    def step(self) -> None:
        """Draw a batch, descend once, average."""
        settings = self.recipe.training
        hyper = self.schedule.at(self.step_count)
        seed = derive_seed(self.seed, "step", self.step_count)
        torch.manual_seed(seed)  # dropout
        self.generator.manual_seed(seed)  # augmentation, drawn on the CPU
        first = self.schedule.images_before(self.step_count)
        indices = self.stream.indices(first, hyper.batch_size).to(self.device)
        images, labels = self.images[self._some_upright(indices)], self.labels[indices]
        if self.banks:
            images, labels = replace_images(images, labels, self.banks, self.generator)
        pixels = augment(images, self.recipe.augmentation, self.generator)
        degradations = self.recipe.degradations
        if degradations.active:
            pixels = degrade(pixels.cpu(), degradations, self.generator).to(self.device)
        total = nll_sum(self.network(pixels), labels, settings.label_smoothing)
        loss = total / hyper.batch_size if settings.nll_reduction == "mean" else total
        gradients = torch.autograd.grad(loss, self.optimizer.parameters)
        self.optimizer.step(gradients, self.step_count, hyper.learning_rate, hyper.l2_coefficient)
        self.ema.update(self.step_count)
        self.loss_total += total.detach()
        self.step_count += 1

    def _some_upright(self, indices: Tensor) -> Tensor:
        """Draw which of a batch's images are deskewed; return their places in `self.images`."""
        chance = self.recipe.augmentation.deskew
        if not chance:
            return indices
        drawn = torch.rand(len(indices), generator=self.generator) < chance
        return indices + len(self.labels) * drawn.to(self.device)

    def evaluated_state(self) -> list[Tensor]:
        """Return what is evaluated and kept: the averages, or the weights themselves."""
        return self.ema.averages

    def state_dict(self, state: list[Tensor]) -> dict[str, Tensor]:
        """Turn flat weights and buffers into the float32 state of a `DigitNetwork`."""
        network = DigitNetwork(self.recipe.network).to(self.device)
        load_flat(network, state)
        return network.state_dict()

    def log_probabilities(self, images_nhw: Tensor) -> Tensor:
        """Return log p float32 [n, 10] of uint8 images, by the evaluated weights, on the CPU."""
        load_flat(self.evaluated, self.evaluated_state())
        with torch.inference_mode():
            logits = [
                self.evaluated(chunk.to(self.device).float() / 255)
                for chunk in torch.split(images_nhw, EVALUATION_BATCH)
            ]
            return torch.log_softmax(torch.cat(logits), dim=1).cpu()


def upright(images_nhw: Tensor) -> Tensor:
    """Deskew uint8 images [n, 28, 28] on the CPU, to whole grey levels."""
    parts = (part.numpy().astype(np.float32) for part in torch.split(images_nhw, EVALUATION_BATCH))
    return torch.cat([torch.from_numpy(deskewed(part).round().astype(np.uint8)) for part in parts])


def load_flat(network: DigitNetwork, state: list[Tensor]) -> None:
    """Write flat master weights and float buffers into a network of any precision."""
    write_parameters(list(network.parameters()), state[0])
    buffers = [b for b in network.buffers() if b.is_floating_point()]
    for buffer, value in zip(buffers, state[1:], strict=True):
        buffer.copy_(value)
