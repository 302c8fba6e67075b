"""The cells of a grid or a table on the page: over the picture, straightened, and corrected."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clear_digits import clear_digit, cropped, on_paper
from made_documents import plain, scanned
from page_driver import Page
from PIL import Image
from test_grid import MARGIN, SIDE, drawn_grid

from tenfold.data.folder import load_folder
from tenfold.reading.reader import Reader

DIGITS = {(0, 0): 1, (1, 2): 4, (2, 3): 7}
TABLE = on_paper(drawn_grid(3, 4, DIGITS), 0, 255)

pytestmark = pytest.mark.browser


def show(page: Page, layout: str = "table") -> None:
    """Upload the table, and wait for its cells."""
    page.tab.select_option("#layout", layout)
    page.upload(TABLE)
    page.tab.wait_for_selector("#cells table")
    page.wait()


def texts(reader: Reader, layout: Any = "table") -> list[list[str]]:
    return [[cell.text if cell else "" for cell in row] for row in reader.read(TABLE, layout).cells]


def cell(page: Page, row: int, column: int) -> Any:
    return page.tab.locator("#cells tr").nth(row).locator("input").nth(column)


def place(page: Page, row: int, column: int) -> tuple[float, float]:
    """Return where the middle of a cell is in the window: the canvas shows the picture whole."""
    box = page.tab.locator("#canvas").bounding_box()
    h, w = TABLE.shape
    scale = min(box["width"] / w, box["height"] / h)
    left = box["x"] + (box["width"] - w * scale) / 2
    top = box["y"] + (box["height"] - h * scale) / 2
    x, y = MARGIN + (column + 0.5) * SIDE, MARGIN + (row + 0.5) * SIDE
    return left + x * scale, top + y * scale


def screenshot(page: Page) -> np.ndarray:
    """Return what the window shows, uint8[h, w, 3]."""
    with Image.open(io.BytesIO(page.tab.screenshot())) as image:
        return np.asarray(image.convert("RGB"))


def focused(page: Page) -> str:
    found: str = page.tab.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")
    return found


def saved(page: Page) -> tuple[str, list[list[str]]]:
    """Return the name and the rows of the file that is saved."""
    with page.tab.expect_download() as download:
        page.tab.click("#save")
    content = Path(download.value.path()).read_bytes().decode()
    assert content.count("\r\n") == len(content.splitlines())
    return download.value.suggested_filename, list(csv.reader(io.StringIO(content)))


def test_a_table_on_the_page(browser: Any, site: str, reader: Reader, axe: str) -> None:
    shown = Page.open(browser, site, bypass_csp=True)
    expected = texts(reader)
    requested: list[str] = []
    shown.tab.context.on("request", lambda request: requested.append(request.url))
    show(shown)
    assert shown.cells() == expected
    assert sum(url.endswith("cells.onnx") for url in requested) == 1, "fetched when it is needed"
    assert "3 numbers in 3 rows and 4 columns" in shown.tab.locator("#status").inner_text()

    cell(shown, 1, 2).click()
    assert "row 2, column 3" in shown.tab.locator("#digits > li.selected").inner_text()
    shown.tab.keyboard.press("9")
    expected[1][2] = "9"
    assert shown.cells() == expected
    assert shown.tab.locator("#cells td.selected.corrected input").input_value() == "9"
    assert "1 corrected by you" in shown.tab.locator("#status").inner_text()
    assert saved(shown) == ("n.csv", expected)

    shown.tab.evaluate(axe)
    problems = shown.tab.evaluate("axe.run()")["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in problems] == []
    shown.clear()
    assert not shown.tab.locator("#save").is_visible()
    assert not shown.tab.locator("#cells").is_visible()
    assert shown.errors == []
    shown.close()


def test_cells_are_outlined_where_they_are_in_the_picture(static: Page, reader: Reader) -> None:
    show(static)
    for row, column in ((0, 0), (2, 3), (1, 0)):
        static.tab.mouse.click(*place(static, row, column))
        assert focused(static).startswith(f"Row {row + 1}, column {column + 1}")
        chosen = static.tab.locator("#cells td.selected")
        assert chosen.count() == 1
        assert chosen.evaluate("td => [td.parentNode.rowIndex, td.cellIndex]") == [row, column]
        static.tab.keyboard.type("5")
    expected = texts(reader)
    expected[0][0] = expected[2][3] = expected[1][0] = "5"
    assert static.cells() == expected
    seen = screenshot(static)
    x, y = map(int, place(static, 1, 0))  # it was empty, and is corrected: blue over white
    red, _, blue = seen[y, x].astype(int)
    assert blue > red + 20
    x, y = map(int, place(static, 1, 1))
    assert seen[y, x].tolist() == [255, 255, 255]


def test_the_cells_are_shown_straightened(static: Page) -> None:
    show(static)
    seen = screenshot(static).min(axis=2)
    darkest = {}
    for row in range(3):
        for column in range(4):
            box = cell(static, row, column).locator("..").bounding_box()
            left, top, right = box["x"], box["y"], box["x"] + box["width"]
            bottom = cell(static, row, column).bounding_box()["y"]
            inner = seen[int(top) + 7 : int(bottom) - 6, int(left) + 9 : int(right) - 8]
            darkest[row, column] = 255 - inner.min()
    assert {place for place, dark in darkest.items() if dark > 100} == set(DIGITS)
    assert max(dark for place, dark in darkest.items() if place not in DIGITS) < 60


def test_keys_go_through_the_cells(static: Page, reader: Reader) -> None:
    show(static)
    keys = static.tab.keyboard
    cell(static, 0, 0).focus()
    for key, name in (
        ("ArrowRight", "Row 1, column 2"),
        ("Tab", "Row 1, column 3"),
        ("Enter", "Row 2, column 3"),
        ("ArrowDown", "Row 3, column 3"),
        ("ArrowDown", "Row 3, column 3"),
        ("Shift+Enter", "Row 2, column 3"),
        ("ArrowLeft", "Row 2, column 2"),
        ("Shift+Tab", "Row 2, column 1"),
        ("ArrowUp", "Row 1, column 1"),
    ):
        keys.press(key)
        assert focused(static).startswith(name), key
    keys.press("Delete")
    assert focused(static) == "Row 1, column 1, corrected by you"
    for key in ("ArrowRight", "1", "2", ",", "x", "5", "Enter", "8"):
        keys.press(key)
    expected = texts(reader)
    read = expected[0][0]
    cell(static, 2, 0).fill("1,2,3")  # as a paste does: a comma would be a column of the CSV
    expected[0][0], expected[0][1], expected[1][1], expected[2][0] = "", "12.5", "8", "1.2.3"
    assert static.cells() == expected
    cell(static, 1, 1).focus()
    keys.press("Escape")
    expected[1][1] = ""
    cell(static, 0, 0).focus()
    keys.press("Escape")
    expected[0][0] = read
    assert static.cells() == expected
    assert saved(static)[1] == expected
    static.wait()
    assert static.tab.locator("#cells table").is_visible(), "Delete in a cell clears no picture"


def test_a_pen_still_draws_on_cells(static: Page) -> None:
    show(static)
    static.tab.mouse.move(*place(static, 0, 1))
    static.tab.mouse.down()
    static.tab.mouse.move(*place(static, 2, 1), steps=8)
    static.tab.mouse.up()
    static.wait()
    assert static.picture().shape[:2] == TABLE.shape
    assert (static.picture()[:, int(MARGIN + 1.5 * SIDE), 0] < 50).sum() > SIDE


def test_corrected_cells_are_kept_as_digits(static: Page, tmp_path: Path) -> None:
    show(static, "grid")
    tab = static.tab
    tab.check("#keep")
    cell(static, 1, 2).click()
    tab.keyboard.press("9")
    tab.keyboard.press("Enter")
    tab.locator("#kept-count", has_text="1 correction is kept").wait_for()
    cell(static, 0, 1).click()
    tab.keyboard.type("3")  # nothing was read there: no image
    cell(static, 2, 3).click()
    tab.keyboard.type("2")
    with tab.expect_download() as download:
        tab.click("#download")
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(tmp_path)
    _, labels = load_folder(tmp_path)
    assert sorted(labels.tolist()) == [2, 9]
    cell(static, 2, 3).focus()
    tab.keyboard.press("Escape")  # takes back the correction
    tab.locator("#kept-count", has_text="1 correction is kept").wait_for()
    tab.keyboard.press("Delete")  # what was read there is no digit
    tab.locator("#kept-count", has_text="2 corrections are kept").wait_for()
    with tab.expect_download() as download:
        tab.click("#download")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(name.split("/")[0] for name in archive.namelist()) == ["9", "none"]
    tab.click("#forget")
    tab.wait_for_selector("#kept", state="hidden")


def test_no_digit_of_several_in_a_cell_is_none(static: Page) -> None:
    counts = static.tab.evaluate(
        """async () => {
            const { digitCard } = await import("./result.js");
            const image = { w: 1, h: 1, data: [0] };
            const digit = { digit: 1, probability: 1, probabilities: Array(10).fill(0.1), image };
            const keys = (row, count) => digitCard(
                { digit, accepted: true, number: { row, digits: Array(count).fill(digit) } },
                { selected: true },
            ).querySelectorAll(".keys button").length;
            return [keys(null, 3), keys(0, 1), keys(0, 3)];
        }"""
    )
    assert counts == [11, 11, 10]


def test_rows_and_columns_are_asked_for(static: Page) -> None:
    show(static)
    static.tab.fill("#rows", "5")
    static.tab.keyboard.press("Tab")
    static.wait()
    error = static.tab.locator("#error")
    assert error.inner_text() == "Not read: found 3 x 4 cells, not 5 x any"
    assert not static.tab.locator("#cells").is_visible(), "no other reading is shown"
    static.tab.fill("#rows", "3")
    static.tab.keyboard.press("Tab")
    static.tab.wait_for_selector("#cells table")
    assert not error.is_visible()
    assert not static.tab.locator("#rule").is_visible(), "the browser knows no rules"
    static.tab.select_option("#layout", "numbers")
    static.wait()
    assert not static.tab.locator("#rows").is_visible()
    assert static.tab.locator("#digits > li").count() >= 1


def test_without_a_server_documents_are_refused_in_one_line(static: Page) -> None:
    static.upload_file("scan.pdf", "application/pdf", scanned(plain(0), "PDF"))
    static.tab.wait_for_selector("#error:not([hidden])")
    assert static.tab.locator("#error").inner_text() == (
        "Not read: this browser cannot show scan.pdf as a picture. "
        "It reads PNG, JPEG, WebP, GIF and BMP; `tenfold serve` also reads PDF and TIFF"
    )


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_a_document_is_read_page_by_page(served: Page, reader: Reader, kind: str) -> None:
    h, w = TABLE.shape
    document = scanned([TABLE, np.rot90(TABLE, 2), np.full((h, w), 255, np.uint8)], kind)
    served.tab.select_option("#layout", "table")
    media_type = {"PDF": "application/pdf", "TIFF": "image/tiff"}[kind]
    served.upload_file("scan.x", media_type, document)
    served.tab.wait_for_selector("#cells table")
    number = served.tab.locator("#page")
    assert number.inner_text() == "Page 1 of 3"
    assert served.tab.locator("#previous").is_disabled()
    assert served.cells() == texts(reader)
    cell(served, 0, 3).click()
    served.tab.keyboard.press("6")
    assert saved(served)[0] == "scan-page-1.csv"
    served.tab.click("#next")
    number.get_by_text("Page 2").wait_for()
    served.tab.wait_for_selector("#cells table")
    assert all("6" not in row for row in served.cells())
    served.tab.click("#previous")
    served.tab.wait_for_selector("#cells table")
    assert served.cells()[0][3] == "6", "corrections of a page stay"
    served.tab.mouse.click(*place(served, 2, 3))
    assert focused(served).startswith("Row 3, column 4")
    for _ in range(2):
        served.tab.click("#next")
        served.wait()
    assert "no grid or table" in served.tab.locator("#error").inner_text()
    assert number.inner_text() == "Page 3 of 3"
    assert served.tab.locator("#next").is_disabled()
    assert all("422" in error for error in served.errors)
    served.tab.route("**/v1/read*", lambda route: route.abort())
    served.tab.click("#previous")
    served.tab.locator("#error", has_text="the server does not answer").wait_for()
    assert number.inner_text() == "Page 2 of 3"
    served.tab.unroute("**/v1/read*")
    served.tab.click("#previous")
    served.tab.wait_for_selector("#cells table")
    assert served.cells()[0][3] == "6", "nor does a failure lose them"
    served.errors.clear()


def test_a_rule_is_the_server_s(served: Page) -> None:
    show(served)
    with served.tab.expect_request("**/v1/read*") as asked:
        served.tab.select_option("#rule", "row-sums")
    assert "rule=row-sums" in asked.value.url
    served.wait()
    assert served.tab.locator("#cells td.unsure").count() >= 1, "these are no sums"


def test_numbers_are_outlined_on_a_picture(static: Page) -> None:
    picture = np.full((100, 400), 255, np.uint8)
    one = on_paper(cropped(clear_digit(7, 32)), 0, 255)
    for left in (40, 300):
        picture[30 : 30 + one.shape[0], left : left + one.shape[1]] = one
    static.upload(picture)
    static.tab.wait_for_selector("#digits > li")
    static.wait()
    assert static.tab.locator("#digits > li").count() == 2
    box = static.tab.locator("#canvas").bounding_box()
    scale = box["width"] / 400
    y = box["y"] + box["height"] / 2 + scale * (30 + one.shape[0] / 2 - 50)
    for index, left in ((1, 300), (0, 40)):
        static.tab.mouse.click(box["x"] + scale * (left + one.shape[1] / 2), y)
        pressed = static.tab.locator(".heading").nth(index).get_attribute("aria-pressed")
        assert pressed == "true"
