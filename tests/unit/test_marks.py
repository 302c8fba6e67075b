"""Marks that a template has and its blank form lacks."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_forms import Grey, draw_page

from tenfold.forms.marks import missing_marks
from tenfold.forms.template import FormField, PageOfForm, Registration, Template

BOX = FormField(name="total", box=(30, 60, 40, 8), kind="digits", length=4)


def form(registration: Registration, pages: int = 2) -> Template:
    sizes = (PageOfForm(width_mm=148, height_mm=210),) * pages
    return Template(
        name="a", registration=registration, blank=Path("blank.tiff"), pages=sizes, fields=(BOX,)
    )


def blanks(template: Template, px_per_mm: float = 4.0) -> list[Grey]:
    return [draw_page(template, n + 1, px_per_mm) for n in range(len(template.pages))]


@pytest.mark.parametrize("registration", ["marks", "aruco"])
@pytest.mark.parametrize("px_per_mm", [2.0, 8.0, 24.0])
def test_printed_marks_are_found_at_any_resolution(
    registration: Registration, px_per_mm: float
) -> None:
    template = form(registration)
    assert missing_marks(template, blanks(template, px_per_mm)) == ""


@pytest.mark.parametrize(
    ("registration", "kind", "name"),
    [
        ("marks", "black squares", "bottom right"),
        ("aruco", "ArUco markers", "bottom right (id 6)"),
    ],
)
def test_a_missing_mark_is_named(registration: Registration, kind: str, name: str) -> None:
    template = form(registration)
    pages = blanks(template)
    pages[1][-60:, -60:] = 240
    assert missing_marks(template, pages) == (
        f'registration = "{registration}", but the blank form lacks {kind} '
        f'(6 mm, 10 mm from the edges): page 2 {name}; use registration = "blank", or correct '
        "mark_size_mm and mark_inset_mm"
    )


def test_marks_of_a_blank_form_that_was_scanned_a_little_beside_are_there() -> None:
    template = form("marks")
    moved = [np.roll(page, (12, -12), axis=(0, 1)) for page in blanks(template)]  # 3 mm
    assert missing_marks(template, moved) == ""
    elsewhere = template.model_copy(update={"mark_inset_mm": 20.0})
    assert "page 1 top left, top right, bottom right, bottom left" in missing_marks(
        elsewhere, moved
    )


def test_markers_of_another_page_are_not_those_of_this_one() -> None:
    template = form("aruco")
    first, second = blanks(template)
    names = "top left (id 0), top right (id 1), bottom right (id 2), bottom left (id 3)"
    assert f": page 1 {names}; page 2 top left (id 4)" in missing_marks(template, [second, first])


def test_a_long_form_without_marks_is_one_line() -> None:
    template = form("marks", pages=5)
    paper = np.full((840, 592), 240, np.uint8)
    cv2.rectangle(paper, (120, 240), (280, 272), 90, 2)
    line = missing_marks(template, [paper] * 5)
    assert "; page 3 top left, top right, bottom right, bottom left; 2 more pages; use" in line


def test_a_form_that_is_found_by_its_print_needs_none() -> None:
    template = form("blank")
    assert missing_marks(template, blanks(template)) == ""
