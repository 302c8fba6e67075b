"""The second stage of the digit detector: a network that judges each detection by its crop.

The detector sees a picture at one quarter of its height. The RoI head (Girshick 2015, "Fast R-CNN")
sees each detection at its own size, and its surroundings, and says which character it is, or none.

What it sees of m candidates is float32[m, 2·c·c + 18], which an ONNX graph computes
(`tenfold.bundle.roi_graph.build_candidate_graph`). A row has two crops of c × c pixels, grey levels
in 0 … 255: the detection, and its surroundings. Then come features: logarithms of the detector's
probabilities of each character and of none, width and height as shares of the longer side, and the
logarithm of that side.
"""

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.model.detector import Convolution, ResidualBlock
from tenfold.model.detector_config import CONTRAST_FLOOR, CONTRAST_SCALE
from tenfold.model.roi_head_config import (
    CROP_SCALES,
    FEATURES,
    LABEL_SMOOTHING,
    LEAST_PROBABILITY,
    RoiHeadConfig,
)
from tenfold.model.trainable import TrainableNetwork

ROI_CLASSES = len(DETECTED_CLASSES) + 1  # the last one: no character
NO_CHARACTER = ROI_CLASSES - 1


class RoiHead(TrainableNetwork):
    """Judges candidates."""

    def __init__(self, config: RoiHeadConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inputs, size = 2 * len(CROP_SCALES), 5
        for filters in config.filters:
            layers += [Convolution(inputs, filters, size=size, stride=(2, 2))]
            layers += [ResidualBlock(filters, 1)]
            inputs, size = filters, 3
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        side = config.crop_px // 2 ** len(config.filters)
        self.output = nn.Linear(inputs * side * side + FEATURES, ROI_CLASSES)

    def forward(self, candidates: Tensor) -> Tensor:
        """Map candidates [m, 2·c·c + 18] to logits [m, 15], of the characters and of none."""
        side = self.config.crop_px
        crops = candidates[:, :-FEATURES].reshape(-1, len(CROP_SCALES), side, side)
        x = crop_contrast(crops).to(memory_format=torch.channels_last)
        x = self.body(x.to(self.compute_dtype)).contiguous().flatten(1).float()
        x = torch.cat([self.dropout(x), candidates[:, -FEATURES:]], dim=1)
        logits: Tensor = self.output(x)
        return logits

    def hidden_weights(self) -> Iterator[Tensor]:
        """Yield the filters of all layers but the output."""
        return (layer.weight for layer in self.body.modules() if isinstance(layer, nn.Conv2d))

    def set_compute_dtype(self, dtype: torch.dtype) -> Self:
        """Choose the precision of convolutions; batch norm and the output stay float32."""
        self.compute_dtype = dtype
        for layer in self.body.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(dtype)
        return self

    def initialise(self, generator: torch.Generator) -> Self:
        """Draw the weights on the CPU; at first the detector's opinion is the head's."""
        for weight in self.hidden_weights():
            drawn = torch.empty(weight.shape)
            nn.init.kaiming_normal_(drawn, nonlinearity="relu", generator=generator)
            with torch.no_grad():
                weight.copy_(drawn)
        with torch.no_grad():
            self.output.weight.zero_()
            self.output.bias.zero_()
            self.output.weight[:, -FEATURES : -FEATURES + ROI_CLASSES].copy_(torch.eye(ROI_CLASSES))
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def probabilities(logits: Tensor) -> Tensor:
    """Return calibrated probabilities [m, 15] of the characters and of none.

    A network that learns from smoothed labels says (1 - s) · p + s / 15 (Szegedy et al. 2016,
    "Rethinking the Inception architecture"): p is what was meant.
    """
    p = (logits.softmax(1) - LABEL_SMOOTHING / ROI_CLASSES) / (1 - LABEL_SMOOTHING)
    p = p.clamp_min(LEAST_PROBABILITY)
    return p / p.sum(1, keepdim=True)


def crop_contrast(crops: Tensor) -> Tensor:
    """Map grey levels [m, 2, c, c] in 0 … 255 to differences from each crop's mean [m, 4, c, c].

    The first two channels are in units of the crop's standard deviation, the others are absolute.
    """
    x = crops / 255
    difference = x - x.mean((2, 3), keepdim=True)
    deviation = difference.square().mean((2, 3), keepdim=True).sqrt() + CONTRAST_FLOOR
    return torch.cat([difference / deviation, difference * CONTRAST_SCALE], dim=1)
