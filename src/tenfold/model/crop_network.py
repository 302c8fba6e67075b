"""The crop classifier: it judges a digit that was found, with what stands around it.

The classifier of single digits sees a digit alone, cut out of its surroundings. This network sees
the grey levels of the picture, as the detector does, but larger: so it can tell a neighbour's
stroke, a rule or a shadow from the digit's own strokes.
"""

import torch
from torch import Tensor, nn

from tenfold.model.crop_config import CROP_CLASSES, CROP_PX, CropConfig
from tenfold.model.layers import Convolution, ConvolutionalNetwork, ResidualBlock, local_contrast


class CropNetwork(ConvolutionalNetwork):
    """Tells which digit is in the middle of a crop, or that there is none."""

    def __init__(self, config: CropConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels, size = 2, (5, 5)
        for filters, blocks in zip(config.filters, config.blocks, strict=True):
            layers.append(Convolution(channels, filters, size=size, stride=(2, 2)))
            layers += [ResidualBlock(filters) for _ in range(blocks)]
            channels, size = filters, (3, 3)
        self.body = nn.Sequential(*layers)
        self.output = nn.Conv2d(channels, CROP_CLASSES, CROP_PX // 8)

    def forward(self, pixels_nhw: Tensor) -> Tensor:
        """Map grey levels [n, 32, 32] in 0 … 255 to logits [n, 11]."""
        x = local_contrast(pixels_nhw.float()).to(memory_format=torch.channels_last)
        x = self.body(x.to(self.compute_dtype))
        logits: Tensor = self.output(x.to(self.output.weight.dtype)).flatten(1)
        return logits
