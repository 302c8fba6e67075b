"""What rendered forms ask for: the fields of eight kinds of forms and their rules."""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["digits", "number", "date", "grid", "mark"]
ToWrite = Literal["comb", "box", "line"]

PAGE_SIZES_MM = {"A4": (210.0, 297.0), "A5": (148.0, 210.0), "Letter": (215.9, 279.4)}
DATE_FORMATS = ("DD.MM.YYYY", "DD/MM/YYYY", "YYYY-MM-DD", "DD.MM.YY")
# Where the marks between the parts are not printed: a slash written by hand looks like a 1.
FREE_DATE_FORMATS = ("DD.MM.YYYY", "DD.MM.YY", "YYYY-MM-DD")


@dataclass(frozen=True)
class Item:
    """A field of a form, before it has a place on the page.

    Args:
        label: what is printed beside it; its name in the template is made of it.
        kind: as in a template.
        digits: how many there is room for, decimals included; of a grid, in each cell.
        rules: keys of the template's field besides name, page, box, kind and length.
        empty_share: how often it is left empty; a field with 0 is required.
        shape: rows and columns of a grid.
    """

    label: str
    kind: Kind
    digits: int = 0
    rules: dict[str, Any] = field(default_factory=dict)
    empty_share: float = 0.0
    shape: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """The field's name in the template."""
        words = "".join(c if c.isalnum() else " " for c in self.label.lower())
        return "_".join(words.split())


def _numbers(labels: str, digits: int, greatest: int) -> tuple[Item, ...]:
    rules = {"min": 0, "max": greatest}
    return tuple(Item(label, "number", digits, dict(rules)) for label in labels.split(", "))


def _marks(labels: str) -> tuple[Item, ...]:
    return tuple(Item(label, "mark") for label in labels.split(", "))


def _total(label: str, digits: int, parts: tuple[Item, ...]) -> Item:
    return Item(label, "number", digits, {"sum_of": [part.name for part in parts]})


DATE = Item("Date", "date")
TASKS = _numbers("Task 1, Task 2, Task 3, Task 4, Task 5, Task 6", 2, 20)
LISTS = _numbers("List A, List B, List C, List D, List E, Invalid", 4, 2999)
GOODS = _numbers("Boxes, Pallets, Crates, Barrels", 3, 999)
HOURS = _numbers("Mon, Tue, Wed, Thu, Fri", 2, 12)

THEMES: dict[str, tuple[Item, ...]] = {
    "Mark sheet": (
        Item("Student ID", "digits", 8, {"check": "luhn", "unique": True}),
        DATE,
        *TASKS,
        _total("Total", 3, TASKS),
        *_marks("Present, Repeated"),
    ),
    "Survey": (
        Item("Questionnaire no.", "digits", 6, {"unique": True}),
        Item("Postcode", "digits", 5, empty_share=0.2),
        Item("Age", "number", 2, {"min": 14, "max": 99}, empty_share=0.1),
        DATE,
        *_marks("Yes, No, Unsure, Retired, Employed, Student"),
        Item("Ratings 1 to 5", "grid", 1, {"min": 1, "max": 5}, shape=(8, 5)),
    ),
    "Tally sheet": (
        Item("Station", "digits", 4),
        DATE,
        Item("Counts", "grid", 2, {"min": 0, "max": 99}, 0.25, shape=(10, 5)),
        *_numbers("Cars, Bicycles", 3, 999),
        *_marks("Rain, Holiday"),
    ),
    "Meter card": (
        Item("Meter number", "digits", 9, {"check": "mod10", "unique": True}),
        Item("Reading kWh", "number", 6, {"decimals": 1, "min": 0, "max": 99999}),
        Item("Previous reading", "number", 5, {"min": 0, "max": 99999}, empty_share=0.3),
        Item("Date of reading", "date"),
        Item("Customer", "digits", 7, {"check": "mod11"}),
        *_marks("Moved, Estimated"),
    ),
    "Delivery note": (
        Item("Order", "digits", 10, {"check": "iso7064-mod97-10", "unique": True}),
        DATE,
        *GOODS,
        _total("All pieces", 4, GOODS),
        Item("Weight kg", "number", 5, {"decimals": 1, "min": 0, "max": 9999}, empty_share=0.15),
        *_marks("Complete, Damaged, Returned"),
    ),
    "Count of votes": (
        Item("District", "digits", 5, {"check": "verhoeff", "unique": True}),
        *LISTS,
        _total("All votes", 5, LISTS),
        *_marks("Recounted, Objection"),
    ),
    "Time sheet": (
        Item("Employee", "digits", 7, {"check": "iso7064-mod11-2", "unique": True}),
        Item("Week from", "date"),
        *HOURS,
        _total("Hours", 2, HOURS),
        Item("Cost centre", "digits", 4, {"values": ["1100", "1200", "2350", "4711"]}),
        *_marks("Night, Weekend"),
    ),
    "Measuring record": (
        Item("Sample", "digits", 6, {"check": "luhn", "unique": True}),
        DATE,
        Item("Temperature", "number", 3, {"decimals": 1, "sign": True, "min": -40, "max": 60}),
        Item("Length mm", "number", 4, {"decimals": 2, "min": 0, "max": 99}),
        Item("Series", "grid", 3, {"min": 0, "max": 999}, shape=(8, 4)),
        *_marks("Calibrated, Repeat"),
    ),
}
