"""What the training engine asks of a network."""

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn


class TrainableNetwork(nn.Module):
    """A network that gives access to its hidden layers and can compute in bfloat16.

    Its last layer is `output`; all other convolutions and fully connected layers are hidden.
    """

    compute_dtype: torch.dtype = torch.float32
    output: nn.Conv2d | nn.Linear

    def hidden_weights(self) -> Iterator[Tensor]:
        """Yield filters and matrices of all layers but the output.

        The L2 term and Muon apply to these.
        """
        return (layer.weight for layer in self._hidden_layers())

    def set_compute_dtype(self, dtype: torch.dtype) -> Self:
        """Choose the precision of matrix multiplies, and cast their weights.

        Normalisation and the output stay float32: they cost little.
        """
        self.compute_dtype = dtype
        for layer in self._hidden_layers():
            layer.to(dtype)
        return self

    def _hidden_layers(self) -> Iterator[nn.Conv2d | nn.Linear]:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module is not self.output:
                yield module
