"""The detector's loss against sums that are spelled out in float64, cell by cell."""

import math

import numpy as np
import pytest
import torch

from tenfold.model.detector import OUTPUTS
from tenfold.training.detection_loss import detection_loss, targets

H, W = 4, 10  # cells of 4 × 2 pixels: a picture of 16 × 20


def labels(*rows: tuple[float, ...]) -> torch.Tensor:
    """Return labels of one picture, padded with rows without an object; 1 is for print."""
    padded = torch.full((1, 3, 6), -1.0)
    for place, row in enumerate(rows):
        padded[0, place] = torch.tensor((*row, 1.0))
    return padded


def gaussian(distance: float, deviation: float) -> float:
    return math.exp(-((distance / deviation) ** 2) / 2)


def test_the_heat_is_one_at_an_object_and_falls_around_it() -> None:
    found = targets(labels((7, 9.0, 6.0, 14.0, 14.0)), H, W)
    assert (found.column.item(), found.row.item()) == (4, 1)
    for row in range(H):
        for column in range(W):
            expected = gaussian(column - 4, 14 / 2 / 7) * gaussian(row - 1, 14 / 4 / 7)
            assert found.heat[0, row, column].item() == pytest.approx(expected, abs=1e-6)


def test_the_heat_of_two_objects_is_the_higher_one_of_each() -> None:
    one, other = (3, 5.0, 6.0, 8.0, 12.0), (4, 13.0, 10.0, 8.0, 12.0)
    both = targets(labels(one, other), H, W).heat
    single = [targets(labels(label), H, W).heat for label in (one, other)]
    torch.testing.assert_close(both, torch.maximum(*single))


def test_a_narrow_object_still_has_a_peak() -> None:
    heat = targets(labels((1, 9.0, 6.0, 1.0, 2.0)), H, W).heat[0]
    assert heat[1, 5].item() == pytest.approx(gaussian(1, 0.6), abs=1e-6)
    assert heat[2, 4].item() == pytest.approx(gaussian(1, 0.5), abs=1e-6)


def expected_loss(outputs: np.ndarray, label: tuple[float, ...]) -> float:
    """Spell out the loss of one picture with one object in cell (1, 4)."""
    kind, x, y, width, height = label
    across, down = max(width / 2 / 7, 0.6), max(height / 4 / 7, 0.5)
    focal = 0.0
    for row in range(H):
        for column in range(W):
            p = 1 / (1 + math.exp(-outputs[0, row, column]))
            if (row, column) == (1, 4):
                focal -= (1 - p) ** 2 * math.log(p)
            else:
                heat = gaussian(column - 4, across) * gaussian(row - 1, down)
                focal -= (1 - heat) ** 4 * p**2 * math.log(1 - p)
    rest = 0.0
    for column, weight in ((4, 1.0), (3, 0.4), (5, 0.4)):
        cell = outputs[:, 1, column]
        log_p = cell[1:15] - math.log(sum(math.exp(v) for v in cell[1:15]))
        entropy = -sum((0.98 * (k == kind) + 0.02 / 14) * value for k, value in enumerate(log_p))
        box = (math.log(width / 16), math.log(height / 16), x / 2 - 0.5 - column, y / 4 - 0.5 - 1)
        distance = sum(abs(a - b) for a, b in zip(cell[15:19], box, strict=True))
        printed = math.log(1 + math.exp(-cell[19]))
        rest += weight * (entropy + 0.5 * distance / 4 + 0.3 * printed)
    return focal + rest / 1.8


def test_the_loss_of_one_object() -> None:
    random = np.random.default_rng(0)
    outputs = random.normal(size=(OUTPUTS, H, W))
    label = (7.0, 9.4, 6.6, 11.0, 14.0)
    found = detection_loss(torch.from_numpy(outputs)[None].float(), labels(label))
    assert found.item() == pytest.approx(expected_loss(outputs, label), rel=1e-5)


def test_the_loss_of_a_picture_without_objects_is_that_of_its_false_peaks() -> None:
    outputs = torch.zeros(1, OUTPUTS, H, W)
    assert detection_loss(outputs, labels()).item() == pytest.approx(
        H * W * 0.25 * math.log(2), rel=1e-5
    )


def test_objects_share_the_loss_and_pictures_multiply_it() -> None:
    """Two equal pictures: the mean over objects is the same, and there are two pictures."""
    outputs = torch.from_numpy(np.random.default_rng(1).normal(size=(1, OUTPUTS, H, W))).float()
    label = labels((2, 9.0, 6.0, 10.0, 12.0))
    one = detection_loss(outputs, label)
    two = detection_loss(outputs.repeat(2, 1, 1, 1), label.repeat(2, 1, 1))
    assert two.item() == pytest.approx(2 * one.item(), rel=1e-5)


def test_a_perfect_output_costs_next_to_nothing_and_others_more() -> None:
    label = (5.0, 9.0, 6.0, 12.0, 14.0)
    outputs = torch.zeros(1, OUTPUTS, H, W)
    outputs[0, 0] = -12
    outputs[0, 0, 1, 4] = 12
    outputs[0, 6] = 8
    for column in (3, 4, 5):
        box = (math.log(12 / 16), math.log(14 / 16), 4 - column, 0)
        outputs[0, 15:, 1, column] = torch.tensor((*box, 8.0))
    perfect = detection_loss(outputs, labels(label)).item()
    assert perfect < 0.3  # what label smoothing leaves
    for change in ((0, 1, 4), (0, 2, 8), (6, 1, 4), (16, 1, 4), (19, 1, 4)):
        other = outputs.clone()
        other[(0, *change)] *= -1
        assert detection_loss(other, labels(label)).item() > perfect + 0.01


def test_an_object_at_the_edge_is_learned_in_the_picture() -> None:
    outputs = torch.zeros(1, OUTPUTS, H, W, requires_grad=True)
    loss = detection_loss(outputs, labels((3, 20.0, 16.0, 9.0, 12.0), (4, 0.0, 0.0, 9.0, 12.0)))
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
