"""The page of `tenfold read --explain`."""

import base64
import io
import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tenfold.reading.reader import Reader

from .drawn_pictures import Page, Tenfold, drawn, drawn_grid, save


def test_explain_writes_a_page_that_needs_nothing_else(tenfold: Tenfold, tmp_path: Path) -> None:
    path = save(tmp_path / "number.png", drawn("4071"))
    odd = save(tmp_path / "<b>&amp; co.png", drawn("6"))
    page = tmp_path / "page.html"
    ended = tenfold("read", path, odd, "--explain", page, "--json")
    assert (ended.code, ended.err) == (0, f"{page}\n")
    text = page.read_text()
    assert "url(" not in text
    shown = Page(text)
    assert "script" not in shown.tags
    assert "link" not in shown.tags
    assert "b" not in shown.tags
    for name, value in ((path, "4071"), (odd, "6")):
        (number,) = Reader.load().read(name).numbers
        assert f"{name}: {number.text}" in shown.words
        for character in value:
            assert f"{character}, " in shown.words  # a detection
    pictures = []
    for source in shown.sources:
        head, _, data = source.partition("base64,")
        assert head == "data:image/png;"
        pictures.append(Image.open(io.BytesIO(base64.b64decode(data))))
    assert len(pictures) == 2 + 5  # the two pictures, and five digits
    np.testing.assert_array_equal(np.asarray(pictures[0]), drawn("4071"))
    (number,) = Reader.load().read(path).numbers
    for picture, digit in zip(pictures[1:5], number.digits, strict=True):
        np.testing.assert_array_equal(np.asarray(picture), digit.pixels)


def test_explain_shows_the_foreground_and_the_image_of_a_single_digit(
    tenfold: Tenfold, tmp_path: Path
) -> None:
    path, page = save(tmp_path / "eight.png", drawn("8")), tmp_path / "page.html"
    assert tenfold("read", path, "--single", "--explain", page).code == 0
    shown = Page(page.read_text())
    assert f"{path}: 8" in shown.words
    assert "The foreground" in shown.words
    sizes = [
        Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2]))).size
        for source in shown.sources
    ]
    whole = drawn("8").shape[::-1]
    assert sizes == [whole, whole, (28, 28)]


def test_explain_draws_the_rules_of_a_grid_through_their_crossings(
    tenfold: Tenfold, tmp_path: Path
) -> None:
    path, page = save(tmp_path / "grid.png", drawn_grid({(0, 1): 5})), tmp_path / "page.html"
    assert tenfold("read", path, "--grid", "--explain", page).code == 0
    text = page.read_text()
    lines = [
        [tuple(map(float, point.split(","))) for point in points.split()]
        for points in re.findall(r'<polyline class="rule" points="([^"]*)"', text)
    ]
    at = [50, 150, 250, 350]
    expected = [[(x, y) for x in at] for y in at] + [[(x, y) for y in at] for x in at]
    np.testing.assert_allclose(lines, expected, atol=10)
    words = Page(text).words
    assert "row 1, column 2: 5" in words
    assert "The foreground" not in words


def test_detections_on_a_tilted_sheet_lie_where_its_digits_were_read(
    tenfold: Tenfold, tmp_path: Path
) -> None:
    sheet = cv2.copyMakeBorder(drawn("4071"), *(150,) * 4, cv2.BORDER_CONSTANT, value=255)
    h, w = sheet.shape
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), 20, 0.7)
    picture = cv2.warpAffine(sheet, turn, (w, h), borderValue=60)
    path = save(tmp_path / "tilted.png", np.asarray(picture, np.uint8))
    page = tmp_path / "page.html"
    assert tenfold("read", path, "--explain", page).code == 0
    boxes = [
        tuple(map(float, found))
        for found in re.findall(
            r'<rect[^>]* x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)"',
            page.read_text(),
        )
    ]
    (number,) = Reader.load().read(path).numbers
    assert number.value == "4071"
    for digit in number.digits:
        left, top, right, bottom = digit.box
        assert (left, top, right - left, bottom - top) in boxes


def test_a_page_that_cannot_be_written(tenfold: Tenfold, tmp_path: Path) -> None:
    path = save(tmp_path / "number.png", drawn("4071"))
    page = path / "page.html"
    ended = tenfold("read", path, "--explain", page, "--json")
    assert ended.code == 2
    assert ended.read == {"number.png": "4071"}
    assert ended.err.startswith(f"tenfold: {page}: cannot be written (")
    assert ended.err.count("\n") == 1
