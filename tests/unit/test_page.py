"""The page in a browser, as static files."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import templates, traced
from drawn_numbers import SCRIBBLE, picture_of, png, same, strokes_of
from page_driver import Page

from tenfold.data.digits import Digits
from tenfold.data.folder import load_folder
from tenfold.reading.reader import Reader
from tenfold.reading.single_digit import crop_digit


@pytest.mark.browser
class TestStatic:
    def test_each_digit(self, static: Page, reader: Reader) -> None:
        for digit in range(10):
            static.draw(strokes_of(digit), 0.7, 0.25, 0.5)
            assert static.text() == str(digit)
            same(static.numbers(), reader.read(static.picture()))
            static.clear()
        assert static.text() == ""

    def test_drawn_digits_are_read_as_by_the_reader(
        self, static: Page, reader: Reader, mnist_test: Digits
    ) -> None:
        images, labels = mnist_test.images.numpy()[:30], mnist_test.labels.numpy()[:30]
        right = 0
        for strokes, label in [*templates(30, seed=90), *traced(images, labels)]:
            static.draw(strokes, 0.6, 0.2, 0.55)
            shown = static.numbers()
            same(shown, reader.read(static.picture()))
            right += [d["digit"] for n in shown for d in n["digits"]] == [label]
            static.clear()
        assert right >= 57

    def test_offline_within_100_ms(self, static: Page) -> None:
        static.tab.context.set_offline(True)
        times = []
        for digit in range(10):
            static.draw(strokes_of(digit), 0.7, 0.25, 0.5)
            assert static.text() == str(digit)
            times.append(float(static.tab.locator("#draw").get_attribute("data-milliseconds")))
            static.clear()
        assert np.median(times) <= 100

    def test_a_scribble_is_rejected(self, static: Page) -> None:
        static.tab.select_option("#layout", "single")
        static.draw(SCRIBBLE, 0.5, 0.5, 0.3)
        [number] = static.numbers()
        assert number["reason"] == "not a digit"
        assert static.text() == "?"
        assert "not a digit" in static.tab.locator("#digits").inner_text()
        assert static.tab.locator("#status").inner_text() == "Not a digit"

    def test_paste_drop_and_upload(self, static: Page, reader: Reader) -> None:
        expected = reader.read(picture_of("361"))
        for event, source in (("paste", "clipboardData"), ("drop", "dataTransfer")):
            static.tab.evaluate(
                """([event, source, bytes]) => {
                    const carried = new DataTransfer();
                    const file = new File([new Uint8Array(bytes)], "n.png", { type: "image/png" });
                    carried.items.add(file);
                    const happens = event === "paste"
                        ? new ClipboardEvent(event, { clipboardData: carried })
                        : new DragEvent(event, { dataTransfer: carried });
                    document.dispatchEvent(happens);
                }""",
                [event, source, list(png(picture_of("361")))],
            )
            static.tab.wait_for_selector("#digits > li")
            same(static.numbers(), expected)
            static.clear()
        static.tab.set_input_files(
            "#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no picture"}
        )
        static.tab.wait_for_selector("#error:not([hidden])")
        assert "cannot show a.txt as a picture" in static.tab.locator("#error").inner_text()

    def test_the_camera(self, static: Page) -> None:
        static.tab.click("#camera")
        static.tab.wait_for_selector("#viewfinder[open]")
        static.tab.click("#shoot")
        static.tab.wait_for_selector("#undo:enabled")
        static.wait()
        assert not static.tab.locator("#viewfinder").is_visible()
        assert min(static.picture().shape[:2]) >= 100
        stopped = "document.getElementById('video').srcObject.getTracks()[0].readyState"
        assert static.tab.evaluate(stopped) == "ended"

    def test_drawing_on_a_picture(self, static: Page, reader: Reader) -> None:
        static.tab.set_input_files(
            "#file",
            {"name": "n.png", "mimeType": "image/png", "buffer": png(picture_of("36"))},
        )
        static.tab.wait_for_selector("#digits > li")
        static.draw(strokes_of(1), 1.3, 0.25, 0.5)
        same(static.numbers(), reader.read(static.picture()))
        assert static.tab.locator("#digits > li").count() == 3

    def test_a_drawn_grid_is_read_in_detail(self, static: Page) -> None:
        ends = np.array([0.0, 1.0])
        rules = [np.stack([ends, np.full(2, k / 4)], axis=1) for k in range(5)]
        grid = [*rules, *(rule[:, ::-1] for rule in rules)]
        static.tab.locator("#pen").fill("10")
        static.tab.select_option("#layout", "grid")
        static.draw(grid, 0.3, 0.1, 0.8)
        static.draw(strokes_of(4), 0.34, 0.14, 0.12)
        static.tab.wait_for_selector("#cells table")
        assert [len(row) for row in static.cells()] == [4] * 4
        assert min(static.picture().shape[:2]) > 150

    def test_touch(self, browser: Any, site: str) -> None:
        page = Page.open(
            browser, site, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
        )
        session = page.tab.context.new_cdp_session(page.tab)
        box = page.tab.locator("#canvas").bounding_box()
        for stroke in strokes_of(5):
            for index, (x, y) in enumerate(stroke.tolist()):
                point = {"x": box["x"] + 90 + 150 * x, "y": box["y"] + 60 + 180 * y}
                kind = "touchMove" if index else "touchStart"
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert page.text() == "5"
        assert page.tab.evaluate("scrollY") == 0, "a finger that draws must not scroll"
        assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.errors == []
        page.close()

    def test_drawing_by_keyboard(self, static: Page) -> None:
        keys = static.tab.keyboard
        for _ in range(4):
            keys.press("Tab")
            if static.tab.evaluate("document.activeElement.id") == "canvas":
                break
        for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "Space"):
            keys.press(key)
        for _ in range(14):
            keys.press("ArrowDown")
        keys.press("Space")
        assert static.text() == "1"
        assert static.tab.locator("#status").inner_text().startswith("Read 1")
        keys.press("7")
        assert static.text() == "7"
        keys.press("Control+z")
        assert static.text() == ""

    def test_corrections(self, static: Page, tmp_path: Path) -> None:
        tab = static.tab
        static.draw(strokes_of(1), 0.3, 0.25, 0.5)
        static.draw(strokes_of(4), 0.9, 0.25, 0.5)
        static.wait()
        images = [
            crop_digit(digit["image"]).image for n in static.numbers() for digit in n["digits"]
        ]
        tab.keyboard.press("7")
        assert static.text() == "74"
        assert not tab.locator("#kept").is_visible(), "nothing is kept by default"

        tab.check("#keep")
        tab.locator(".heading").nth(1).click()
        tab.keyboard.press("9")
        tab.wait_for_selector("#kept:not([hidden])")
        tab.locator(".heading").nth(0).click()
        tab.locator(".keys button").nth(2).click()
        tab.locator("#kept-count", has_text="2 corrections").wait_for()
        tab.locator(".heading").nth(0).click()
        tab.keyboard.press("1")
        assert static.text() == "19"
        tab.locator(".keys button", has_text="no digit").click()
        assert static.text() == "9"
        assert "no digit" in tab.locator(".verdict").all_inner_texts()[-2]

        tab.uncheck("#keep")  # what was kept can still be had, and deleted
        tab.reload()
        tab.wait_for_selector("#kept:not([hidden])")
        assert tab.locator("#kept-count").inner_text() == "2 corrections are kept."
        with tab.expect_download() as download:
            tab.click("#download")
        with zipfile.ZipFile(download.value.path()) as archive:
            assert archive.testzip() is None
            archive.extractall(tmp_path / "corrections")
        kept, labels = load_folder(tmp_path / "corrections", with_non_digits=True)
        assert labels.tolist() == [9, -1]
        np.testing.assert_allclose(kept.astype(int), np.array(images[::-1], int), atol=2)
        tab.click("#forget")
        tab.wait_for_selector("#kept", state="hidden")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1200, 380])
    def test_accessibility(
        self, browser: Any, site: str, axe: str, scheme: str, width: int
    ) -> None:
        page = Page.open(
            browser,
            site,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            bypass_csp=True,
        )
        page.tab.evaluate(axe)
        actions: list[Callable[[], Any]] = [
            lambda: None,
            lambda: page.draw(strokes_of(8), 0.1, 0.25, 0.5),
            lambda: page.draw(SCRIBBLE, 0.7, 0.5, 0.3),
            lambda: page.tab.click("summary"),
            lambda: page.tab.click("#tab-report"),
        ]
        for action in actions:
            action()
            page.wait()
            found = page.tab.evaluate("axe.run()")
            problems = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]]
            assert problems == []
        page.close()

    def test_dark_mode_draws_light_strokes_and_reads_the_same(
        self, browser: Any, site: str, reader: Reader
    ) -> None:
        page = Page.open(browser, site, color_scheme="dark", reduced_motion="reduce")
        page.draw(strokes_of(6), 0.7, 0.25, 0.5)
        assert page.text() == "6"
        assert page.picture().max() == 255
        same(page.numbers(), reader.read(page.picture()))
        moving = "getComputedStyle(document.querySelector('.bar')).transitionDuration"
        assert page.tab.evaluate(moving) == "0s"
        page.close()
