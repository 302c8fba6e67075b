"""What the classifier is asked about when numbers are read: what a detector takes for digits."""

from collections.abc import Iterator
from itertools import chain, count, islice

import numpy as np
import torch
from torch import Tensor

from tenfold.arrays import Pixels
from tenfold.bundle.detector_runtime import OnnxDetector, shipped_detector
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES, NON_DIGIT_LABEL
from tenfold.data.seeds import derive_seed
from tenfold.reading.classification import ClassificationConfig, crop_detection
from tenfold.reading.pyramid import detect_digits
from tenfold.rendering.fields import Field, FieldRenderer


def found_digits(digits: Digits, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return what the shipped detector takes for digits in fields that are written with `digits`.

    Returns:
        crops uint8[n, 28, 28] and labels int64[n], the same for the same seed.
    """
    detector = shipped_detector()
    renderer = FieldRenderer(digits, derive_seed(seed, "fields"))
    fields = map(renderer.render, count())
    found = chain.from_iterable(found_in(field, detector) for field in fields)
    crops, labels = zip(*islice(found, n), strict=True)
    return torch.from_numpy(np.stack(crops)), torch.tensor(labels)


def found_in(field: Field, detector: OnnxDetector) -> Iterator[tuple[Pixels, int]]:
    """Yield each crop uint8[28, 28] and label of what a detector takes for a digit in a field.

    A box with the middle of one digit is that digit, and one without any is no digit. Boxes with a
    mark, or with several characters, are left out.
    """
    found = detect_digits(detector, field.pixels)
    for box in found.boxes[found.is_digit]:
        inside = (np.abs(field.labels[:, 1:3] - box[:2]) < box[2:] / 2).all(axis=1)
        characters = field.labels[inside, 0].astype(int).tolist() or [NON_DIGIT_LABEL]
        crop = crop_detection(box, field.pixels, ClassificationConfig())
        if len(characters) == 1 and characters[0] < CLASSES and crop.any():
            yield crop, characters[0]
