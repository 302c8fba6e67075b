"""The task of a recipe whose detector finds the cells of grids and tables.

Labels are float32[n, 10, h, w], h × w the network's output: how near a place is to the middle of a
cell (1 there, a Gaussian around it), whether its corners are learned there, and the corners'
positions relative to the place.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tenfold.artifacts.training import DetectionRecord
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.evaluation.tables import match_cells
from tenfold.model.detector import DetectorNetwork
from tenfold.model.detector_config import CORNER_UNIT_PX, STRIDE_PX, DetectorConfig
from tenfold.model.peaks import cell_peaks
from tenfold.model.trainable import TrainableNetwork
from tenfold.reading.lattice import shorter_sides
from tenfold.rendering.tables import TablePicture, TableRenderer
from tenfold.training.detection_loss import focal_loss
from tenfold.training.recipe import Recipe
from tenfold.training.rendered_batches import RenderedBatches
from tenfold.training.task import Measurement, Task

Floats = npt.NDArray[np.float32]

# A peak's standard deviation: a share of the cell's shorter side, and at least so many places.
PEAK_SHARE, MIN_PEAK = 1 / 8, 0.6
# Corners are learned within this share of the shorter side around the middle.
CORNER_SHARE = 0.25
CORNER_WEIGHT = 2.0
MEASURING_BATCH = 25
MAX_PEAKS = 1024
MIN_OBJECTNESS = 0.4


def cell_task(
    recipe: Recipe,
    member: int,
    training: Digits,
    monitored: Digits,
    device: torch.device | str = "cpu",
) -> Task:
    """Return what a detector of cells is trained on; see `detection_task`."""
    device = torch.device(device)
    seed = derive_seed(recipe.seed, "member", member)
    weights = torch.Generator().manual_seed(derive_seed(seed, "weights"))
    renderer = TableRenderer(training, derive_seed(seed, "tables"))
    held_out = TableRenderer(monitored, derive_seed("validation"))
    pictures = [held_out.render(index) for index in range(recipe.fields.evaluation)]
    return Task(
        network=DetectorNetwork(recipe.detector or DetectorConfig()).initialise(weights).to(device),
        batches=RenderedBatches(
            renderer.render, stack_tables, recipe.schedule.images_before, device
        ),
        loss=cell_loss,
        seed=seed,
        measure=partial(measure, pictures=pictures),
        record=DetectionRecord,
    )


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


def measure(network: TrainableNetwork, pictures: list[TablePicture]) -> Measurement:
    """Measure loss, and how many cells and whole pictures are found without a mistake."""
    device = next(network.parameters()).device
    loss, found, exact, false = 0.0, 0, 0, 0
    with torch.inference_mode():
        for start in range(0, len(pictures), MEASURING_BATCH):
            chunk = pictures[start : start + MEASURING_BATCH]
            pixels, labels = (part.to(device) for part in stack_tables(chunk))
            outputs = network(pixels)
            loss += float(cell_loss(outputs, labels))
            for output, picture in zip(outputs.float().cpu(), chunk, strict=True):
                objectness, corners = (part.numpy() for part in cell_peaks(output, MAX_PEAKS))
                hits, extra = match_cells(corners[objectness >= MIN_OBJECTNESS], picture.cells)
                found += hits
                false += extra
                exact += hits == len(picture.cells) and not extra
    cells = sum(len(picture.cells) for picture in pictures)
    metrics = {
        "loss": loss / len(pictures),
        "recall": found / max(cells, 1),
        "false_per_field": false / len(pictures),
        "exact": exact / len(pictures),
    }
    return Measurement(metrics)
