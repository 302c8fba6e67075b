"""The line recogniser: it reads a number as a whole, without looking for its digits.

A convolutional network whose output is a sequence of character probabilities, trained with
connectionist temporal classification, CTC (Graves et al. 2006). So it learns how many digits there
are, also where they overlap.

Legend of shapes: n crops, w pixels wide; t = w / 2 steps.
"""

import torch
from torch import Tensor, nn

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.layers import Convolution, ConvolutionalNetwork, ResidualBlock, local_contrast
from tenfold.model.line_config import LINE_HEIGHT_PX, LineConfig

BLANK = 0  # the class of steps without a character; characters are counted from 1


class LineNetwork(ConvolutionalNetwork):
    """Reads the characters of a line from left to right."""

    def __init__(self, config: LineConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.stem
        self.stem = nn.Sequential(
            Convolution(2, first, size=(5, 5), stride=(2, 2)),
            Convolution(first, second, stride=(2, 1)),
            ResidualBlock(second),
            Convolution(second, third, stride=(2, 1)),
            ResidualBlock(third),
            ResidualBlock(third),
        )
        self.columns = Convolution(third * LINE_HEIGHT_PX // 8, config.line, size=(1, 1))
        self.line = nn.Sequential(
            *(ResidualBlock(config.line, (1, 5), (d, d)) for d in config.dilations)
        )
        self.output = nn.Conv2d(config.line, 1 + len(DETECTED_CLASSES), 1)

    def forward(self, pixels_nhw: Tensor) -> Tensor:
        """Map grey levels [n, 32, w] in 0 … 255 to logits [n, 15, t]; w is a multiple of 8."""
        x = local_contrast(pixels_nhw.float()).to(memory_format=torch.channels_last)
        x = self.stem(x.to(self.compute_dtype))
        x = x.flatten(1, 2)[:, :, None]  # all rows of a column become its channels
        x = self.line(self.columns(x))
        logits: Tensor = self.output(x.to(self.output.weight.dtype)).squeeze(2)
        return logits
