"""Digits and marks as objects that a detector learns: their labels, and what it finds of them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.evaluation.fields import match_boxes
from tenfold.model.peaks import peaks
from tenfold.reading.suppression import suppress
from tenfold.rendering.fields import Field, FieldConfig, FieldRenderer
from tenfold.training.detection_loss import detection_loss
from tenfold.training.detector import ObjectKind

MAX_PEAKS = 64
MIN_OBJECTNESS = 0.4


def stack_fields(fields: Sequence[Field]) -> tuple[Tensor, Tensor]:
    """Return pixels uint8[n, h, w] and labels float32[n, 16, 6]; rows without an object have -1."""
    labels = torch.full((len(fields), FieldConfig.max_labels, 6), -1.0)
    for row, field in zip(labels, fields, strict=True):
        row[: len(field.labels)] = torch.from_numpy(field.labels)
    return torch.from_numpy(np.stack([field.pixels for field in fields])), labels


def match(output_chw: torch.Tensor, field: Field) -> tuple[int, int]:
    """Return how many objects of a field were found, with their class, and what else was."""
    found = peaks(output_chw, MAX_PEAKS)
    boxes, objectness = found.boxes.numpy(), found.objectness.numpy()
    classes = found.classes.numpy().argmax(axis=1)
    kept = suppress(objectness, boxes, classes)
    kept = kept[objectness[kept] >= MIN_OBJECTNESS]
    matches = match_boxes(boxes[kept], field.labels)
    is_object = matches >= 0
    hits = int((classes[kept][is_object] == field.labels[matches[is_object], 0]).sum())
    return hits, len(kept) - hits


DIGITS_AND_MARKS = ObjectKind(
    seed_name="fields",
    renderer=FieldRenderer,
    stack=stack_fields,
    loss=detection_loss,
    count=lambda field: len(field.labels),
    match=match,
    measuring_batch=50,
)
