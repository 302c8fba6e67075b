"""Training a network: the step, and the weights that are evaluated.

Everything random in a step is a pure function of (seed, step), so a checkpoint holds weights,
moments and averages, but no state of a random number generator.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from tenfold.data.seeds import derive_seed
from tenfold.model.trainable import TrainableNetwork
from tenfold.training.ema import EMA, EMAConfig
from tenfold.training.optimizer import Optimizer, write_parameters
from tenfold.training.settings import TrainingConfig
from tenfold.training.task import Task


class Trainer:
    """A task in training: its network, optimizer and EMA, and the step that advances them.

    Args:
        task: what is trained.
        settings: its schedule and optimizer.
        ema: how weights are averaged.
        dtype: of matrix multiplies, float32 or bfloat16.
    """

    def __init__(
        self,
        task: Task,
        settings: TrainingConfig,
        ema: EMAConfig,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.task = task
        self.settings = settings
        self.schedule = settings.schedule
        self.network = task.network.train()
        self._evaluated = copy.deepcopy(task.network).eval().set_compute_dtype(dtype)
        # The optimizer takes its float32 master weights before working copies are rounded.
        self.optimizer = Optimizer(self.network, self.network.hidden_weights(), settings.optimizer)
        self.network.set_compute_dtype(dtype)
        self.ema = EMA([self.optimizer.master, *float_buffers(self.network)], ema)
        device = self.optimizer.master.device
        self.loss_total = torch.zeros((), dtype=torch.float64, device=device)
        self.step_count = 0

    def step(self) -> None:
        """Draw a batch, descend once, average."""
        step = self.step_count
        torch.manual_seed(derive_seed(self.task.seed, "step", step))  # for dropout
        hyper = self.schedule.at(step)
        inputs, labels = self.task.batches.at(step)
        loss_sum = self.task.loss(self.network(inputs), labels)
        loss = loss_sum / hyper.batch_size if self.settings.nll_reduction == "mean" else loss_sum
        gradients = torch.autograd.grad(loss, self.optimizer.parameters)
        self.optimizer.step(gradients, step, hyper)
        self.ema.update(step)
        self.loss_total += loss_sum.detach()
        self.step_count += 1

    def evaluated_network(self) -> TrainableNetwork:
        """Return the network in evaluation mode, with the averaged weights."""
        load_flat(self._evaluated, self.ema.averages)
        return self._evaluated

    def state_dict(self, state: list[Tensor] | None = None) -> dict[str, Tensor]:
        """Return a float32 state of the network: of flat weights and buffers, or of the EMA."""
        network = copy.deepcopy(self._evaluated).set_compute_dtype(torch.float32)
        load_flat(network, self.ema.averages if state is None else state)
        return network.state_dict()

    def checkpoint(self) -> dict[str, Tensor]:
        """Return the tensors that the rest of the training depends on, besides `step_count`."""
        buffers = {f"buffer.{index}": b for index, b in enumerate(self.network.buffers())}
        loss = {"loss_total": self.loss_total}
        return self.optimizer.state() | self.ema.state() | buffers | loss

    def restore(self, tensors: Mapping[str, Tensor], step_count: int) -> None:
        """Continue where `checkpoint` was taken."""
        for name, tensor in self.checkpoint().items():
            tensor.copy_(tensors[name])
        self.optimizer.write_working_copies()
        self.step_count = step_count


def load_flat(network: TrainableNetwork, state: list[Tensor]) -> None:
    """Write flat master weights and float buffers into a network of any precision."""
    write_parameters(list(network.parameters()), state[0])
    for buffer, value in zip(float_buffers(network), state[1:], strict=True):
        buffer.copy_(value)


def float_buffers(network: TrainableNetwork) -> list[Tensor]:
    """Return the running statistics of a network."""
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]
