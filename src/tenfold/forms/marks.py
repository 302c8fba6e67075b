"""Whether the marks by which a form's pages are to be found are printed on its blank form."""

from collections.abc import Iterable
from itertools import islice

import numpy as np

from tenfold.arrays import Grey
from tenfold.forms.corners import (
    MARKERS_PER_PAGE,
    Points,
    corner_centres,
    find_markers,
    squares_of_page,
)
from tenfold.forms.template import Template

CORNERS = ("top left", "top right", "bottom right", "bottom left")  # as `corner_centres` has them
PAGES_SHOWN = 3


def missing_marks(template: Template, blanks: Iterable[Grey]) -> str:
    """Return, as one line, which marks a blank form lacks, and what to do.

    A mark is there if its centre is no farther than its side from where the template has it: the
    blank form may have been scanned.

    Args:
        template: of the form.
        blanks: its unfilled pages uint8[h, w], of any resolution, each as large as the paper;
            they are looked at only if there should be marks.

    Returns:
        A text; "" if nothing is missing, or pages are found by the blank form.
    """
    if template.registration == "blank":
        return ""
    pages = enumerate(islice(blanks, len(template.pages)))
    missing = {index + 1: _missing_on(template, index, grey) for index, grey in pages}
    places = [f"page {number} {', '.join(names)}" for number, names in missing.items() if names]
    if not places:
        return ""
    more = len(places) - PAGES_SHOWN
    shown = "; ".join(places[:PAGES_SHOWN]) + (f"; {more} more pages" if more > 0 else "")
    kind = {"marks": "black squares", "aruco": "ArUco markers"}[template.registration]
    size = f"{template.mark_size_mm:g} mm, {template.mark_inset_mm:g} mm from the edges"
    return (
        f'registration = "{template.registration}", but the blank form lacks {kind} ({size}): '
        f'{shown}; use registration = "blank", or correct mark_size_mm and mark_inset_mm'
    )


def _missing_on(template: Template, index: int, grey: Grey) -> list[str]:
    """Return the corners of a page, from 0, in which its mark is missing."""
    size = template.pages[index]
    to_mm = np.array([size.width_mm, size.height_mm]) / grey.shape[::-1]
    names = []
    found = _centres_found(template, index, grey)
    for corner, expected in enumerate(corner_centres(size, template.mark_inset_mm)):
        centres = (found[corner] + 0.5) * to_mm
        distances = np.linalg.norm(centres - expected, axis=1)
        if not (distances <= template.mark_size_mm).any():
            name = CORNERS[corner]
            if template.registration == "aruco":
                name += f" (id {MARKERS_PER_PAGE * index + corner})"
            names.append(name)
    return names


def _centres_found(template: Template, index: int, grey: Grey) -> list[Points]:
    """Return float32[n, 2] in pixels for each corner: the centres of what may be its mark."""
    if template.registration == "marks":
        size = template.pages[index]
        squares = squares_of_page(grey, size, template.mark_size_mm)
        return [squares.mean(axis=1)] * MARKERS_PER_PAGE
    markers = find_markers(grey)
    ids = range(MARKERS_PER_PAGE * index, MARKERS_PER_PAGE * (index + 1))
    nothing = np.empty((0, 2), np.float32)
    return [markers[k].mean(axis=0, keepdims=True) if k in markers else nothing for k in ids]
