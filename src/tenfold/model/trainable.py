"""What the training engine asks of a network."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn


class TrainableNetwork(nn.Module, ABC):
    """A network that gives access to its hidden layers and can compute in bfloat16."""

    compute_dtype: torch.dtype = torch.float32

    @abstractmethod
    def hidden_weights(self) -> Iterator[Tensor]:
        """Yield filters and matrices of all layers but the output.

        The L2 term and Muon apply to these.
        """

    @abstractmethod
    def set_compute_dtype(self, dtype: torch.dtype) -> Self:
        """Choose the precision of matrix multiplies, and cast their weights."""
