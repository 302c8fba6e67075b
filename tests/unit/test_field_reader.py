"""The fields of a page, where the digits that are found are made up."""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_forms import DRAWN_PX_PER_MM, Grey, box_px, draw_page, write_values

from tenfold.bundle.detector_runtime import Detections
from tenfold.forms.field_reader import STROKES, FieldReader, Reading
from tenfold.forms.reference import reference_pages
from tenfold.forms.registration import RegisteredPage
from tenfold.forms.template import FormField, PageOfForm, Template
from tenfold.reading.hypotheses import Hypothesis

NOTHING = Detections(*(np.empty(shape, np.float32) for shape in ((0,), (0, 14), (0, 4), (0,))))


def form() -> Template:
    field = FormField(name="no", box=(30, 25, 40, 9), kind="number")
    return Template(name="slip", pages=(PageOfForm(width_mm=100, height_mm=60),), fields=(field,))


def read(page: Grey, texts: dict[str, float]) -> Reading:
    """Read a page with a reader that finds these texts, and no digits."""
    found = [Hypothesis(text, float(np.log(p)), ()) for text, p in texts.items()]
    numbers: Any = SimpleNamespace(
        detect=lambda _: NOTHING,
        texts=lambda rows, *_: [found] * len(rows),
        config=SimpleNamespace(calibration=(1.0, 0.0)),
    )
    reader = FieldReader(numbers, form(), reference_pages(form()))
    [reading] = reader.read(RegisteredPage(1, page, DRAWN_PX_PER_MM, 1.0))
    return reading


def test_an_empty_box_is_empty() -> None:
    reading = read(draw_page(form()), {"": 0.99})
    assert (reading.best.value, reading.reason) == ("", "")
    assert reading.best.probability > 0.98


@pytest.mark.parametrize(
    "texts", [{"": 0.99}, {"25": 0.9, "26": 0.05}, {"25": 0.3, "225": 0.25, "2": 0.2, "22": 0.2}]
)
def test_beside_strokes_of_no_digit_something_else_is_as_likely(texts: dict[str, float]) -> None:
    reading = read(write_values(draw_page(form()), form(), 1, {"no": "168"}), texts)
    assert reading.reason == STROKES
    assert sum(c.probability for c in reading.candidates) <= 0.5 + 1e-9
    assert reading.best.value == next(iter(texts))


def test_the_edge_of_a_shadow_is_nothing_written() -> None:
    page = draw_page(form())
    left, _, right, _ = box_px(form().cells[0].box, DRAWN_PX_PER_MM)
    page[:, (left + right) // 2 :] = page[:, (left + right) // 2 :] // 10 * 6
    page = np.asarray(cv2.GaussianBlur(page, (0, 0), 2), np.uint8)
    assert read(page, {"": 0.99}).reason == ""
