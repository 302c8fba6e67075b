"""Digits and rectangles to degrade, and their boxes by NumPy."""

import numpy as np
import torch
from torch import Tensor

from tenfold.data.digits import synthetic_digits


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_digits(n: int = 40) -> Tensor:
    """Synthetic digits without their noise: paper is exactly 0."""
    pixels = synthetic_digits(n, seed=1).images.float() / 255
    return torch.where(pixels > 0.3, pixels, 0)


def rectangles(*boxes: tuple[int, int, int, int]) -> Tensor:
    """Draw filled boxes (top, left, bottom, right), the last two exclusive."""
    x = torch.zeros(len(boxes), 28, 28)
    for image, (top, left, bottom, right) in zip(x, boxes, strict=True):
        image[top:bottom, left:right] = 1
    return x


def boxes_by_hand(x: Tensor) -> np.ndarray:
    """Find top, left, bottom, right of what is above 0.2, inclusive: int64[n, 4]."""
    boxes = []
    for image in x.numpy():
        rows, columns = np.nonzero(image > 0.2)
        whole = (0, 0, 27, 27)
        box = (rows.min(), columns.min(), rows.max(), columns.max()) if len(rows) else whole
        boxes.append(box)
    return np.array(boxes)
