"""The task of a recipe with a `[detector]` table: find digits in rendered fields."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from tenfold.artifacts.training import DetectionRecord
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.evaluation.fields import match_boxes
from tenfold.model.detector import DetectorNetwork
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.peaks import peaks
from tenfold.model.trainable import TrainableNetwork
from tenfold.reading.suppression import suppress
from tenfold.rendering.fields import Field, FieldConfig, FieldRenderer
from tenfold.training.detection_loss import detection_loss
from tenfold.training.recipe import Recipe
from tenfold.training.rendered_batches import RenderedBatches
from tenfold.training.task import Measurement, Task

MEASURING_BATCH = 50
MAX_PEAKS = 64
MIN_OBJECTNESS = 0.4


def detection_task(
    recipe: Recipe,
    member: int,
    training: Digits,
    monitored: Digits,
    device: torch.device | str = "cpu",
) -> Task:
    """Return what a detector is trained on.

    Args:
        recipe: network, schedule and seed.
        member: its number, from 0; with the recipe's seed it decides everything random.
        training: digits that the training fields are made of.
        monitored: digits of the fields that evaluations measure.
        device: where it is trained.
    """
    device = torch.device(device)
    seed = derive_seed(recipe.seed, "member", member)
    weights = torch.Generator().manual_seed(derive_seed(seed, "weights"))
    renderer = FieldRenderer(training, derive_seed(seed, "fields"))
    held_out = FieldRenderer(monitored, derive_seed("validation"))
    fields = [held_out.render(index) for index in range(recipe.fields.evaluation)]
    return Task(
        network=DetectorNetwork(recipe.detector or DetectorConfig()).initialise(weights).to(device),
        batches=RenderedBatches(
            renderer.render, stack_fields, recipe.schedule.images_before, device
        ),
        loss=detection_loss,
        seed=seed,
        measure=partial(measure, fields=fields),
        record=DetectionRecord,
    )


def stack_fields(fields: Sequence[Field]) -> tuple[Tensor, Tensor]:
    """Return pixels uint8[n, h, w] and labels float32[n, 16, 5]; rows without an object have -1."""
    labels = torch.full((len(fields), FieldConfig.max_labels, 5), -1.0)
    for row, field in zip(labels, fields, strict=True):
        row[: len(field.labels)] = torch.from_numpy(field.labels)
    return torch.from_numpy(np.stack([field.pixels for field in fields])), labels


def measure(network: TrainableNetwork, fields: list[Field]) -> Measurement:
    """Measure loss, and how many objects and whole fields are found without a mistake."""
    device = next(network.parameters()).device
    loss, found, exact, false = 0.0, 0, 0, 0
    with torch.inference_mode():
        for start in range(0, len(fields), MEASURING_BATCH):
            chunk = fields[start : start + MEASURING_BATCH]
            pixels, labels = (part.to(device) for part in stack_fields(chunk))
            outputs = network(pixels)
            loss += float(detection_loss(outputs, labels))
            for output, field in zip(outputs.float().cpu(), chunk, strict=True):
                hits, extra = match(output, field)
                found += hits
                false += extra
                exact += hits == len(field.labels) and not extra
    objects = sum(len(field.labels) for field in fields)
    metrics = {
        "loss": loss / len(fields),
        "recall": found / max(objects, 1),
        "false_per_field": false / len(fields),
        "exact": exact / len(fields),
    }
    return Measurement(metrics)


def match(output_chw: torch.Tensor, field: Field) -> tuple[int, int]:
    """Return how many objects of a field were found, with their class, and what else was."""
    found = peaks(output_chw, MAX_PEAKS)
    boxes, objectness = found.boxes.numpy(), found.objectness.numpy()
    kept = suppress(objectness, boxes)
    kept = kept[objectness[kept] >= MIN_OBJECTNESS]
    classes = found.classes.numpy().argmax(1)[kept]
    matches = match_boxes(boxes[kept], field.labels)
    is_object = matches >= 0
    hits = int((classes[is_object] == field.labels[matches[is_object], 0]).sum())
    return hits, len(kept) - hits
