"""What is printed on the pages of a form, to compare pictures with."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.data.decoding import decode
from tenfold.data.file_pages import file_pages
from tenfold.errors import TemplateError
from tenfold.forms.corners import Homography, Points, corner_centres
from tenfold.forms.template import PageOfForm, Template
from tenfold.reading.components import corners_of
from tenfold.reading.foreground import to_grey

COMPARED_PX_PER_MM = 2.0
# Without a blank form nothing is known but the edges of boxes: what is printed farther away from
# them, and what is written in them, is not compared.
BAND_MM = 3.0
EDGE_MM = 1.0
PAPER_MM = 8.0  # print and pen strokes are narrower


@dataclass(frozen=True, eq=False)
class ReferencePage:
    """A page of the form.

    Attributes:
        number: from 1.
        size: in mm.
        foreground: float32[h, w], of what is printed, at `COMPARED_PX_PER_MM`.
        region: bool[h, w], where it is known.
        corners: float32[4, 2] in mm, clockwise from top left, of the least box around all fields.
        blank: uint8[h, w], the unfilled page in its own resolution; None if it is not known.
    """

    number: int
    size: PageOfForm
    foreground: Floats
    region: npt.NDArray[np.bool_]
    corners: Points
    blank: Grey | None = None

    @property
    def blank_to_mm(self) -> Homography:
        """The map from the pixels of the blank page to mm."""
        if self.blank is None:
            raise ValueError("there is no blank form")
        h, w = self.blank.shape
        return pixels_to_mm(w / self.size.width_mm, h / self.size.height_mm)


def pixels_to_mm(across: float, down: float) -> Homography:
    """Return the map from the pixels of a page to its mm; whole numbers are centres of pixels.

    Args:
        across: pixels per mm along x.
        down: the same along y.
    """
    return np.array([(1 / across, 0, 0.5 / across), (0, 1 / down, 0.5 / down), (0, 0, 1)])


def reference_pages(template: Template) -> tuple[ReferencePage, ...]:
    """Return the pages of a form: from the blank form, or else the boxes of its fields.

    Raises:
        DataError: the blank form cannot be read.
        TemplateError: it has fewer pages than the template.
    """
    if template.blank is None:
        return tuple(_drawn(template, number) for number in range(1, len(template.pages) + 1))
    blanks = list(file_pages(template.blank))
    if len(blanks) < len(template.pages):
        raise TemplateError(
            f"{template.blank}: has {len(blanks)} pages; the template has {len(template.pages)}"
        )
    pages = []
    for number, (size, page) in enumerate(zip(template.pages, blanks, strict=False), 1):
        blank = to_grey(decode(page))
        w, h = _compared_size(size)
        small = cv2.resize(blank, (w, h), interpolation=cv2.INTER_AREA)
        known = _without_corners(template, size)
        dark, corners = (
            foreground(np.asarray(small, np.uint8)),
            _corners_of_fields(template, number),
        )
        pages.append(ReferencePage(number, size, dark, known, corners, blank))
    return tuple(pages)


def _compared_size(size: PageOfForm) -> tuple[int, int]:
    """Return width and height in pixels."""
    return round(size.width_mm * COMPARED_PX_PER_MM), round(size.height_mm * COMPARED_PX_PER_MM)


def _without_corners(template: Template, size: PageOfForm) -> npt.NDArray[np.bool_]:
    """Return where a page has no squares or markers: other forms have the same."""
    w, h = _compared_size(size)
    known = np.ones((h, w), bool)
    if template.registration != "blank":
        half = template.mark_size_mm
        for x, y in corner_centres(size, template.mark_inset_mm).tolist():
            left, top, right, bottom = (
                max(0, round(v * COMPARED_PX_PER_MM))
                for v in (x - half, y - half, x + half, y + half)
            )
            known[top:bottom, left:right] = False
    return known


def _drawn(template: Template, number: int) -> ReferencePage:
    """Return a page with nothing but the boxes of its fields."""
    size = template.pages[number - 1]
    w, h = _compared_size(size)
    lines, near, within = (np.zeros((h, w), np.uint8) for _ in range(3))
    for cell in template.cells:
        if cell.field.page == number:
            left, top, width, height = (round(v * COMPARED_PX_PER_MM) for v in cell.box)
            box = (left, top), (left + width, top + height)
            cv2.rectangle(lines, *box, 255, 1)
            cv2.rectangle(near, *box, 255, round(2 * BAND_MM * COMPARED_PX_PER_MM))
            edge = round(EDGE_MM * COMPARED_PX_PER_MM)
            within[top + edge : top + height - edge, left + edge : left + width - edge] = 255
    corners = _corners_of_fields(template, number)
    return ReferencePage(number, size, _blurred(lines), (near > 0) & (within == 0), corners)


def _corners_of_fields(template: Template, number: int) -> Points:
    boxes = np.array([f.box for f in template.fields if f.page == number]).reshape(-1, 4)
    if not len(boxes):
        return page_corners(template.pages[number - 1])
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    return corners_of((left, top, right, bottom))


def foreground(grey: Grey) -> Floats:
    """Return how much darker than the paper around it each pixel is, 0 … 1, a little blurred.

    Along the edges, half of `PAPER_MM` wide, it is 0: the ground beside a page is no print.

    Args:
        grey: uint8[h, w] at `COMPARED_PX_PER_MM`.
    """
    kernel = np.ones((round(PAPER_MM * COMPARED_PX_PER_MM / 2) * 2 + 1,) * 2, np.uint8)
    paper = cv2.morphologyEx(
        grey, cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=[0]
    )
    return _blurred(np.asarray(cv2.subtract(paper, grey), np.uint8))


def _blurred(dark: Grey) -> Floats:
    return np.asarray(cv2.GaussianBlur(dark.astype(np.float32) / 255, (0, 0), 1.0), np.float32)


def page_foreground(reference: ReferencePage, grey: Grey, to_picture: Homography) -> Floats:
    """Return the foreground of a picture, straightened as a page at `COMPARED_PX_PER_MM`.

    Args:
        reference: the page.
        grey: the picture uint8[h, w], at about the same resolution.
        to_picture: from mm of the page to its pixels.
    """
    to_mm = pixels_to_mm(COMPARED_PX_PER_MM, COMPARED_PX_PER_MM)
    page = cv2.warpPerspective(
        grey,
        to_picture @ to_mm,
        reference.foreground.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return foreground(np.asarray(page, np.uint8))


def similarity(reference: ReferencePage, page: Floats) -> float:
    """Return the correlation, -1 … 1, of a page of the form and a `page_foreground`."""
    if not reference.region.any():  # a page without fields or a blank form
        return 0.0
    a, b = reference.foreground[reference.region], page[reference.region]
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0


def page_corners(size: PageOfForm) -> Points:
    """Return the corners of a page in mm, clockwise from top left."""
    return corners_of((0, 0, size.width_mm, size.height_mm))
