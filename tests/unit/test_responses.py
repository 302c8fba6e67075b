"""The objects of responses."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from tenfold.errors import DataError
from tenfold.reading.page import Digit, Number, Page
from tenfold.serving.responses import (
    MAX_EXPLAINED_SIDE_PX,
    PageResult,
    ReadResponse,
    page_result,
    response_body,
)

BOX = (10, 20, 210, 320)


def page_with_a_digit(pixels: np.ndarray) -> Page:
    probabilities = np.linspace(0, 0.9, 10, dtype=np.float32)
    digit = Digit(
        digit=9,
        probability=0.9,
        probabilities=probabilities,
        box=BOX,
        pixels=pixels,
        accepted=True,
    )
    number = Number(
        value="9", text="9", box=BOX, probability=0.97, alternatives=(), digits=(digit,)
    )
    return Page((number,))


def test_an_explanation_is_bounded_by_its_side() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (3000, 2000)).astype(np.uint8)
    result = page_result("a.png", page_with_a_digit(grey), explain=True)
    PageResult.model_validate(result)
    (digit,) = result["numbers"][0]["digits"]
    image = Image.open(io.BytesIO(base64.b64decode(digit["image"])))
    assert image.size == (round(MAX_EXPLAINED_SIDE_PX * 2 / 3), MAX_EXPLAINED_SIDE_PX)
    assert abs(np.asarray(image).mean() - grey.mean()) < 1
    assert digit["probabilities"] == [round(0.1 * k, 6) for k in range(10)]


def test_without_an_explanation_the_object_is_the_page_s() -> None:
    page = page_with_a_digit(np.zeros((28, 28), np.uint8))
    assert page_result(None, page, explain=False) == page.to_dict(None)


def test_an_error_is_a_page_without_numbers() -> None:
    result = page_result("a.png", DataError("no grid"), explain=True)
    nothing: dict[str, Any] = {"page": 1, "rows": None, "columns": None, "numbers": []}
    assert result == {"file": "a.png", **nothing, "error": "no grid"}
    PageResult.model_validate(result)


def test_the_size_of_a_table_is_that_of_a_file_of_one_page() -> None:
    table = page_result("a.pdf", Page((), grid=(30, 4)), explain=False)
    assert (table["rows"], table["columns"]) == (30, 4)
    one = ReadResponse.model_validate_json(response_body("field", [table], batch=False))
    assert (one.rows, one.columns) == (30, 4)
    several = ReadResponse.model_validate_json(response_body("field", [table] * 2, batch=False))
    assert (several.pages, several.rows, several.columns) == (2, None, None)
