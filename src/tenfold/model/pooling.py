"""2×2 SAME pooling, stride 2: the seed report's mixed pooling, its two halves, a learned mix.

Shapes: x [n, c, h, w] → [n, c, ⌈h/2⌉, ⌈w/2⌉], any float dtype, best in channels-last memory.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.config import PoolKind


def pool(x: Tensor, kind: PoolKind) -> Tensor:
    """Pool windows of 2×2 pixels; at odd sizes the last row and column stand alone.

    SAME as TensorFlow pads it for stride 2: nothing at even sizes, one row or column
    at the bottom and right at odd ones, which neither the maximum nor the average counts.
    """
    if kind == "max":
        return F.max_pool2d(x, 2, ceil_mode=True)
    average = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
    if kind == "average":
        return average
    return (F.max_pool2d(x, 2, ceil_mode=True) + average) / 2


class LearnedPool(nn.Module):
    """g·max + (1 - g)·average over 2×2 windows, SAME, with a learned g = sigmoid(a) a channel.

    "Mixed" pooling of Lee, Gallagher & Tu (2016), one share a channel; it starts at a half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to [n, c, ⌈h/2⌉, ⌈w/2⌉]."""
        most = self.gate.sigmoid().to(x.dtype).view(1, -1, 1, 1)
        return torch.lerp(pool(x, "average"), pool(x, "max"), most)


class MixedPool(nn.Module):
    """(max pooling + average pooling) / 2 over 2×2 windows, SAME (seed report, "Network")."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to [n, c, ⌈h/2⌉, ⌈w/2⌉]."""
        return pool(x, "mixed")
