"""The digit network: convolution blocks with SAME pooling, then fully connected layers.

Legend of shapes: n images, h × w pixels, c channels, k classes.
"""

from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.data.mnist import CLASSES, SIDE
from tenfold.model.config import NetworkConfig
from tenfold.model.kernels.functional import (
    batch_norm_relu_pool,
    convolve_relu_pool,
    relu_pool,
)
from tenfold.model.trainable import TrainableNetwork


class Dropout(nn.Module):
    """Dropout with one random byte a unit: `rate` is met to within 1/512, at a tenth of the cost.

    A Bernoulli draw for each unit took 12 % of a training step on a CPU.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.threshold = min(round(rate * 256), 255)

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share of `x` [n, units] and scale up the rest, in training; else return it."""
        if not self.training or self.threshold == 0:
            return x
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        low = torch.iinfo(torch.int64).min
        random = words.random_(low, None).view(torch.uint8)[: x.numel()].view(x.shape)
        scale = 256 / (256 - self.threshold)
        return x * (random >= self.threshold).to(x.dtype).mul_(scale)


class ConvolutionBlock(nn.Module):
    """3×3 SAME convolution → (batch norm) → ReLU → 2×2 SAME pooling."""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        normed = config.normalisation == "batch"
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not normed)
        self.norm = nn.BatchNorm2d(outputs) if normed else None
        self.pooling = config.pooling

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, ⌈h/2⌉, ⌈w/2⌉]."""
        x_nchw = self.convolution(x_nchw)
        if self.norm is None:
            return relu_pool(x_nchw, self.pooling)
        return batch_norm_relu_pool(x_nchw, self.norm, self.pooling)

    def read(self, pixels_nhw: Tensor, dtype: torch.dtype) -> Tensor:
        """Map float32 pixels [n, h, w] to [n, outputs, ⌈h/2⌉, ⌈w/2⌉] of `dtype`.

        For a block of one input channel; its filters are always float32.
        """
        return convolve_relu_pool(pixels_nhw, self.convolution, self.norm, self.pooling, dtype)


class DenseBlock(nn.Module):
    """Fully connected → (batch norm) → leaky ReLU → dropout."""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        normed = config.normalisation == "batch"
        self.linear = nn.Linear(inputs, outputs, bias=not normed)
        self.norm = nn.BatchNorm1d(outputs) if normed else None
        self.slope = config.fully_connected_slope
        self.dropout = Dropout(config.dropout)

    def forward(self, x_nu: Tensor) -> Tensor:
        """Map [n, inputs] to [n, outputs]."""
        x_nu = self.linear(x_nu)
        if self.norm is not None:
            x_nu = self.norm(x_nu)
        x_nu = F.leaky_relu(x_nu, self.slope)
        dropped: Tensor = self.dropout(x_nu)
        return dropped


class DigitNetwork(TrainableNetwork):
    """A classifier of 28×28 digits, from pixels in [0, 1] to logits.

    conv3×3(c₁) → pool → … → fully connected → output 10 (seed report, section "Network").
    The last layer computes in float32 even where others compute in bfloat16, in which a logit of 20
    is only good to 0.06.
    """

    output: nn.Linear

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(
            ConvolutionBlock(a, b, config) for a, b in pairwise((1, *config.widths))
        )
        side = SIDE
        for _ in config.widths:
            side = -(-side // 2)
        units = (side * side * config.widths[-1], *config.fully_connected)
        self.dense = nn.ModuleList(DenseBlock(a, b, config) for a, b in pairwise(units))
        self.output = nn.Linear(units[-1], CLASSES)

    def forward(self, pixels_nhw: Tensor) -> Tensor:
        """Map float pixels [n, 28, 28] in [0, 1] to logits [n, 10]."""
        x = (pixels_nhw - self.config.input_mean) / self.config.input_std
        x = self.first.read(x, self.compute_dtype)
        for block in self.blocks[1:]:
            x = block(x)
        x = x.permute(0, 2, 3, 1).flatten(1)  # a view: the memory is channels-last already
        for dense in self.dense:
            x = dense(x)
        logits: Tensor = self.output(x.to(self.output.weight.dtype))
        return logits

    @property
    def first(self) -> ConvolutionBlock:
        """The block that reads pixels."""
        block = self.blocks[0]
        assert isinstance(block, ConvolutionBlock)  # noqa: S101 - narrows ModuleList's item type
        return block

    def set_compute_dtype(self, dtype: torch.dtype) -> Self:
        """Choose the precision as every network does; the first filters stay float32, too."""
        self.compute_dtype = dtype
        for layer in self._hidden_layers():
            if layer is not self.first.convolution:
                layer.to(dtype)
        return self

    def initialise(self, generator: torch.Generator) -> Self:
        """Draw the weights on the CPU, so that they are the same whatever device trains them."""
        config = self.config
        for layer in (*self._hidden_layers(), self.output):
            weight = torch.empty(layer.weight.shape)
            if config.initialisation == "he":
                nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            else:
                std = config.initial_std
                nn.init.trunc_normal_(weight, 0, std, -2 * std, 2 * std, generator=generator)
            with torch.no_grad():
                layer.weight.copy_(weight)
                if layer.bias is not None:
                    layer.bias.fill_(config.initial_bias)
        return self
