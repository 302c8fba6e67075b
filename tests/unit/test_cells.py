"""Training a detector of cells: what it should say, its loss, and what is measured."""

import numpy as np
import pytest
import torch

from tenfold.data.digits import Digits
from tenfold.evaluation.tables import match_cells
from tenfold.model.peaks import cell_peaks
from tenfold.reading.lattice import shorter_sides
from tenfold.rendering.tables import TableRenderer
from tenfold.training.cells import CELLS, cell_loss, cell_targets, stack_tables
from tenfold.training.recipe import load_recipe
from tenfold.training.trainer import Trainer


def perfect(labels: torch.Tensor) -> torch.Tensor:
    """Return outputs [n, 9, h, w] that say what the labels want."""
    at_peak = labels[:, :1] == 1
    objectness = torch.where(at_peak, 12.0, torch.where(labels[:, :1] > 0.5, 0.0, -12.0))
    return torch.cat([objectness, labels[:, 2:]], dim=1)


@pytest.fixture(scope="module")
def renderer(tiny_digits: Digits) -> TableRenderer:
    return TableRenderer(tiny_digits, seed=1)


def test_targets_say_where_every_cell_is(renderer: TableRenderer) -> None:
    pictures = [renderer.render(index) for index in range(20)]
    _, labels = stack_tables(pictures)
    for output, picture in zip(perfect(labels), pictures, strict=True):
        objectness, corners = cell_peaks(output, 1024)
        found = corners[objectness > 0.9].numpy()
        assert match_cells(found, picture.cells) == (len(picture.cells), 0)


def test_targets_of_one_cell() -> None:
    cell = np.array([[[40, 20], [80, 20], [80, 60], [40, 60]]], np.float32)
    maps = cell_targets(cell, (96, 128))
    assert maps.shape == (10, 24, 32)
    row, column = np.argwhere(maps[0] == 1)[0]
    assert abs((column + 0.5) * 4 - 60) <= 2
    assert abs((row + 0.5) * 4 - 40) <= 2
    left, top = (column + 0.5) * 4, (row + 0.5) * 4
    corners = maps[2:, row, column].reshape(4, 2) * 16 + (left, top)
    np.testing.assert_allclose(corners, cell[0], atol=1e-4)
    # 1/8 of 40 pixels are 1.25 places: two places away the curve has exp(-0.5 · 2² / 1.25²).
    assert maps[0, row, column + 2] == pytest.approx(np.exp(-0.5 * 4 / 1.25**2), rel=1e-5)
    assert maps[1].sum() == np.sum(
        np.add.outer(np.arange(-3, 4) ** 2, np.arange(-3, 4) ** 2) <= 2.5**2
    )


def test_loss_is_least_where_outputs_are_right(renderer: TableRenderer) -> None:
    _, labels = stack_tables([renderer.render(index) for index in range(4)])
    right = perfect(labels)
    wrong = right.clone()
    wrong[:, 1:] += 0.3
    shifted = torch.roll(right, 3, dims=3)
    assert 0 <= float(cell_loss(right, labels)) < 0.2 * float(cell_loss(wrong, labels))
    assert float(cell_loss(wrong, labels)) < float(cell_loss(shifted, labels))


def test_loss_of_a_picture_without_cells_is_that_of_its_objectness() -> None:
    labels = torch.zeros(1, 10, 4, 4)
    outputs = torch.zeros(1, 9, 4, 4)
    # Each of 16 places has -log(1 - 0.5) × 0.5².
    assert float(cell_loss(outputs, labels)) == pytest.approx(16 * np.log(2) / 4, rel=1e-5)


def test_match_counts_each_cell_once() -> None:
    cell = np.array([[0, 0], [20, 0], [20, 10], [0, 10]], np.float32)
    assert shorter_sides(cell[None]) == pytest.approx([10])
    assert match_cells(np.stack([cell + 1, cell - 1]), cell[None]) == (1, 1)
    assert match_cells(cell[None] + np.float32(3), cell[None]) == (0, 1)
    assert match_cells(np.zeros((0, 4, 2), np.float32), cell[None]) == (0, 0)
    assert match_cells(cell[None], np.zeros((0, 4, 2), np.float32)) == (0, 1)


def test_the_task_learns(tiny_digits: Digits) -> None:
    recipe = load_recipe("table").changed(
        {
            "detector.stem": [4, 8],
            "detector.body": 8,
            "detector.dilations": [1],
            "detector.head": 8,
            "fields.evaluation": 3,
            "training.stages.0.batch_size": 4,
            "training.stages.0.iterations": 12,
            "training.stages.0.learning_rate": 0.01,
        }
    )
    task = CELLS.task(recipe, 0, tiny_digits, tiny_digits)
    trainer = Trainer(task, recipe.training, recipe.ema)
    pixels, labels = task.batches.at(0)
    before = float(task.loss(trainer.network(pixels), labels).detach())
    for _ in range(12):
        trainer.step()
    assert float(task.loss(trainer.network(pixels), labels).detach()) < before
    assert task.measure is not None
    metrics = task.measure(trainer.network.eval()).metrics
    assert set(metrics) == {"loss", "recall", "false_per_field", "exact"}
