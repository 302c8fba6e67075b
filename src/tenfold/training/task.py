"""A task: a network, its batches, its loss, and what is measured of it.

The engine (`trainer.py` and `member.py`: schedule, optimizer, EMA, checkpoints, journal) takes any
task. `tasks.py` chooses the one of a recipe. An experiment replaces a part of it:

    task = digit_task(recipe, 0, training, monitored)
    task = dataclasses.replace(task, batches=Distilled(task.batches, teachers), loss=cross_entropy)
    trainer = Trainer(task, recipe.training, recipe.ema)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tenfold.artifacts.training import TrainingRecord
from tenfold.model.trainable import TrainableNetwork

Metrics = Mapping[str, float]


class Batches(Protocol):
    """Training data as a function of the step; exact resumption depends on that."""

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs and labels of iteration `step`, counted from 0, on the network's device."""


class Measurement(NamedTuple):
    """What an evaluation found.

    Attributes:
        metrics: by name, for the journal and the rule that keeps weights.
        predictions: float32, of the same shape each time; kept beside the journal as float16.
    """

    metrics: Metrics
    predictions: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        network: with its initial weights in float32, on the device that trains it.
        batches: what it is trained on.
        loss: maps the network's outputs and the labels to the sum of the loss over the batch.
        seed: of what the network draws itself, such as dropout.
        measure: evaluates a network in evaluation mode; None where nothing is monitored.
        score: of metrics, higher is better; the weights with the best score are kept. None keeps
            the last ones.
        record: schema of a line of the journal, with a field for each metric of `measure`.
    """

    network: TrainableNetwork
    batches: Batches
    loss: Callable[[Tensor, Tensor], Tensor]
    seed: int
    measure: Callable[[TrainableNetwork], Measurement] | None = None
    score: Callable[[Metrics], float] | None = None
    record: type[TrainingRecord] = TrainingRecord
