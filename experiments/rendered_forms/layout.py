"""Where things stand on a rendered form: a template, and what is printed on its page.

All lengths are in millimetres of the page, from its top left corner.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from rendered_forms.themes import (
    DATE_FORMATS,
    FREE_DATE_FORMATS,
    PAGE_SIZES_MM,
    THEMES,
    Item,
    ToWrite,
)
from tenfold.data.seeds import derive_seed
from tenfold.rendering.sampling import Random, bernoulli, weighted_choice
from tenfold.rendering.scene import Box, Point
from tenfold.rendering.typefaces import COMMON_TYPEFACES, WORDS, Typeface

Registration = Literal["marks", "aruco", "blank"]

REGISTRATIONS: tuple[Registration, ...] = ("marks", "aruco", "blank")
SIDE_MARGIN_MM, TOP_MARGIN_MM, BOTTOM_MARGIN_MM = 24.0, 34.0, 24.0
GAP_MM, ROW_GAP_MM = 6.0, 9.0
# Of registration marks: distance of the middle from both edges of the page, and side.
MARKS_MM = {"marks": (12.0, 5.0), "aruco": (14.0, 11.0)}
GRID_CELL_MM = 5.5  # for each digit
TICK_BOX_MM = 5.0
LABEL_COLUMN_MM = 33.0
LABEL_CHARACTER_MM = 1.9  # of a label beside a box to tick
BETWEEN_BOXES = 0.5  # width of a printed point or slash, in boxes
BOX = "d"


@dataclass(frozen=True)
class Style:
    """How a form is printed.

    Args:
        typeface: of all text.
        label_mm: height of the digits of labels.
        labels_above: whether labels stand above fields, not left of them.
        cell_mm: width and height of a comb's boxes.
        line_mm: width of lines.
        darkness: of lines, 0 … 1.
        gap_mm: between the boxes of a comb; 0 where they share walls.
        ticks: combs are a line with short ticks.
    """

    typeface: Typeface
    label_mm: float
    labels_above: bool
    cell_mm: tuple[float, float]
    line_mm: float
    darkness: float
    gap_mm: float
    ticks: bool


@dataclass(frozen=True)
class PlacedField:
    """A field of a form with its place.

    Args:
        item: what it asks for.
        to_write: what is printed to write in.
        cells: a box for each character of a comb, for each cell of a grid; else one box.
        pattern: of a comb: `BOX` for each box, and what is printed between boxes.
        spec: the field of the template, as its TOML has it.
    """

    item: Item
    to_write: ToWrite
    cells: tuple[Box, ...]
    pattern: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class PrintedText:
    """Text on the page: left end of its baseline, and the height of its digits."""

    text: str
    left_bottom: Point
    height_mm: float


@dataclass(frozen=True)
class FormLayout:
    """A form before anybody has written on it.

    Args:
        name: of the template.
        size_mm: width and height of the page.
        registration: what tells where the page lies.
        style: how it is printed.
        fields: what can be filled in.
        texts: what is printed besides.
    """

    name: str
    size_mm: tuple[float, float]
    registration: Registration
    style: Style
    fields: list[PlacedField] = field(default_factory=list)
    texts: list[PrintedText] = field(default_factory=list)

    def template(self) -> dict[str, Any]:
        """Return the template as its TOML has it; the blank form is `blank.pdf` beside it."""
        width, height = self.size_mm
        marks = dict(
            zip(
                ("mark_inset_mm", "mark_size_mm"), MARKS_MM.get(self.registration, ()), strict=False
            )
        )
        return {
            "name": self.name,
            "registration": self.registration,
            "blank": "blank.pdf",
            **marks,
            "pages": [{"width_mm": width, "height_mm": height}],
            "fields": [placed.spec for placed in self.fields],
        }


def sample_layout(random: Random, index: int) -> FormLayout:
    """Draw a form; kinds of forms and of registration take turns with the index."""
    title = tuple(THEMES)[index % len(THEMES)]
    size = PAGE_SIZES_MM[weighted_choice(random, (("A4", 0.5), ("A5", 0.25), ("Letter", 0.25)))]
    registration = REGISTRATIONS[index % len(REGISTRATIONS)]
    style = _sample_style(random)
    layout = FormLayout(f"{title} {index}", size, registration, style)
    layout.texts.append(PrintedText(title, (SIDE_MARGIN_MM, 24.0), random.uniform(4, 6)))
    _Flow(layout, random).place(THEMES[title])
    _print_remarks(layout, random)
    return layout


def layout_of(seed: int, index: int) -> FormLayout:
    """Return the form of a seed and an index."""
    import numpy as np

    return sample_layout(np.random.default_rng(derive_seed(seed, "form", index)), index)


def _sample_style(random: Random) -> Style:
    ticks = bernoulli(random, 0.15)
    apart = not ticks and bernoulli(random, 0.3)
    return Style(
        typeface=COMMON_TYPEFACES[random.integers(len(COMMON_TYPEFACES))],
        label_mm=random.uniform(2.0, 2.6),
        labels_above=bernoulli(random, 0.5),
        cell_mm=(random.uniform(5.0, 6.6), random.uniform(6.5, 8.5)),
        line_mm=random.uniform(0.15, 0.4),
        darkness=random.uniform(0.3, 0.5) if bernoulli(random, 0.3) else random.uniform(0.6, 1),
        gap_mm=random.uniform(0.6, 1.5) if apart else 0.0,
        ticks=ticks,
    )


class _Flow:
    """Places fields from left to right and from top to bottom; what finds no room is left out."""

    def __init__(self, layout: FormLayout, random: Random) -> None:
        self.layout, self.random, self.style = layout, random, layout.style
        self.x, self.y, self.row_mm = SIDE_MARGIN_MM, TOP_MARGIN_MM, 0.0

    def place(self, items: tuple[Item, ...]) -> None:
        """Place fields, each with its label."""
        for item in items:
            spec: dict[str, Any] = {"kind": item.kind, **item.rules}
            to_write = self._sample_way(item)
            if item.kind == "date":
                formats = DATE_FORMATS if to_write == "comb" else FREE_DATE_FORMATS
                spec["format"] = formats[self.random.integers(len(formats))]
            pattern = _pattern(item, spec) if to_write == "comb" else ""
            cells, between = self._cells(item, spec, pattern)
            size = (max(cell[2] for cell in cells), max(cell[3] for cell in cells))
            corner = self._reserve(item, size)
            if corner is None:
                continue
            moved = tuple(_moved(cell, corner) for cell in cells)
            if "sum_of" in spec:  # of the fields that found room
                there = {placed.item.name for placed in self.layout.fields}
                spec["sum_of"] = [name for name in spec["sum_of"] if name in there]
            placed = PlacedField(item, to_write, moved, pattern, _finished(spec, item, moved))
            self.layout.fields.append(placed)
            for text, at in between:
                self._print(text, (corner[0] + at[0], corner[1] + at[1]))

    def _sample_way(self, item: Item) -> ToWrite:
        if item.kind in {"grid", "mark"}:
            return "box"
        if item.kind == "digits":
            return weighted_choice(self.random, (("comb", 0.75), ("box", 0.15), ("line", 0.1)))
        return weighted_choice(self.random, (("comb", 0.45), ("box", 0.35), ("line", 0.2)))

    def _cells(
        self, item: Item, spec: dict[str, Any], pattern: str
    ) -> tuple[list[Box], list[tuple[str, Point]]]:
        """Return the boxes of a field whose corner is (0, 0), and what is printed between them."""
        width, height = self.style.cell_mm
        if item.kind == "mark":
            return [(0.0, 0.0, TICK_BOX_MM, TICK_BOX_MM)], []
        if item.kind == "grid":
            rows, columns = item.shape
            wide = max(9.0, GRID_CELL_MM * item.digits + 2)
            return [
                (wide * column, height * row, wide * (column + 1), height * (row + 1))
                for row in range(rows)
                for column in range(columns)
            ], []
        if not pattern:
            signs = len(spec.get("format", "")) or item.digits + 1
            return [(0.0, 0.0, width * max(3.0, 1.05 * signs), height)], []
        cells: list[Box] = []
        between: list[tuple[str, Point]] = []
        x = 0.0
        for character in pattern:
            if character == BOX:
                cells.append((x, 0.0, x + width - self.style.gap_mm, height))
                x += width
            else:
                between.append((character, (x + 0.15 * width, 0.8 * height)))
                x += BETWEEN_BOXES * width
        return cells, between

    def _reserve(self, item: Item, size: Point) -> Point | None:
        """Find room for a field and print its label; return its top left corner."""
        style, (page_width, page_height) = self.layout.style, self.layout.size_mm
        is_mark = item.kind == "mark"
        above = style.labels_above and not is_mark
        before = 0.0 if above or is_mark else LABEL_COLUMN_MM
        after = LABEL_CHARACTER_MM * len(item.label) + 3 if is_mark else 0.0
        header = 1.9 * style.label_mm if above else 0.0
        width = before + size[0] + after
        if self.x > SIDE_MARGIN_MM and self.x + width > page_width - SIDE_MARGIN_MM:
            self.x, self.y, self.row_mm = SIDE_MARGIN_MM, self.y + self.row_mm + ROW_GAP_MM, 0.0
        if (
            self.x + width > page_width - SIDE_MARGIN_MM
            or self.y + header + size[1] > page_height - BOTTOM_MARGIN_MM
        ):
            return None
        corner = (self.x + before, self.y + header)
        baseline = self.y + style.label_mm if above else self.y + min(size[1], 9.0) * 0.65
        label_x = corner[0] + size[0] + 1.5 if is_mark else self.x
        self._print(item.label, (label_x, baseline))
        self.x += width + GAP_MM
        self.row_mm = max(self.row_mm, header + size[1])
        return corner

    def _print(self, text: str, left_bottom: Point) -> None:
        self.layout.texts.append(PrintedText(text, left_bottom, self.style.label_mm))


def _pattern(item: Item, spec: dict[str, Any]) -> str:
    """Return what a comb looks like: boxes, and printed marks between them."""
    if item.kind == "date":
        return "".join(BOX if c.isalpha() else c for c in spec["format"])
    boxes = BOX * (item.digits + bool(spec.get("sign")))
    decimals = spec.get("decimals", 0)
    return f"{boxes[decimals:]},{BOX * decimals}" if decimals else boxes


def _moved(box: Box, by: Point) -> Box:
    return (box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1])


def _finished(spec: dict[str, Any], item: Item, cells: tuple[Box, ...]) -> dict[str, Any]:
    """Return the field of the template; its box holds all its cells."""
    left, top = min(cell[0] for cell in cells), min(cell[1] for cell in cells)
    right, bottom = max(cell[2] for cell in cells), max(cell[3] for cell in cells)
    box = [round(value, 2) for value in (left, top, right - left, bottom - top)]
    found: dict[str, Any] = {"name": item.name, "page": 1, "box": box, **spec}
    if item.kind == "digits":
        found["length"] = item.digits
    if item.kind == "grid":
        found["rows"], found["columns"] = item.shape
    if item.kind != "mark" and not item.empty_share:
        found["required"] = True
    return found


def _print_remarks(layout: FormLayout, random: Random) -> None:
    """Print two lines of small text under the title, as forms have."""
    for line in range(2):
        words = " ".join(WORDS[random.integers(len(WORDS))] for _ in range(6))
        at = (SIDE_MARGIN_MM, 27.0 + 2.5 * line)
        layout.texts.append(PrintedText(words, at, 1.4))
