"""Peaks of a detector's output: what the ONNX graph computes too."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.detector import BOX, CLASS_LOGITS, OBJECTNESS
from tenfold.model.detector_config import BOX_UNIT_PX, CELL_HEIGHT_PX, CELL_WIDTH_PX


class Peaks(NamedTuple):
    """The cells of one picture whose objectness is the highest among their neighbours.

    Attributes:
        objectness: float32[k] in [0, 1], highest first.
        classes: float32[k, 14], probabilities.
        boxes: float32[k, 4]: centre x, centre y, width, height in pixels.
    """

    objectness: Tensor
    classes: Tensor
    boxes: Tensor


def peaks(output_chw: Tensor, count: int) -> Peaks:
    """Return the `count` highest peaks of one picture's output [19, h, w]; fewer if it is small."""
    logits = output_chw[OBJECTNESS]
    highest = F.max_pool2d(logits[None], 3, 1, 1)[0]
    score = torch.where(logits == highest, logits.sigmoid(), 0.0).flatten()
    objectness, index = score.topk(min(count, len(score)))
    width = output_chw.shape[2]
    found = output_chw.flatten(1)[:, index].T
    log_w, log_h, shift_x, shift_y = found[:, BOX].unbind(1)
    column, row = index % width, index // width
    boxes = [
        (column + shift_x + 0.5) * CELL_WIDTH_PX,
        (row + shift_y + 0.5) * CELL_HEIGHT_PX,
        log_w.exp() * BOX_UNIT_PX,
        log_h.exp() * BOX_UNIT_PX,
    ]
    return Peaks(objectness, found[:, CLASS_LOGITS].softmax(1), torch.stack(boxes, dim=1))
