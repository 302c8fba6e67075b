"""Layers of the networks that look at grey levels: detectors, line recogniser, crop classifier.

Legend of shapes: n pictures, c channels, h × w pixels.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.detector_config import BLOCK_PX, CONTRAST_FLOOR, CONTRAST_SCALE, WINDOW_BLOCKS
from tenfold.model.trainable import TrainableNetwork


def local_contrast(pixels_nhw: Tensor) -> Tensor:
    """Map grey levels float32[n, h, w] in 0 … 255 to two channels [n, 2, h, w].

    Both are differences from the local mean. The first is in units of the local standard
    deviation, so that shadows and faint strokes make little difference. The second is absolute,
    so that noise on an empty page stays small.
    """
    x = pixels_nhw[:, None] / 255
    size = x.shape[2:]
    mean, square = (
        F.avg_pool2d(
            F.avg_pool2d(value, BLOCK_PX),
            WINDOW_BLOCKS,
            1,
            WINDOW_BLOCKS // 2,
            count_include_pad=False,
        )
        for value in (x, x * x)
    )
    deviation = (square - mean * mean).clamp_min(0).sqrt() + CONTRAST_FLOOR
    mean, deviation = (
        F.interpolate(value, size, mode="bilinear", align_corners=False)
        for value in (mean, deviation)
    )
    difference = x - mean
    return torch.cat([difference / deviation, difference * CONTRAST_SCALE], dim=1)


class Convolution(nn.Sequential):
    """Convolution that keeps the size but for its stride → batch norm → ReLU."""

    def __init__(  # noqa: PLR0913 - a convolution
        self,
        inputs: int,
        outputs: int,
        *,
        size: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
        relu: bool = True,
    ) -> None:
        h, w = size
        layers: list[nn.Module] = [
            nn.Conv2d(
                inputs,
                outputs,
                size,
                stride,
                padding=(dilation * (h // 2), dilation * (w // 2)),
                dilation=dilation,
                bias=False,
            ),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut around them (He et al. 2016)."""

    def __init__(
        self,
        channels: int,
        size: tuple[int, int] = (3, 3),
        dilations: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        first, second = dilations
        self.first = Convolution(channels, channels, size=size, dilation=first)
        self.second = Convolution(channels, channels, size=size, dilation=second, relu=False)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Map [n, c, h, w] to the same shape."""
        return F.relu(x_nchw + self.second(self.first(x_nchw)))


class ConvolutionalNetwork(TrainableNetwork):
    """A network of convolutions."""

    def initialise(self, generator: torch.Generator) -> Self:
        """Draw the weights on the CPU, so that they are the same whatever device trains them."""
        for layer in (*self._hidden_layers(), self.output):
            weight = torch.empty(layer.weight.shape)
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            with torch.no_grad():
                layer.weight.copy_(weight)
        with torch.no_grad():
            self.output.weight.mul_(0.1)  # no class is preferred at the start
            if self.output.bias is not None:
                self.output.bias.zero_()
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
