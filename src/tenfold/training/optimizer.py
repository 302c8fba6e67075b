"""Adam, and Muon for hidden layers, on flat buffers of master weights and moments."""

from collections.abc import Iterable, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from tenfold.model.kernels.functional import adam_step
from tenfold.training.muon import muon_step
from tenfold.training.schedule import Hyperparameters
from tenfold.untrusted import Frozen


class OptimizerConfig(Frozen):
    """Adam (Kingma & Ba 2015); `weight_decay` is decoupled (Loshchilov & Hutter 2019).

    With `muon` above 0, hidden layers' filters and matrices follow Muon (`muon.py`) instead.
    """

    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(
        default=0.0, ge=0, description="of matrices and filters, per unit of learning rate"
    )
    bias_learning_rate: float = Field(
        default=1.0, gt=0, description="factor on the rate of biases and norms"
    )
    muon: float = Field(
        default=0.0, ge=0, description="hidden layers: Muon at so many times the learning rate"
    )
    momentum: float = Field(default=0.6, ge=0, lt=1, description="of Muon")


class Optimizer:
    """Float32 master weights and moments in three flat tensors.

    The float32 network's parameters become views of the master; those that are cast to
    bfloat16 afterwards are working copies, written by each step. The gradient of the report's
    mean-square term, `2 · coefficient / numel · w` for each hidden layer's weight, is added here.
    """

    def __init__(
        self, network: nn.Module, hidden: Iterable[Tensor], config: OptimizerConfig
    ) -> None:
        self.config = config
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self._hidden = {id(weight) for weight in hidden}
        sizes = [p.numel() for p in self.parameters]
        device = self.parameters[0].device
        self.master = torch.empty(sum(sizes), device=device)
        self.moment1 = torch.zeros_like(self.master)
        self.moment2 = torch.zeros_like(self.master)
        self._views = [
            torch.split(flat, sizes) for flat in (self.master, self.moment1, self.moment2)
        ]
        for parameter, view in zip(self.parameters, self._views[0], strict=True):
            view.copy_(parameter.detach().reshape(-1))
            parameter.data = view.view(parameter.shape)

    def step(self, gradients: Sequence[Tensor], step: int, hyper: Hyperparameters) -> None:
        """Update every parameter; `step` counts from 0."""
        config = self.config
        for parameter, gradient, master, first, second in zip(
            self.parameters, gradients, *self._views, strict=True
        ):
            matrix, hidden = parameter.ndim > 1, id(parameter) in self._hidden
            gradient = gradient.contiguous().view(-1)  # noqa: PLW2901 - the same, flat
            l2 = 2 * hyper.l2_coefficient / parameter.numel() if hidden else 0.0
            decay = config.weight_decay if matrix else 0.0
            copy = None if parameter.dtype == torch.float32 else parameter.detach().view(-1)
            if hidden and config.muon:
                muon_step(
                    master,
                    first,
                    gradient,
                    rows=parameter.shape[0],
                    learning_rate=hyper.learning_rate * config.muon,
                    momentum=config.momentum,
                    l2=l2,
                    weight_decay=decay,
                    dtype=parameter.dtype,
                )
                if copy is not None:
                    copy.copy_(master)
                continue
            adam_step(
                master,
                first,
                second,
                gradient,
                copy,
                step=step + 1,
                learning_rate=hyper.learning_rate * (1.0 if matrix else config.bias_learning_rate),
                betas=(config.beta1, config.beta2),
                epsilon=config.epsilon,
                l2=l2,
                weight_decay=decay,
            )

    def state(self) -> dict[str, Tensor]:
        """Return master weights and moments: float32, flat."""
        return {"master": self.master, "moment1": self.moment1, "moment2": self.moment2}

    def write_working_copies(self) -> None:
        """Bring the network's parameters up to date with the master weights."""
        write_parameters(self.parameters, self.master)


def write_parameters(parameters: Sequence[Tensor], flat: Tensor) -> None:
    """Copy a flat float32 tensor into parameters of whatever dtype."""
    sizes = [p.numel() for p in parameters]
    with torch.no_grad():
        for parameter, view in zip(parameters, torch.split(flat, sizes), strict=True):
            parameter.copy_(view.view(parameter.shape))
