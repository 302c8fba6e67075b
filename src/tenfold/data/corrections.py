"""Corrections: what a bundle is tuned to."""

from pathlib import Path

import numpy as np
import torch

from tenfold.data.digits import Digits
from tenfold.data.mnist import NON_DIGIT_LABEL
from tenfold.data.sources import datasets, load_digits, load_own
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
