"""A page that shows how pictures were read: every step, for every digit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.data.decoding import Picture, load_pixels
from tenfold.errors import DataError
from tenfold.reading.crops import Layout
from tenfold.reading.foreground import downscale, find_foreground
from tenfold.reading.reader import Reader
from tenfold.report.page import data_uri, render, write_page

LONGER_SIDE_PX = 640


def write_explanation(
    pictures: Sequence[tuple[str, Picture]], reader: Reader, layout: Layout, page: Path
) -> Path:
    """Write a page with each picture, the steps to its foreground, and the network's inputs.

    Raises:
        WriteError: it cannot be written.
    """
    shown = [_explained(name, given, reader, layout) for name, given in pictures]
    html = render("reading.html", pictures=shown, rejection_threshold=reader.rejection_threshold)
    return write_page(page, html)


def _explained(name: str, given: Picture, reader: Reader, layout: Layout) -> dict[str, Any]:
    pixels = load_pixels(given)
    small, _ = downscale(pixels)
    found = find_foreground(small)
    steps: dict[str, npt.NDArray[Any]] = {
        "The picture": small,
        "Background subtracted": found.subtracted,
        "Levels stretched: paper 0, strokes 1": found.stretched,
        "Printed lines removed": found.foreground,
    }
    try:
        readings = reader.read(pixels, layout)
    except DataError:  # no grid: the steps show why
        readings = []
    return {
        "name": name,
        "steps": [(title, data_uri(_small(step))) for title, step in steps.items()],
        "readings": [
            {"reading": reading, "source": data_uri(255 - reading.image)} for reading in readings
        ],
    }


def _small(step: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Make a step's picture small enough for a page."""
    if step.dtype != np.uint8:
        step = np.rint(255 - 255 * step.clip(0, 1)).astype(np.uint8)
    return downscale(step, LONGER_SIDE_PX)[0]
