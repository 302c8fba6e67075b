"""The page on which fields are reviewed, in a browser."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_review import read_table, write_review, write_review_of_sums, write_table
from page_driver import serve_forms

from tenfold.data.folder import load_folder
from tenfold.forms.review_folder import review_folder

pytestmark = pytest.mark.browser

FIELDS = 18


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Six documents with three doubtful fields each."""
    table = tmp_path / "table.csv"
    write_table(table, write_review(review_folder(table)))
    return table


def open_page(browser: Any, address: str, name: str, **options: Any) -> Any:
    """Open the page and give a name, with the keyboard."""
    context = browser.new_context(**options)
    context.set_default_timeout(20_000)
    tab = context.new_page()
    tab.goto(address)
    tab.keyboard.type(name)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("body[data-ready]")
    return tab


def press(tab: Any, *keys: str) -> None:
    for key in keys:
        tab.keyboard.press(key)


def enter(tab: Any, count: int) -> None:
    """Accept doubtful fields as they are."""
    before = int(tab.locator("#bar").get_attribute("value"))
    for place in range(count):
        press(tab, "Enter")
        wait_for(tab, before + place + 1)


def wait_for(tab: Any, reviewed: int) -> None:
    tab.wait_for_selector(f'#bar[value="{reviewed}"]')


def test_the_keyboard_alone_is_enough(browser: Any, table: Path) -> None:
    with serve_forms("review", table, last=f"{table}\n") as address:
        tab = open_page(browser, address, "Ann")
        assert tab.locator("#place").inner_text() == "scan-0.png: total"
        press(tab, "5", "Enter")  # 40: the cursor is before the 4
        press(tab, "ArrowRight", "7", "Enter")  # 41
        press(tab, "ArrowDown", "Enter")  # 42, or 12
        press(tab, "x", "Enter")  # 43
        press(tab, "9", "Escape", "Enter")  # 44: changed, and restored
        wait_for(tab, 5)
        press(tab, "Escape")  # back to 44
        wait_for(tab, 4)
        assert tab.locator("#place").inner_text() == "scan-4.png: total"
        press(tab, "6", "6", "7", "Enter")  # longer than what was read
        wait_for(tab, 5)
        for _ in range(3):  # 45: a key that is held repeats
            tab.keyboard.down("Enter")
        tab.keyboard.up("Enter")
        wait_for(tab, 6)
        enter(tab, 6)  # the ids
        wait_for(tab, 12)
        press(tab, "Space", "Enter")  # a box that is not ticked
        wait_for(tab, 13)
        enter(tab, 5)
        wait_for(tab, FIELDS)
        tab.wait_for_selector("#done")
        assert tab.locator("#done-heading").inner_text() == "All is reviewed"
        tab.wait_for_selector("#table:has-text('table.csv')")
    rows = read_table(table)
    assert [row["total"] for row in rows.values()] == ["50", "47", "12", "", "667", "45"]
    assert [row["late"] for row in rows.values()] == ["false", *["true"] * 5]
    assert all(row["total.review"] == "false" for row in rows.values())
    # 40 was 50, 41 was 47, and 42 was 12; of the others nobody knows which digit is which.
    _, labels = load_folder(review_folder(table) / "corrections")
    assert labels.tolist() == [1, 5, 7]


def test_the_parts_of_a_sum_that_is_right_by_now_are_not_shown(
    browser: Any, tmp_path: Path
) -> None:
    table = tmp_path / "sums.csv"
    write_table(table, write_review_of_sums(review_folder(table)))
    with serve_forms("review", table, last=f"{table}\n") as address:
        tab = open_page(browser, address, "Ann")
        assert tab.locator("#place").inner_text() == "right.png: a"
        press(tab, "9", "Enter")  # 9 + 4 + 2 = 15
        tab.wait_for_selector("#progress:has-text('1 of 10 doubtful')")
        assert tab.locator("#place").inner_text() == "right.png: c"
        press(tab, "Enter")
        tab.wait_for_selector("#place:has-text('wrong.png: a')")
        press(tab, "Escape", "Escape")
        tab.wait_for_selector("#progress:has-text('0 of 12 doubtful')")
        enter(tab, 10)  # of a, 9 again
        tab.wait_for_selector("#done")


def test_two_people_lose_nothing(browser: Any, table: Path) -> None:
    with serve_forms("review", table, last=f"{table}\n") as address:
        tabs = [open_page(browser, address, name) for name in ("Ann", "Bob")]
        places = [tab.locator("#place").inner_text() for tab in tabs]
        assert places[0] != places[1]
        for _ in range(FIELDS):
            for tab in tabs:
                press(tab, "Enter")
                tab.wait_for_timeout(30)
        for tab in tabs:
            tab.wait_for_selector("#done", timeout=20_000)
        wait_for(tabs[0], FIELDS)
    lines = (review_folder(table) / "reviews.jsonl").read_text().splitlines()
    assert len(lines) == FIELDS
    assert {re.search(r'"who":"(\w+)"', line)[1] for line in lines} == {"Ann", "Bob"}  # type: ignore[index]


def test_a_review_goes_on_after_a_restart(browser: Any, table: Path) -> None:
    with serve_forms("review", table, last=f"{table}\n") as address:
        tab = open_page(browser, address, "Ann")
        press(tab, "5", "Enter", "Enter")
        wait_for(tab, 2)
    press(tab, "Enter")  # the server has gone
    tab.wait_for_selector("#error:not([hidden])")
    assert "still running" in tab.locator("#error").inner_text()
    assert tab.locator("#place").inner_text() == "scan-2.png: total"
    with serve_forms("review", table, last=f"{table}\n") as address:
        tab = open_page(browser, address, "Ann")
        assert tab.locator("#place").inner_text() == "scan-2.png: total"
        tab.reload()  # the browser knows the name
        tab.wait_for_selector("body[data-ready]")
        assert tab.locator("#who").inner_text() == "Ann"
    assert read_table(table)["scan-0.png"]["total"] == "50"


def test_accepted_fields_are_sampled(browser: Any, table: Path) -> None:
    with serve_forms("review", table, last=f"{table}\n") as address:
        tab = open_page(browser, address, "Ann")
        enter(tab, FIELDS)
        tab.wait_for_selector("#done")
        tab.click("#sample")
        tab.wait_for_selector("#place:has-text(': age')")
        for place in range(6):
            press(tab, "Enter")
            tab.wait_for_selector(f"#progress:has-text(' of {place + 1} others')")
        tab.wait_for_selector("#done")
        # 0.05 ** (1 / 6) is 0.61.
        found = tab.locator("#progress").inner_text()
        assert "0 of 6 others, chosen at random, were wrong: at most 39 % of the rest" in found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_accessibility(browser: Any, table: Path, axe: str, scheme: str, width: int) -> None:
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with serve_forms("review", table, last=f"{table}\n") as address:
        fresh = browser.new_context(bypass_csp=True, **options).new_page()
        fresh.goto(address)
        tab = open_page(browser, address, "Ann", bypass_csp=True, **options)

        def done() -> None:
            enter(tab, FIELDS)
            tab.wait_for_selector("#done")

        actions: list[Callable[[], Any]] = [
            lambda: None,
            lambda: tab.click("summary"),
            lambda: tab.click("#empty"),
            done,
        ]
        fresh.evaluate(axe)
        tab.evaluate(axe)
        pages = [fresh, *[tab] * len(actions)]
        for page, action in zip(pages, [lambda: None, *actions], strict=True):
            action()
            found = page.evaluate("axe.run()")
            problems = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]]
            assert problems == []
            overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(overflow)
