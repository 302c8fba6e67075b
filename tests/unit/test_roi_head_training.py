"""Training an RoI head: its candidates, their labels, its loss, and what is measured."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn.functional import log_softmax

from tenfold.bundle.detector_runtime import Detections
from tenfold.bundle.format import find_detector
from tenfold.data.digits import Digits
from tenfold.errors import RecipeError
from tenfold.model.roi_head import NO_CHARACTER
from tenfold.model.roi_head_config import FEATURES, LABEL_SMOOTHING, RoiHeadConfig
from tenfold.rendering.fields import Field
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.roi_head import (
    CandidateRenderer,
    candidate_labels,
    measure,
    overlaps,
    roi_head_task,
    roi_loss,
)
from tenfold.training.trainer import Trainer

CONFIG = RoiHeadConfig(crop_px=16, filters=(4, 6, 8))


@pytest.fixture(scope="module")
def renderer(tiny_digits: Digits) -> CandidateRenderer:
    return CandidateRenderer(tiny_digits, 1, find_detector("field")[2], CONFIG)


def found_at(*boxes: tuple[float, float, float, float]) -> Detections:
    n = len(boxes)
    zeros = np.zeros(n, np.float32)
    return Detections(zeros, np.zeros((n, 14), np.float32), np.array(boxes, np.float32), zeros)


def test_overlap_of_widened_boxes() -> None:
    # 10 × 17 widened to 13 × 20; moved by 6.5, half of the width is shared: 130 of 390.
    boxes = np.array([[50, 50, 10, 17], [56.5, 50, 10, 17], [90, 50, 10, 17]], np.float32)
    third = 130 / 390
    expected = np.array([[1, third, 0], [third, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(overlaps(boxes, boxes), expected, atol=1e-6)


def test_labels_of_candidates() -> None:
    field = Field(
        np.zeros((64, 192), np.uint8),
        np.array([[7, 20, 30, 10, 17, 0], [10, 60, 40, 10, 17, 0]], np.float32),
    )
    doubled = found_at(
        (48, 68, 20, 34),  # the first one in twice the size, 8 pixels of margin
        (128, 88, 20, 34),
        (139, 88, 20, 34),  # overlap 0.35 to 0.5: not said
        (48 + 26, 68, 20, 34),  # less
    )
    labels = candidate_labels(doubled, field, 2, 8)
    assert labels.tolist() == [7, 10, -1, NO_CHARACTER]
    empty = Field(field.pixels, np.zeros((0, 6), np.float32))
    assert candidate_labels(doubled, empty, 2, 8).tolist() == [NO_CHARACTER] * 4


def test_candidates_are_the_same_for_the_same_index(renderer: CandidateRenderer) -> None:
    first, again = renderer.render(3), renderer.render(3)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert first[0].shape == (len(first[1]), 2 * 16 * 16 + FEATURES)


def test_most_probable_candidates_are_labelled_as_the_detector_reads_them(
    renderer: CandidateRenderer,
) -> None:
    rows, labels = (np.concatenate(p) for p in zip(*map(renderer.render, range(12)), strict=True))
    p = np.exp(rows[:, -FEATURES : -FEATURES + 15])
    sure = (p.max(axis=1) > 0.9) & (labels >= 0)
    assert sure.sum() > 20
    assert (p.argmax(axis=1) == labels)[sure].mean() > 0.9


def test_loss_leaves_out_what_is_not_learned() -> None:
    logits = torch.randn(4, 15, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([3, -1, NO_CHARACTER, 0])
    log_p = log_softmax(logits.double(), dim=1)
    expected = sum(
        -(1 - LABEL_SMOOTHING) * log_p[row, label] - LABEL_SMOOTHING * log_p[row].mean()
        for row, label in ((0, 3), (2, NO_CHARACTER), (3, 0))
    )
    assert float(roi_loss(logits, labels)) == pytest.approx(float(expected), rel=1e-5)


class SameBatch:
    def __init__(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.batch = batch

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        assert step >= 0
        return self.batch


def test_a_batch_can_be_learned(tiny_digits: Digits) -> None:
    values = {
        "fields.evaluation": 5,
        "roi_head.network": CONFIG.model_dump(mode="json"),
        "training.stages.1.learning_rate": 0.003,
        "ema.decay": 0.5,
    }
    recipe = load_recipe("roi-head").changed(values)
    task = roi_head_task(recipe, 0, tiny_digits, tiny_digits)
    assert task.measure is not None
    assert set(task.measure(task.network.eval()).metrics) == {"loss", "right"}
    candidates, labels = batch = task.batches.at(0)
    trainer = Trainer(
        dataclasses.replace(task, batches=SameBatch(batch)), recipe.training, recipe.ema
    )
    before = measure(trainer.evaluated_network(), candidates, labels).metrics["loss"]
    for _ in range(60):
        trainer.step()
    after = measure(trainer.evaluated_network(), candidates, labels).metrics["loss"]
    assert after < 0.7 * before


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"members": 2}, "an RoI head is one network"), ({"detector": {}}, "not both")],
)
def test_recipes_that_make_no_sense(change: dict[str, object], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe("roi-head").changed(change)
    assert isinstance(load_recipe("roi-head"), Recipe)
