"""Corrections: what a bundle is tuned to."""

from pathlib import Path

import numpy as np
import torch

from tenfold.data.digits import Digits
from tenfold.data.mnist import NON_DIGIT_LABEL
from tenfold.data.sources import datasets, load_digits, load_own
from tenfold.errors import DataError
from tenfold.text import escape


class Corrections(Digits):
    """Digits that were misread, and non-digits that were read; the label of these is -1."""

    least_label = NON_DIGIT_LABEL


def load_corrections(spec: str) -> Corrections:
    """Load what `load_digits` takes; of images also non-digits: a sub-folder ``none``, or a label.

    Raises:
        ChecksumError: see `load_digits`.
        DataError: see `load_digits`.
    """
    if spec in datasets():
        digits = load_digits(spec)
        return Corrections(digits.images, digits.labels, digits.name, digits.source)
    images, labels = load_own(Path(spec), "train", with_non_digits=True)
    return Corrections(
        torch.from_numpy(images),
        torch.from_numpy(labels.astype(np.int64)),
        name=escape(Path(spec).resolve().name),
        source=spec,
    )


def without_copies(corrections: Corrections) -> Corrections:
    """Return corrections, each image once: a copy would be judged by networks that learned it.

    Raises:
        DataError: an image has two labels.
    """
    labels = corrections.labels.numpy()
    pixels = corrections.images.numpy().reshape(len(labels), -1)
    _, first, same = np.unique(pixels, axis=0, return_index=True, return_inverse=True)
    originals = first[same.ravel()]
    if len(contradicting := np.flatnonzero(labels != labels[originals])):
        copy = contradicting[0]
        images = [
            f"image {np.count_nonzero(labels[: index + 1] == labels[index])} of the label "
            f"{'none' if labels[index] < 0 else labels[index]}"
            for index in (originals[copy], copy)
        ]
        raise DataError(f"{corrections.source}: {' and '.join(images)} are the same; delete one")
    return corrections.subset(np.sort(first).tolist())
