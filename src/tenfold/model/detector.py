"""The detectors of digits and of cells: small fully convolutional networks without anchors.

They look at grey levels, after CenterNet (Zhou, Wang & Krähenbühl 2019, "Objects as points"). Where
digits are found, each cell of the output has an objectness logit, logits of the classes, a box, and
a logit that the digit is printed, not handwritten. Where the cells of tables are found, it has an
objectness logit, and the four corners of the table's cell (after Long et al. 2021, "Parsing table
structures in the wild").

Legend of shapes: n pictures, h × w pixels. The output has h/4 × w/2 cells for digits, h/4 × w/4
for cells of tables.
"""

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.detector_config import (
    BLOCK_PX,
    CONTRAST_FLOOR,
    CONTRAST_SCALE,
    WINDOW_BLOCKS,
    DetectorConfig,
)
from tenfold.model.trainable import TrainableNetwork

OUTPUTS = 1 + len(DETECTED_CLASSES) + 4 + 1  # objectness, classes, box, printed
CELL_OUTPUTS = 1 + 8  # objectness, x and y of four corners, clockwise from top left
OBJECTNESS, CLASS_LOGITS, BOX = slice(0, 1), slice(1, OUTPUTS - 5), slice(OUTPUTS - 5, OUTPUTS - 1)
PRINTED = OUTPUTS - 1

INITIAL_OBJECTNESS = -4.0


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
        size: int = 3,
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
        relu: bool = True,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(
                inputs,
                outputs,
                size,
                stride,
                padding=dilation * (size // 2),
                dilation=dilation,
                bias=False,
            ),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut around them (He et al. 2016)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = Convolution(channels, channels, dilation=dilation)
        self.second = Convolution(channels, channels, relu=False)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Map [n, c, h, w] to the same shape."""
        return F.relu(x_nchw + self.second(self.first(x_nchw)))


class DetectorNetwork(TrainableNetwork):
    """Finds digits and the marks between them, or the cells of tables.

    Stride 4 down and 2 across is kept for the output of digits, so that two narrow ones side by
    side lie in different cells. A body at half of the output's size sees the surroundings.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.stem
        digits = config.finds == "digits"
        outputs = OUTPUTS if digits else CELL_OUTPUTS
        self.stem = nn.Sequential(
            Convolution(2, first, size=5, stride=(2, 2)),
            Convolution(first, second, stride=(2, 1 if digits else 2)),
            Convolution(second, second),
        )
        self.down = Convolution(second, config.body, stride=(2, 2))
        self.body = nn.Sequential(*(ResidualBlock(config.body, d) for d in config.dilations))
        self.up = Convolution(config.body, config.head, size=1, relu=False)
        self.skip = Convolution(second, config.head, size=1, relu=False)
        self.head = Convolution(config.head, config.head)
        self.output = nn.Conv2d(config.head, outputs, 1)

    def forward(self, pixels_nhw: Tensor) -> Tensor:
        """Map grey levels [n, h, w] in 0 … 255 to [n, 20, h/4, w/2], or [n, 9, h/4, w/4].

        h and w are multiples of 8.
        """
        x = local_contrast(pixels_nhw.float()).to(memory_format=torch.channels_last)
        fine = self.stem(x.to(self.compute_dtype))
        coarse = self.up(self.body(self.down(fine)))
        x = F.relu(F.interpolate(coarse, scale_factor=2.0, mode="nearest") + self.skip(fine))
        outputs: Tensor = self.output(self.head(x).to(self.output.weight.dtype))
        return outputs

    def set_compute_dtype(self, dtype: torch.dtype) -> Self:
        """Choose the precision of convolutions; batch norm and the output stay float32."""
        self.compute_dtype = dtype
        for layer in self._hidden_layers():
            layer.to(dtype)
        return self

    def hidden_weights(self) -> Iterator[Tensor]:
        """Yield the filters of all layers but the output."""
        return (layer.weight for layer in self._hidden_layers())

    def _hidden_layers(self) -> Iterator[nn.Conv2d]:
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.output:
                yield module

    def initialise(self, generator: torch.Generator) -> Self:
        """Draw the weights on the CPU, so that they are the same whatever device trains them."""
        for layer in (*self._hidden_layers(), self.output):
            weight = torch.empty(layer.weight.shape)
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            with torch.no_grad():
                layer.weight.copy_(weight)
        with torch.no_grad():
            self.output.weight.mul_(0.1)  # no class is preferred at the start
            bias = torch.zeros(self.output.out_channels)
            bias[OBJECTNESS] = INITIAL_OBJECTNESS
            if self.output.bias is not None:
                self.output.bias.copy_(bias)
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
