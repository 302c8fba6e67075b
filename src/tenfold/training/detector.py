"""The task of a recipe with a `[detector]` table: find objects in rendered pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from tenfold.artifacts.training import DetectionRecord
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.model.detector import DetectorNetwork
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.trainable import TrainableNetwork
from tenfold.training.initial_weights import initialise
from tenfold.training.recipe import Recipe
from tenfold.training.rendered_batches import RenderedBatches
from tenfold.training.task import Measurement, Task

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Renderer(Protocol[T_co]):
    """Renders pictures."""

    def render(self, index: int) -> T_co:
        """Render one picture, the same for the same index."""


@dataclass(frozen=True)
class ObjectKind(Generic[T]):
    """What one kind of objects needs, to be learned from pictures T with labels.

    Attributes:
        seed_name: of the seed of the training pictures.
        renderer: makes a renderer of digits and a seed.
        stack: makes pixels and labels of several pictures.
        loss: maps outputs and labels to the sum of the loss over the batch.
        count: objects of a picture.
        match: how many of them an output [c, h, w] finds without a mistake, and how many others.
        measuring_batch: pictures that are measured together.
    """

    seed_name: str
    renderer: Callable[[Digits, int], Renderer[T]]
    stack: Callable[[Sequence[T]], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]
    count: Callable[[T], int]
    match: Callable[[Tensor, T], tuple[int, int]]
    measuring_batch: int

    def task(
        self,
        recipe: Recipe,
        member: int,
        training: Digits,
        monitored: Digits,
        device: torch.device | str = "cpu",
    ) -> Task:
        """Return what a detector of these objects is trained on.

        Args:
            recipe: network, schedule and seed.
            member: its number, from 0; with the recipe's seed it decides everything random.
            training: digits that the training pictures are made of.
            monitored: digits of the pictures that evaluations measure.
            device: where it is trained.
        """
        device = torch.device(device)
        seed = derive_seed(recipe.seed, "member", member)
        renderer = self.renderer(training, derive_seed(seed, self.seed_name))
        held_out = self.renderer(monitored, derive_seed("validation"))
        pictures = [held_out.render(index) for index in range(recipe.fields.evaluation)]
        network = DetectorNetwork(recipe.detector or DetectorConfig())
        return Task(
            network=initialise(network, recipe, seed).to(device),
            batches=RenderedBatches(
                renderer.render, self.stack, recipe.schedule.images_before, device
            ),
            loss=self.loss,
            seed=seed,
            measure=partial(self.measure, pictures=pictures),
            record=DetectionRecord,
        )

    def measure(self, network: TrainableNetwork, pictures: Sequence[T]) -> Measurement:
        """Measure loss, and how many objects and whole pictures are found without a mistake."""
        device = next(network.parameters()).device
        loss, found, exact, false = 0.0, 0, 0, 0
        with torch.inference_mode():
            for start in range(0, len(pictures), self.measuring_batch):
                chunk = pictures[start : start + self.measuring_batch]
                pixels, labels = (part.to(device) for part in self.stack(chunk))
                outputs = network(pixels)
                loss += float(self.loss(outputs, labels))
                for output, picture in zip(outputs.float().cpu(), chunk, strict=True):
                    hits, extra = self.match(output, picture)
                    found += hits
                    false += extra
                    exact += hits == self.count(picture) and not extra
        objects = sum(map(self.count, pictures))
        metrics = {
            "loss": loss / len(pictures),
            "recall": found / max(objects, 1),
            "false_per_field": false / len(pictures),
            "exact": exact / len(pictures),
        }
        return Measurement(metrics)
