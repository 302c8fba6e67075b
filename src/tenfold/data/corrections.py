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
    """Return corrections, each image once: one that is learned may not also judge what was learned.

    Raises:
        DataError: an image has two labels.
    """
    labels = corrections.labels.numpy()
    pixels = corrections.images.numpy().reshape(len(labels), -1)
    _, first, same = np.unique(pixels, axis=0, return_index=True, return_inverse=True)
    originals = first[same.ravel()]
    for copy in np.flatnonzero(labels != labels[originals])[:1].tolist():
        places = originals[copy] + 1, copy + 1
        named = ("none" if label < 0 else str(label) for label in labels[[originals[copy], copy]])
        raise DataError(
            f"{corrections.source}: corrections {' and '.join(map(str, places))} are the same "
            f"image, labelled {' and '.join(named)}; delete one"
        )
    return corrections.subset(np.sort(first).tolist())
