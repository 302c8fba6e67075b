"""A digit 0, and grey levels of pictures, for the tests of rendering."""

import numpy as np


def ring() -> np.ndarray:
    """Draw a ring with strokes of 3 pixels, uint8[28, 28]."""
    y, x = np.mgrid[:28, :28]
    distance = np.hypot((y - 13.5) / 10, (x - 13.5) / 7)
    image: np.ndarray = np.where(abs(distance - 0.85) < 0.17, 255, 0).astype(np.uint8)
    return image


def luma(picture: np.ndarray) -> np.ndarray:
    weights = (0.299, 0.587, 0.114) if picture.ndim == 3 else (1.0,)
    grey: np.ndarray = np.average(np.atleast_3d(picture).astype(float), axis=2, weights=weights)
    return grey
