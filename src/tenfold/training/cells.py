"""Cells of grids and tables as objects that a detector learns.

Labels are float32[n, 10, h, w], h × w the network's output: how near a place is to the middle of a
cell (1 there, a Gaussian around it), whether its corners are learned there, and the corners'
positions relative to the place.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.arrays import Floats
from tenfold.evaluation.tables import match_cells
from tenfold.model.detector_config import CORNER_UNIT_PX, STRIDE_PX
from tenfold.model.peaks import cell_peaks
from tenfold.reading.lattice import shorter_sides
from tenfold.rendering.tables import TablePicture, TableRenderer
from tenfold.training.detection_loss import focal_loss
from tenfold.training.detector import ObjectKind

# A peak's standard deviation: a share of the cell's shorter side, and at least so many places.
PEAK_SHARE, MIN_PEAK = 1 / 8, 0.6
# Corners are learned within this share of the shorter side around the middle.
CORNER_SHARE = 0.25
CORNER_WEIGHT = 2.0
MAX_PEAKS = 1024
MIN_OBJECTNESS = 0.4


def stack_tables(pictures: Sequence[TablePicture]) -> tuple[Tensor, Tensor]:
    """Return pixels uint8[n, h, w] and labels float32[n, 10, h/4, w/4]."""
    labels = [cell_targets(picture.cells, picture.pixels.shape) for picture in pictures]
    pixels = np.stack([picture.pixels for picture in pictures])
    return torch.from_numpy(pixels), torch.from_numpy(np.stack(labels))


def cell_targets(cells: Floats, shape: tuple[int, ...]) -> Floats:
    """Return what a network should say of a picture of `shape` with cells float32[n, 4, 2]."""
    h, w = shape[0] // STRIDE_PX, shape[1] // STRIDE_PX
    maps = np.zeros((10, h, w), np.float32)
    for corners, side in zip(cells, shorter_sides(cells).tolist(), strict=True):
        x, y = corners.mean(axis=0) / STRIDE_PX - 0.5
        column, row = min(max(round(x), 0), w - 1), min(max(round(y), 0), h - 1)
        deviation = max(MIN_PEAK, PEAK_SHARE * side / STRIDE_PX)
        reach = round(3 * deviation)
        rows = slice(max(0, row - reach), row + reach + 1)
        columns = slice(max(0, column - reach), column + reach + 1)
        place_y, place_x = np.mgrid[
            rows.start : min(rows.stop, h), columns.start : min(columns.stop, w)
        ]
        distance = (place_x - column) ** 2 + (place_y - row) ** 2
        heat = np.exp(-0.5 * distance / deviation**2).astype(np.float32)
        nearer = heat > maps[0, rows, columns]
        learned = nearer & (distance <= max(1.0, CORNER_SHARE * side / STRIDE_PX) ** 2)
        maps[0, rows, columns][nearer] = heat[nearer]
        maps[1, rows, columns][learned] = 1
        places = np.stack([place_x, place_y]) * STRIDE_PX + STRIDE_PX / 2
        shifts = (corners.reshape(4, 2, 1, 1) - places) / CORNER_UNIT_PX
        maps[2:, rows, columns][:, learned] = shifts.reshape(8, *distance.shape)[:, learned]
    return maps


def cell_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of a batch, times the number of its pictures.

    Corners count relative to their mean distance from the middle of the cell.
    """
    outputs = outputs.float()
    heat, learned, corners = labels[:, 0], labels[:, 1], labels[:, 2:]
    count = (heat == 1).sum().clamp_min(1)
    size = corners.abs().mean(1).clamp_min(0.1)
    distance = (outputs[:, 1:] - corners).abs().mean(1) / size
    boxes = (distance * learned).sum() / learned.sum().clamp_min(1)
    return (focal_loss(outputs[:, 0], heat) / count + CORNER_WEIGHT * boxes) * len(outputs)


def match(output_chw: Tensor, picture: TablePicture) -> tuple[int, int]:
    """Return how many cells of a picture were found, and what else was."""
    objectness, corners = (part.numpy() for part in cell_peaks(output_chw, MAX_PEAKS))
    return match_cells(corners[objectness >= MIN_OBJECTNESS], picture.cells)


CELLS = ObjectKind(
    seed_name="tables",
    renderer=TableRenderer,
    stack=stack_tables,
    loss=cell_loss,
    count=lambda picture: len(picture.cells),
    match=match,
    measuring_batch=25,
)
