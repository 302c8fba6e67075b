"""Optical digits: 1,797 images of 8 x 8 by 13 writers whom MNIST does not know.

Alpaydin & Kaynak (1998), "Optical recognition of handwritten digits", UCI Machine Learning
Repository; scikit-learn carries its test part. Each pixel counts the ink in a 4 x 4 block of a
32 x 32 scan, 0 … 16.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from tenfold.errors import MissingExtraError

_MOST = 16  # a block's pixels


def optical_digits(n: int | None = None) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
    """Give the first n optical digits, or all.

    Yields:
        uint8[8, 8], white on black, 0 … 16 spread over 0 … 255; and the digit.

    Raises:
        MissingExtraError: no scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("the optical digits", "sets") from error
    data = load_digits()
    images = np.rint(data.images * (255 / _MOST)).astype(np.uint8)
    for image, label in islice(zip(images, data.target, strict=True), n):
        yield image, str(label)
