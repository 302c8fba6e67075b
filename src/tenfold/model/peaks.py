"""Peaks of a detector's output: what its ONNX graph computes too."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.detector import BOX, CLASS_LOGITS, OBJECTNESS, PRINTED
from tenfold.model.detector_config import (
    BOX_UNIT_PX,
    CELL_HEIGHT_PX,
    CELL_WIDTH_PX,
    CORNER_UNIT_PX,
    STRIDE_PX,
)


class Peaks(NamedTuple):
    """The cells of one picture whose objectness is the highest among their neighbours.

    Attributes:
        objectness: float32[k] in [0, 1], highest first.
        classes: float32[k, 14], probabilities.
        boxes: float32[k, 4]: centre x, centre y, width, height in pixels.
        printed: float32[k], probability that it is printed, not handwritten.
    """

    objectness: Tensor
    classes: Tensor
    boxes: Tensor
    printed: Tensor


class CellPeaks(NamedTuple):
    """The same of a detector of the cells of tables.

    Attributes:
        objectness: float32[k] in [0, 1], highest first.
        corners: float32[k, 4, 2]: x and y in pixels, clockwise from top left.
    """

    objectness: Tensor
    corners: Tensor


def peaks(output_chw: Tensor, count: int) -> Peaks:
    """Return the `count` highest peaks of one picture's output [20, h, w]; fewer if it is small."""
    objectness, column, row, found = _highest(output_chw, count)
    log_w, log_h, shift_x, shift_y = found[:, BOX].unbind(1)
    boxes = [
        (column + shift_x + 0.5) * CELL_WIDTH_PX,
        (row + shift_y + 0.5) * CELL_HEIGHT_PX,
        log_w.exp() * BOX_UNIT_PX,
        log_h.exp() * BOX_UNIT_PX,
    ]
    classes, printed = found[:, CLASS_LOGITS].softmax(1), found[:, PRINTED].sigmoid()
    return Peaks(objectness, classes, torch.stack(boxes, dim=1), printed)


def cell_peaks(output_chw: Tensor, count: int) -> CellPeaks:
    """Return the `count` highest peaks of one picture's output [9, h, w]; fewer if it is small."""
    objectness, column, row, found = _highest(output_chw, count)
    middle = (torch.stack([column, row], dim=1) + 0.5) * STRIDE_PX
    corners = found[:, 1:].reshape(-1, 4, 2) * CORNER_UNIT_PX + middle[:, None]
    return CellPeaks(objectness, corners)


def _highest(output_chw: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return objectness, column, row and outputs [k, c] of the highest peaks."""
    logits = output_chw[OBJECTNESS]
    highest = F.max_pool2d(logits[None], 3, 1, 1)[0]
    score = torch.where(logits == highest, logits.sigmoid(), 0.0).flatten()
    objectness, index = score.topk(min(count, len(score)))
    width = output_chw.shape[2]
    return objectness, index % width, index // width, output_chw.flatten(1)[:, index].T
