"""The objects of responses."""

import base64
import io

import numpy as np
from PIL import Image

from tenfold.errors import DataError
from tenfold.reading.page import Digit, Number, Page
from tenfold.serving.responses import MAX_EXPLAINED_SIDE_PX, PageResult, page_result

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
    assert result == {"file": "a.png", "page": 1, "numbers": [], "error": "no grid"}
    PageResult.model_validate(result)
