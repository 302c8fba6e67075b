"""2×2 SAME pooling, stride 2: maximum, average, and the seed report's mean of the two.

Shapes: x [n, c, h, w] → [n, c, ⌈h/2⌉, ⌈w/2⌉], any float dtype, best in channels-last memory.
"""

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.config import PoolKind


def pool(x: Tensor, kind: PoolKind) -> Tensor:
    """Pool windows of 2×2 pixels; at odd sizes the last row and column have windows of their own.

    SAME as TensorFlow pads it for stride 2: nothing at even sizes, one row or column
    at the bottom and right at odd ones, which neither the maximum nor the average counts.
    """
    if kind == "max":
        return F.max_pool2d(x, 2, ceil_mode=True)
    average = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
    if kind == "average":
        return average
    return (F.max_pool2d(x, 2, ceil_mode=True) + average) / 2
