"""The detectors of digits and of cells: small fully convolutional networks without anchors.

They look at grey levels, after CenterNet (Zhou, Wang & Krähenbühl 2019, "Objects as points"). Where
digits are found, each cell of the output has an objectness logit, logits of the classes, a box, and
a logit that the digit is printed, not handwritten. Where the cells of tables are found, it has an
objectness logit, and the four corners of the table's cell (after Long et al. 2021, "Parsing table
structures in the wild").

Legend of shapes: n pictures, h × w pixels. The output has h/4 × w/2 cells for digits, h/4 × w/4
for cells of tables.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.layers import (
    Convolution,
    ConvolutionalNetwork,
    ResidualBlock,
    local_contrast,
)

OUTPUTS = 1 + len(DETECTED_CLASSES) + 4 + 1  # objectness, classes, box, printed
CELL_OUTPUTS = 1 + 8  # objectness, x and y of four corners, clockwise from top left
OBJECTNESS, CLASS_LOGITS, BOX = slice(0, 1), slice(1, OUTPUTS - 5), slice(OUTPUTS - 5, OUTPUTS - 1)
PRINTED = OUTPUTS - 1

INITIAL_OBJECTNESS = -4.0


class DetectorNetwork(ConvolutionalNetwork):
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
            Convolution(2, first, size=(5, 5), stride=(2, 2)),
            Convolution(first, second, stride=(2, 1 if digits else 2)),
            Convolution(second, second),
        )
        self.down = Convolution(second, config.body, stride=(2, 2))
        self.body = nn.Sequential(
            *(ResidualBlock(config.body, dilations=(d, 1)) for d in config.dilations)
        )
        self.up = Convolution(config.body, config.head, size=(1, 1), relu=False)
        self.skip = Convolution(second, config.head, size=(1, 1), relu=False)
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

    def initialise(self, generator: torch.Generator) -> Self:
        """Draw the weights; at the start no object is probable."""
        super().initialise(generator)
        with torch.no_grad():
            if self.output.bias is not None:
                self.output.bias[OBJECTNESS] = INITIAL_OBJECTNESS
        return self
