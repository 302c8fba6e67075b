"""The detector's objective: focal loss of objectness, cross-entropies of classes, L1 of boxes.

Labels are float32[n, k, 6], rows of class, centre x, centre y, width, height in pixels, and 1
for print, 0 for handwriting; rows without an object have class -1.

Legend: n pictures, k objects at most, h × w cells.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.detector import BOX, CLASS_LOGITS, OBJECTNESS, PRINTED
from tenfold.model.detector_config import BOX_UNIT_PX, CELL_HEIGHT_PX, CELL_WIDTH_PX

LABEL_SMOOTHING = 0.02
BOX_WEIGHT = 0.5
PRINTED_WEIGHT = 0.3
# The class and the box of an object are learned in its cell and in both horizontal neighbours.
NEIGHBOURS = ((0, 1.0), (-1, 0.4), (1, 0.4))
# A peak's standard deviation: a share of the object's side, and at least so many cells.
PEAK_SHARE = 1 / 7
MIN_PEAK_CELLS = (0.6, 0.5)
MIN_BOX_PX = 2.0


class Targets(NamedTuple):
    """Where objects are, in cells.

    Attributes:
        heat: float32[n, h, w], 1 at an object's cell, a Gaussian around it.
        picture, column, row: int64[m], the cell of each of m objects.
        labels: float32[m, 6].
        centre: float32[m, 2], x and y in cells; cell 0 has its centre at 0.
    """

    heat: Tensor
    picture: Tensor
    column: Tensor
    row: Tensor
    labels: Tensor
    centre: Tensor


def targets(labels_nk6: Tensor, h: int, w: int) -> Targets:
    """Return what a network with h × w cells should say."""
    present = labels_nk6[..., 0] >= 0
    x = labels_nk6[..., 1] / CELL_WIDTH_PX - 0.5
    y = labels_nk6[..., 2] / CELL_HEIGHT_PX - 0.5
    column, row = x.round().clamp(0, w - 1), y.round().clamp(0, h - 1)
    across = labels_nk6[..., 3] / CELL_WIDTH_PX * PEAK_SHARE
    down = labels_nk6[..., 4] / CELL_HEIGHT_PX * PEAK_SHARE
    heat_x = _gaussian(column, across.clamp_min(MIN_PEAK_CELLS[0]), w)
    heat_y = _gaussian(row, down.clamp_min(MIN_PEAK_CELLS[1]), h) * present[..., None]
    heat = labels_nk6.new_zeros(len(labels_nk6), h, w)
    for peak_x, peak_y in zip(heat_x.unbind(1), heat_y.unbind(1), strict=True):
        torch.maximum(heat, peak_y[:, :, None] * peak_x[:, None, :], out=heat)
    picture, index = present.nonzero(as_tuple=True)
    at = (picture, index)
    return Targets(
        heat,
        picture,
        column[at].long(),
        row[at].long(),
        labels_nk6[at],
        torch.stack([x[at], y[at]], dim=1),
    )


def _gaussian(centre_nk: Tensor, deviation_nk: Tensor, length: int) -> Tensor:
    """Return a normal curve around each centre, 1 at its top: float32[n, k, length]."""
    distance = torch.arange(length, device=centre_nk.device) - centre_nk[..., None]
    return torch.exp(-0.5 * (distance / deviation_nk[..., None]).square())


def detection_loss(outputs: Tensor, labels_nk6: Tensor) -> Tensor:
    """Return the loss of a batch, times the number of its pictures.

    Each part is a mean over the batch's objects, so that pictures with many objects weigh more.

    Args:
        outputs: float32[n, 20, h, w], as `DetectorNetwork` returns them.
        labels_nk6: float32[n, k, 6], see above.
    """
    outputs = outputs.float()
    n, _, h, w = outputs.shape
    wanted = targets(labels_nk6, h, w)
    objects = max(len(wanted.picture), 1)
    loss = focal_loss(outputs[:, OBJECTNESS].squeeze(1), wanted.heat) / objects
    total = sum(weight for _, weight in NEIGHBOURS) * objects
    for offset, weight in NEIGHBOURS:
        column = (wanted.column + offset).clamp(0, w - 1)
        found = outputs[wanted.picture, :, wanted.row, column]
        classes = F.cross_entropy(
            found[:, CLASS_LOGITS],
            wanted.labels[:, 0].long(),
            label_smoothing=LABEL_SMOOTHING,
            reduction="sum",
        )
        sides = (wanted.labels[:, 3:5].clamp_min(MIN_BOX_PX) / BOX_UNIT_PX).log()
        shift = wanted.centre - torch.stack([column, wanted.row], dim=1)
        boxes = F.l1_loss(found[:, BOX], torch.cat([sides, shift], dim=1), reduction="sum")
        printed = F.binary_cross_entropy_with_logits(
            found[:, PRINTED], wanted.labels[:, 5], reduction="sum"
        )
        parts = classes + BOX_WEIGHT * boxes / 4 + PRINTED_WEIGHT * printed
        loss = loss + weight * parts / total
    return loss * n


def focal_loss(logits_nhw: Tensor, heat_nhw: Tensor) -> Tensor:
    """Return CenterNet's focal loss, summed: exponents 2 and, near peaks, 4."""
    p = torch.sigmoid(logits_nhw)
    at_peaks = (1 - p).square() * F.logsigmoid(logits_nhw)
    elsewhere = (1 - heat_nhw).pow(4) * p.square() * F.logsigmoid(-logits_nhw)
    return -torch.where(heat_nhw == 1, at_peaks, elsewhere).sum()
