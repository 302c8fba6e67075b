"""The page in a browser, with a server."""

import json
from itertools import chain
from typing import Any

import pytest
from drawn_numbers import picture_of, same, strokes_of
from page_driver import Page, serve

from tenfold.data.digits import Digits
from tenfold.reading.reader import Reader
from tenfold.rendering.documents import grid_documents


def test_a_server_reads_what_is_drawn(served: Page, reader: Reader) -> None:
    for place, digit in enumerate((4, 0, 7)):
        served.draw(strokes_of(digit), 0.15 + 0.55 * place, 0.3, 0.45)
    assert served.text() == "407"
    same(served.numbers(), reader.read(served.picture()))
    assert served.tab.locator("#digits > li").count() == 3


@pytest.mark.browser
class TestServed:
    def test_an_http_error_is_shown_and_drawing_goes_on(self, served: Page) -> None:
        served.draw(strokes_of(4), 0.3, 0.3, 0.5)
        body = json.dumps({"error": "too many requests at once; try again in 1 s"})
        served.tab.route("**/v1/read*", lambda route: route.fulfill(status=503, body=body))
        served.draw(strokes_of(1), 1, 0.3, 0.5)
        served.wait()
        assert "too many requests" in served.tab.locator("#error").inner_text()
        served.tab.unroute("**/v1/read*")
        served.draw(strokes_of(7), 1.4, 0.3, 0.5)
        assert served.text() == "417"
        assert not served.tab.locator("#error").is_visible()
        assert all("503" in error for error in served.errors)
        served.errors.clear()

    def test_a_picture_is_sent_to_the_server_unchanged(self, served: Page, reader: Reader) -> None:
        served.upload(picture_of("52"))
        served.tab.wait_for_selector("#digits > li")
        same(served.numbers(), reader.read(picture_of("52")))

    def test_layouts(self, served: Page) -> None:
        served.draw(strokes_of(1), 0.3, 0.3, 0.5)
        served.draw(strokes_of(1), 0.9, 0.3, 0.5)
        assert served.text() == "11"
        served.tab.select_option("#layout", "single")
        served.wait()
        assert served.tab.locator("#digits > li").count() == 1
        served.tab.select_option("#layout", "grid")
        served.wait()
        assert "no grid" in served.tab.locator("#error").inner_text()
        assert all("422" in error for error in served.errors)
        served.errors.clear()

    def test_a_grid(self, served: Page, reader: Reader, tiny_digits: Digits) -> None:
        [(picture, label)] = grid_documents(tiny_digits, 1)
        served.tab.select_option("#layout", "grid")
        served.upload(picture)
        served.tab.wait_for_selector("#cells table")
        rows = served.cells()
        expected = reader.read(picture, "grid").cells
        assert rows == [[cell.text if cell else "" for cell in row] for row in expected]
        assert [len(row) for row in rows] == [9] * 9
        alike = [(a == "") == (b == ".") for a, b in zip(chain(*rows), label, strict=True)]
        assert sum(alike) >= 73

    def test_the_report_is_a_tab(self, served: Page) -> None:
        served.tab.click("#tab-report")
        frame = served.tab.frame_locator("#report iframe")
        assert frame.locator("h1").inner_text() == "The report of a run"
        served.tab.keyboard.press("ArrowLeft")
        assert served.tab.locator("#canvas").is_visible()

    def test_a_token(self, browser: Any) -> None:
        with serve(token="sesame") as address:
            tab = browser.new_context().new_page()
            tab.goto(address)
            tab.fill("#token", "sesame")
            tab.click("#token-form button")
            tab.wait_for_selector("#draw[data-ready]")
            page = Page(tab)
            page.draw(strokes_of(3), 0.5, 0.3, 0.5)
            assert page.text() == "3"
            page.close()
