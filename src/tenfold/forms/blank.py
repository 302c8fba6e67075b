"""The blank form: its pages as pictures for a person, and their sizes on paper."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tenfold.arrays import Pixels
from tenfold.data.decoding import decode
from tenfold.data.file_pages import file_pages, open_file
from tenfold.data.pdf import is_pdf, page_sizes
from tenfold.errors import DataError
from tenfold.forms.template import MAX_PAGES
from tenfold.reading.foreground import to_grey

MM_PER_POINT = 25.4 / 72
SHOWN_PX_PER_MM = 8  # about 200 dots an inch: print of 6 points can be read
# The shorter and the longer side in mm; a picture does not say how large its paper was.
PAPER_SIZES = ((210.0, 297.0), (215.9, 279.4))
MAX_PAPER_DEVIATION = 0.02  # of the ratio of the sides


@dataclass(frozen=True, eq=False)
class BlankPage:
    """A page of the blank form.

    Attributes:
        png: a grey picture of it.
        width_mm: of the paper.
        height_mm: of the paper.
    """

    png: bytes
    width_mm: float
    height_mm: float


def read_blank(path: Path) -> list[BlankPage]:
    """Read the pages of an unfilled form, a PDF or a picture.

    Raises:
        DataError: it cannot be read, or has more than `MAX_PAGES` pages.
    """
    pages = list(file_pages(path))
    if len(pages) > MAX_PAGES:
        raise DataError(f"{path}: has {len(pages)} pages; a form has at most {MAX_PAGES}")
    pictures = [np.asarray(to_grey(decode(page)), np.uint8) for page in pages]
    sizes = _sizes_in_pdf(path) or [_likely_size(picture) for picture in pictures]
    return [
        BlankPage(_png(picture, width), round(width, 1), round(height, 1))
        for picture, (width, height) in zip(pictures, sizes, strict=True)
    ]


def _sizes_in_pdf(path: Path) -> list[tuple[float, float]] | None:
    with open_file(path) as (_, data):
        if not is_pdf(data):
            return None
    return [(w * MM_PER_POINT, h * MM_PER_POINT) for w, h in page_sizes(path)]


def _likely_size(picture: Pixels) -> tuple[float, float]:
    """Return the paper's width and height in mm: of a usual size, or else as wide as A4."""
    h, w = picture.shape[:2]
    for sides in PAPER_SIZES:
        width, height = sides if w < h else sides[::-1]
        if abs(w * height / (h * width) - 1) <= MAX_PAPER_DEVIATION:
            return width, height
    shorter = PAPER_SIZES[0][0]
    return shorter * w / min(w, h), shorter * h / min(w, h)


def _png(picture: Pixels, width_mm: float) -> bytes:
    scale = SHOWN_PX_PER_MM * width_mm / picture.shape[1]
    if scale < 1:
        picture = np.asarray(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    return cv2.imencode(".png", picture)[1].tobytes()
