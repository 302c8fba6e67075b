"""The page on which the fields of a form are drawn, in a browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from page_driver import serve_forms
from PIL import Image

from tenfold.forms.template import FormField
from tenfold.forms.template_parsing import load_template

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1200, "height": 1000}
PHONE = {"width": 390, "height": 844}
TOUCH = """([x, y, u, v]) => {
    const sheet = document.getElementById("sheet");
    sheet.setPointerCapture = () => {};
    const finger = { bubbles: true, pointerId: 1, pointerType: "touch", isPrimary: true };
    const send = (kind, clientX, clientY) =>
        sheet.dispatchEvent(new PointerEvent(kind, { ...finger, clientX, clientY }));
    send("pointerdown", x, y);
    send("pointermove", u, v);
    send("pointerup", u, v);
}"""


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A form of two pages in A4."""
    path = tmp_path / "sheet.tif"
    first, second = (Image.new("L", (420, 594), 255) for _ in range(2))
    first.paste(0, (40, 60, 168, 76))
    first.save(path, save_all=True, append_images=[second])
    return path


@dataclass
class Editor:
    """The page in a tab."""

    tab: Any

    def at(self, x_mm: float, y_mm: float) -> tuple[float, float]:
        """Return where a point of the page is in the window."""
        box = self.tab.locator("#sheet").bounding_box()
        return box["x"] + x_mm * box["width"] / 210, box["y"] + y_mm * box["height"] / 297

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the mouse, in mm of the page."""
        self.tab.mouse.move(*self.at(*start))
        self.tab.mouse.down()
        self.tab.mouse.move(*self.at(*end), steps=3)
        self.tab.mouse.up()

    def names(self) -> list[str]:
        """Return the names in the list of fields."""
        found: list[str] = self.tab.locator("#fields .name").all_inner_texts()
        return found

    def save(self) -> None:
        self.tab.click("#save")
        self.tab.wait_for_selector(
            "#status:has-text('is written. To read scans: tenfold forms read')"
        )


def open_page(browser: Any, address: str, **options: Any) -> Editor:
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    context.set_default_timeout(30_000)
    tab = context.new_page()
    tab.on("pageerror", lambda error: pytest.fail(str(error)))
    tab.goto(address)
    tab.wait_for_selector("body[data-ready]")
    tab.wait_for_function("document.getElementById('picture').complete")
    return Editor(tab)


def fields(path: Path) -> tuple[FormField, ...]:
    return load_template(path).fields


def test_fields_are_drawn_moved_and_resized(browser: Any, blank: Path) -> None:
    out = blank.with_name("form.toml")
    with serve_forms("new", blank, "--out", out) as address:
        editor = open_page(browser, address)
        editor.drag((20, 30), (84, 38))
        editor.tab.keyboard.type("student_id")
        editor.drag((60, 120), (20, 100))  # from the lower right corner
        editor.tab.keyboard.type("points")
        editor.tab.select_option("#field-kind", "grid")
        editor.tab.fill("#field-rows", "3")
        editor.drag((40, 110), (50, 130))  # the box itself
        editor.drag((70, 140), (90, 150))  # its corner
        editor.drag((100, 200), (100.5, 200.5))  # no more than a click
        editor.save()
    first, second = fields(out)
    assert (first.name, first.kind, first.length) == ("student_id", "digits", 10)
    assert first.box == pytest.approx((20, 30, 64, 8), abs=0.4)
    assert (second.name, second.kind, second.rows, second.columns) == ("points", "grid", 3, 2)
    assert second.box == pytest.approx((30, 120, 60, 30), abs=0.5)
    template = load_template(out)
    assert (template.registration, len(template.pages)) == ("blank", 2)


def test_the_keyboard_alone_is_enough(browser: Any, blank: Path) -> None:
    out = blank.with_name("form.toml")
    with serve_forms("new", blank, "--out", out) as address:
        editor = open_page(browser, address)
        press = editor.tab.keyboard.press
        editor.tab.focus("#add")
        press("Enter")
        editor.tab.keyboard.type("total")  # its name has the focus, and is replaced
        editor.tab.focus(".box")
        for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowUp"):
            press(key)
        press("Enter")  # to the name
        press("End")
        editor.tab.keyboard.type("_1")
        editor.tab.focus("#duplicate")
        press("Enter")
        assert editor.names() == ["total_1", "total_2"]
        editor.tab.focus("#fields li:nth-child(1) button")
        press("Enter")
        for value in ("33", "44"):
            editor.tab.focus("#field-box0")
            press("Control+a")
            editor.tab.keyboard.type(value)
        press("Control+s")
        editor.tab.wait_for_selector("#status:has-text('is written.')")
        editor.tab.focus(".box[aria-pressed=true]")
        press("Delete")
        assert editor.names() == ["total_2"]
    first, second = fields(out)
    assert (first.name, first.box) == ("total_1", (44, 21, 41, 7))
    assert (second.name, second.box) == ("total_2", (22, 30, 41, 7))


def test_the_selected_field_is_in_sight_in_a_long_list(browser: Any, blank: Path) -> None:
    in_sight = """(item) => {
        const [list, one] = [fields, item].map((element) => element.getBoundingClientRect());
        return list.top <= one.top && one.bottom <= list.bottom;
    }"""
    with serve_forms("new", blank, "--out", blank.with_name("form.toml")) as address:
        editor = open_page(browser, address)
        for row in range(9):
            editor.drag((20, 30 + 20 * row), (84, 40 + 20 * row))
        last, first = (editor.tab.locator(f"#fields li:{at}-child") for at in ("last", "first"))
        assert last.evaluate(in_sight)
        assert not first.evaluate(in_sight)
        editor.tab.focus(".box[data-index='0']")
        assert first.evaluate(in_sight)


def test_changes_are_undone_and_done_again(browser: Any, blank: Path) -> None:
    with serve_forms("new", blank, "--out", blank.with_name("form.toml")) as address:
        editor = open_page(browser, address)
        tab = editor.tab
        editor.drag((20, 30), (84, 38))
        tab.keyboard.type("id")
        tab.fill("#field-length", "5")
        tab.click("#add")
        tab.click("#delete")
        tab.click("#undo")  # the second field is back
        assert editor.names() == ["id", "field_1"]
        tab.click("#undo")
        assert editor.names() == ["id"]
        tab.keyboard.press("Control+z")  # the length
        assert tab.input_value("#field-length") == "10"
        tab.keyboard.press("Control+z")  # the name, which was typed at one go
        assert editor.names() == ["field_1"]
        tab.keyboard.press("Control+z")
        assert editor.names() == []
        assert tab.is_disabled("#undo")
        tab.keyboard.press("Control+y")
        tab.keyboard.press("Control+Shift+z")
        assert editor.names() == ["id"]


def test_what_is_wrong_is_said_beside_it(browser: Any, blank: Path) -> None:
    out = blank.with_name("form.toml")
    with serve_forms("new", blank, "--out", out) as address:
        editor = open_page(browser, address)
        tab = editor.tab
        tab.click("#save")
        assert "draw a field first" in tab.locator("#status").inner_text()
        editor.drag((20, 30), (84, 38))
        tab.keyboard.type("id")
        tab.fill("#field-length", "50")
        tab.wait_for_selector("#field-length-fault:has-text('less than or equal to 40')")
        assert tab.get_attribute("#field-length", "aria-invalid") == "true"
        tab.click("#save")
        tab.wait_for_selector("#fields .wrong")
        assert not out.exists()
        tab.fill("#field-length", "8")
        tab.wait_for_selector("#fields .wrong", state="detached")
        tab.click("#rules summary")
        tab.fill("#field-sum_of", "other")
        tab.wait_for_selector("#field-sum_of-fault:has-text(\"no field 'other'\")")
        tab.fill("#field-sum_of", "")
        tab.select_option("#field-kind", "grid")
        for name in ("rows", "columns"):
            tab.fill(f"#field-{name}", "60")
        tab.wait_for_selector("#status:has-text('fields: more than')")  # there is no input for it
        tab.select_option("#field-kind", "digits")
        tab.fill("#field-length", "8")
        tab.fill("#field-box2", "200")
        tab.wait_for_selector("#field-box0-fault:has-text('reaches beyond page 1')")
        tab.fill("#field-box2", "64")
        editor.save()
        out.write_text("somebody else's")
        tab.fill("#field-length", "7")
        tab.click("#save")
        tab.wait_for_selector("#error:has-text('changed by somebody else')")
    assert out.read_text() == "somebody else's"


def test_a_template_is_edited_with_what_the_page_does_not_show(browser: Any, blank: Path) -> None:
    out = blank.with_name("form.toml")
    out.write_text(
        'name = "a"\nregistration = "aruco"\nmark_inset_mm = 12.0\n'
        "[[pages]]\n[[pages]]\n"
        '[[fields]]\nname = "id"\npage = 2\nbox = [20, 30, 64, 8]\nkind = "digits"\nlength = 8\n'
        'values = ["00000001", "00000002"]\n'
    )
    with serve_forms("new", blank, "--out", out, "--edit") as address:
        editor = open_page(browser, address)
        editor.tab.click("#fields button")
        assert editor.tab.locator("#page").inner_text() == "Page 2 of 2"
        assert editor.tab.locator(".box").count() == 1
        editor.tab.fill("#field-page", "1")
        assert editor.tab.locator("#page").inner_text() == "Page 1 of 2"
        editor.save()
        advice = editor.tab.locator("#error").inner_text()
        assert "the blank form lacks ArUco markers" in advice
    template = load_template(out)
    (field,) = template.fields
    assert (template.mark_inset_mm, template.registration, template.blank) == (12, "aruco", None)
    assert (field.page, field.values) == (1, ("00000001", "00000002"))


def test_on_a_phone_a_finger_draws_when_it_is_to(browser: Any, blank: Path) -> None:
    with serve_forms("new", blank, "--out", blank.with_name("form.toml")) as address:
        editor = open_page(browser, address, viewport=PHONE, has_touch=True)
        points = [*editor.at(20, 30), *editor.at(84, 50)]
        editor.tab.evaluate(TOUCH, points)
        assert editor.names() == []  # it scrolls
        editor.tab.click("#draw")
        points = [*editor.at(20, 30), *editor.at(84, 50)]
        editor.tab.evaluate(TOUCH, points)
        assert editor.names() == ["field_1"]
        assert editor.tab.get_attribute("#draw", "aria-pressed") == "false"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_accessibility(
    browser: Any, blank: Path, axe: str, scheme: str, size: dict[str, int]
) -> None:
    with serve_forms("new", blank, "--out", blank.with_name("form.toml")) as address:
        options = {"viewport": size, "color_scheme": scheme, "bypass_csp": True}
        tab = open_page(browser, address, **options).tab
        tab.evaluate(axe)

        def begin() -> None:
            """Look at the page without any field."""

        def add_wrong() -> None:
            tab.click("#add")
            tab.fill("#field-length", "50")
            tab.wait_for_selector("#field-length-fault:not([hidden])")

        def open_all() -> None:
            for details in tab.locator("summary").all():
                details.click()

        for action in (begin, add_wrong, open_all):
            action()
            found = tab.evaluate("axe.run()")
            problems = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]]
            assert problems == []
            overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not tab.evaluate(overflow)
