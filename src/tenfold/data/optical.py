"""Optical digits: 1,797 images of 8 x 8 by 13 writers, none of them in MNIST.

Alpaydin & Kaynak (1998), "Optical recognition of handwritten digits", UCI Machine Learning
Repository; scikit-learn contains its test part. Each pixel counts the black pixels of a 4 x 4 block
of a 32 x 32 scan: 0 … 16.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from tenfold.errors import MissingExtraError

BLOCK_PIXELS = 16


def optical_digits(n: int | None = None) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
    """Yield the first n optical digits, or all.

    Yields:
        uint8[8, 8], white on black, 0 … 16 scaled to 0 … 255; and the digit.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MissingExtraError("the set of optical digits", "sets") from error
    data = load_digits()
    images = np.rint(data.images * (255 / BLOCK_PIXELS)).astype(np.uint8)
    for image, label in islice(zip(images, data.target, strict=True), n):
        yield image, str(label)
