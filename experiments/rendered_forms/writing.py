"""How a form is printed, and how a hand fills it in.

The page is a `Scene` whose middle is the middle of the page: nothing is turned or bent yet.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rendered_forms.layout import MARKS_MM, FormLayout, PlacedField, PrintedText, Style
from rendered_forms.values import TICKED, cell_names
from tenfold.errors import DataError
from tenfold.rendering.clutter import cross_out
from tenfold.rendering.documents import Indices, of_one_pen, sorted_by_stroke_width
from tenfold.rendering.glyphs import DIGITS, Form, Glyph, GlyphSource, Hand
from tenfold.rendering.pen import redraw_digit
from tenfold.rendering.sampling import Random, bernoulli, weighted_choice
from tenfold.rendering.scene import Box, Point, Ruler, Scene
from tenfold.rendering.typefaces import PRINTED_HEIGHT_PX, Typeface, printed_text
from tenfold.rendering.writing import Spacing, centres, line_width, place_text, sample_hand

if TYPE_CHECKING:  # it imports torch, which reading needs not
    from tenfold.data.digits import Digits

SKELETON: tuple[tuple[Form, float], ...] = (("skeleton", 1.0),)
PEN_MM = (0.3, 0.75)
# Of the smaller of a box's height and 1.3 times its width.
DIGIT_SHARE = (0.55, 0.8)
CROSSED_SHARE = 0.012
REWRITTEN_SHARE = 0.5  # of what is crossed out
LEAST_SHARE = 0.5  # of the height of digits that find no room


class Sheet:
    """A page of a form, with a scale."""

    def __init__(self, layout: FormLayout, pixels_per_mm: float, random: Random) -> None:
        self.layout, self.scale = layout, pixels_per_mm
        width, height = layout.size_mm
        self.shape = (round(height * pixels_per_mm), round(width * pixels_per_mm))
        self.scene = Scene(self.shape, (1.0, 0.0), random, max_labels=0)

    def at(self, x_mm: float, y_mm: float) -> Point:
        """Convert to the scene's positions: pixels from the middle of the page."""
        return x_mm * self.scale - self.shape[1] / 2, y_mm * self.scale - self.shape[0] / 2

    def box(self, box_mm: Box) -> Box:
        """Convert a box."""
        return (*self.at(*box_mm[:2]), *self.at(*box_mm[2:]))


def print_form(layout: FormLayout, pixels_per_mm: float) -> Sheet:
    """Print a form that nobody has written on."""
    sheet = Sheet(layout, pixels_per_mm, np.random.default_rng(0))
    style = layout.style
    ruler = Ruler(width_px=max(1, round(style.line_mm * pixels_per_mm)), darkness=style.darkness)
    for text in layout.texts:
        _print_text(sheet, text, style.typeface)
    for placed in layout.fields:
        for cell in placed.cells:
            _print_cell(sheet, cell, placed, ruler, style)
    width, height = layout.size_mm
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    for number, corner in enumerate(corners):
        _print_registration(sheet, number, corner)
    return sheet


def _print_text(sheet: Sheet, text: PrintedText, typeface: Typeface) -> None:
    scale = text.height_mm * sheet.scale / PRINTED_HEIGHT_PX
    x, y = (value * sheet.scale for value in text.left_bottom)
    for word in text.text.split(" "):  # each with its own baseline: `printed_text` crops
        large = printed_text(word, typeface)
        small = cv2.resize(large, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        drop = 0.25 * text.height_mm * sheet.scale if set(word) & set("gjpqyQ,") else 0.0
        sheet.scene.add(small.astype(np.float32), round(x), round(y + drop - small.shape[0]), 0.95)
        x += small.shape[1] + 0.5 * text.height_mm * sheet.scale


def _print_cell(sheet: Sheet, cell: Box, placed: PlacedField, ruler: Ruler, style: Style) -> None:
    left, top, right, bottom = sheet.box(cell)
    if placed.to_write == "line" or (placed.to_write == "comb" and style.ticks):
        sheet.scene.rule((left, bottom), (right, bottom), ruler)
        if placed.to_write == "comb":
            tick_top = bottom - 0.35 * (bottom - top)
            sheet.scene.rule((left, tick_top), (left, bottom), ruler)
            sheet.scene.rule((right, tick_top), (right, bottom), ruler)
    else:
        sheet.scene.frame((left, top, right, bottom), ruler)


def _print_registration(sheet: Sheet, number: int, corner: Point) -> None:
    """Print a mark into a corner of the page, if the form has such marks."""
    kind = sheet.layout.registration
    if kind not in MARKS_MM:
        return
    middle_mm, side_mm = MARKS_MM[kind]
    side = round(side_mm * sheet.scale)
    mark = np.ones((side, side), np.float32)
    if kind == "aruco":
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        mark -= cv2.aruco.generateImageMarker(dictionary, number, side) / np.float32(255)
    x, y = (edge + middle_mm if edge == 0 else edge - middle_mm for edge in corner)
    left, top = (round(value * sheet.scale - side / 2) for value in (x, y))
    sheet.scene.add(mark, left, top, 0.95)


@dataclass(frozen=True)
class Pen:
    """Who fills a form in, and with what.

    Args:
        writer: has the images of digits.
        digits: for each digit, indices of the images in this hand.
        hand: the pen; the height is that of the boxes that are written in.
        slant: of the digits.
        gap_share: between digits, of their height.
    """

    writer: "Writer"
    digits: tuple[Indices, ...]
    hand: Hand
    slant: float
    gap_share: float

    def draw(self, character: str, hand: Hand, random: Random) -> Glyph:
        """Draw a digit, or a mark of a number.

        Strokes of a digit neither break nor close: a 4 does not turn into a 9.
        """
        if character not in DIGITS:
            return self.writer.source.draw(character, hand, random)
        indices = self.digits[int(character)]
        image = self.writer.source.images[indices[random.integers(len(indices))]]
        height = hand.height_px * math.exp(random.normal(0, 0.05))
        slant = self.slant + random.normal(0, 0.03)
        return Glyph(character, redraw_digit(image, height, hand.stroke_px, slant))


class Writer:
    """Images of digits, from which each hand has those of about the same stroke width.

    Args:
        digits: all ten of them.

    Raises:
        DataError: one of the ten is missing, or none is legible.
    """

    def __init__(self, digits: "Digits") -> None:
        self.source = GlyphSource(digits)
        self._by_stroke = sorted_by_stroke_width(digits)
        for digit in range(len(DIGITS)):
            if digit not in self.source.labels[self._by_stroke]:
                raise DataError(f"{digits.name}: has no legible {digit}; a form needs 0 … 9")

    def sample_pen(self, pixels_per_mm: float, random: Random) -> Pen:
        """Draw a hand and a pen."""
        hand = sample_hand(
            10.0, (1.0, 0.0), random, SKELETON, lambda random: random.uniform(0.6, 1)
        )
        hand = dataclasses.replace(
            hand,
            stroke_px=max(1.0, random.uniform(*PEN_MM) * pixels_per_mm),
            unevenness=min(hand.unevenness, 1.0),
        )
        mine = of_one_pen(self._by_stroke, random)
        labels = self.source.labels
        digits = []
        for digit in range(len(DIGITS)):
            found = mine[labels[mine] == digit]
            whole = self._by_stroke[labels[self._by_stroke] == digit]
            digits.append(found if len(found) else whole)
        return Pen(self, tuple(digits), hand, random.uniform(-0.2, 0.2), random.uniform(0.05, 0.3))


def fill(sheet: Sheet, values: dict[str, str], pen: Pen, random: Random) -> dict[str, str]:
    """Write values on a form, some of them crossed out.

    Args:
        sheet: the printed form.
        values: by column of the table.
        pen: who writes.
        random: source of the draws.

    Returns:
        The values that a person would read: what is only crossed out is an empty field.
    """
    found = dict(values)
    for placed in sheet.layout.fields:
        name = placed.item.name
        if placed.item.kind == "mark":
            if values[name] == TICKED:
                _tick(sheet, placed.cells[0], pen, random)
        elif placed.item.kind == "grid":
            for key, cell in zip(cell_names(placed), placed.cells, strict=True):
                found[key] = _fill_field(sheet, values[key], [sheet.box(cell)], pen, random)
        else:
            boxes = [sheet.box(cell) for cell in placed.cells]
            found[name] = _fill_field(sheet, values[name], boxes, pen, random)
    return found


def _fill_field(sheet: Sheet, value: str, boxes: list[Box], pen: Pen, random: Random) -> str:
    """Write a value into a comb or into one box; return what the field says at the end."""
    if not value:
        return ""
    height = min(boxes[0][3] - boxes[0][1], 1.3 * (boxes[0][2] - boxes[0][0]))
    hand = dataclasses.replace(pen.hand, height_px=random.uniform(*DIGIT_SHARE) * height)
    pen = dataclasses.replace(pen, hand=hand)
    if not bernoulli(random, CROSSED_SHARE):
        _write(sheet, value, boxes, pen, random)
        return value
    wrong = "".join(str(random.integers(10)) if c.isdigit() else c for c in value)
    written = _write(sheet, wrong, boxes, pen, random)
    cross_out(sheet.scene, written, hand.height_px, hand.darkness)
    if not bernoulli(random, REWRITTEN_SHARE):
        return ""
    whole = boxes[-1]
    room = (written[2] + 0.3 * height, whole[1], whole[2], whole[3])
    if len(boxes) > 1 or room[2] - room[0] < 1.2 * (written[2] - written[0]):  # above the box
        top = boxes[0][1]
        room = (boxes[0][0], top - 0.75 * height, whole[2], top - 0.05 * height)
        pen = dataclasses.replace(pen, hand=dataclasses.replace(hand, height_px=0.6 * height))
    _write(sheet, value, [room], pen, random)
    return value


def _write(sheet: Sheet, value: str, boxes: list[Box], pen: Pen, random: Random) -> Box:
    """Write a value; return the box around it."""
    if len(boxes) == 1:
        return _write_freely(sheet, value, boxes[0], pen, random)
    written = [c for place, c in enumerate(value) if c.isdigit() or (c == "-" and not place)]
    used = boxes[len(boxes) - len(written) :]  # numbers end in the last box
    for character, (left, top, right, bottom) in zip(written, used, strict=True):
        glyph = pen.draw(character, pen.hand, random)
        width, height = right - left, bottom - top
        x = (left + right) / 2 + random.normal(0, 0.05) * width
        y = (top + bottom) / 2 + random.normal(0, 0.04) * height
        sheet.scene.place(glyph, (x, y), pen.hand.darkness, labelled=False)
    return (used[0][0], used[0][1], used[-1][2], used[-1][3])


def _write_freely(sheet: Sheet, value: str, box: Box, pen: Pen, random: Random) -> Box:
    """Write a value on a line in a box, smaller if there is little room."""
    left, top, right, bottom = box
    hand = pen.hand
    while True:
        glyphs = [pen.draw(character, hand, random) for character in value]
        spacing = Spacing(pen.gap_share * hand.height_px, 0.04 * hand.height_px)
        arranged = centres(glyphs, hand, spacing, random)
        width = line_width(glyphs, arranged)
        if width < 0.92 * (right - left) or hand.height_px < LEAST_SHARE * pen.hand.height_px:
            break
        hand = dataclasses.replace(hand, height_px=0.88 * hand.height_px)
    spare = max(0.0, right - left - width)
    start = left + spare * (
        random.uniform(0.1, 0.5) if len(value) > 1 else random.uniform(0.3, 0.7)
    )
    middle = (top + bottom) / 2 + random.normal(0, 0.04) * (bottom - top)
    place_text(sheet.scene, glyphs, arranged, (start, middle), hand, labelled=False)
    return (start, middle - hand.height_px / 2, start + width, middle + hand.height_px / 2)


def _tick(sheet: Sheet, cell: Box, pen: Pen, random: Random) -> None:
    """Tick a box: a cross, a check mark, or the box filled with a zigzag."""
    left, top, right, _ = np.array(sheet.box(cell))
    side = right - left
    kind = weighted_choice(random, (("cross", 0.5), ("check", 0.35), ("zigzag", 0.15)))
    if kind == "cross":
        lines = [[(0.1, 0.1), (0.9, 0.9)], [(0.9, 0.1), (0.1, 0.9)]]
    elif kind == "check":
        lines = [[(0.1, 0.5), (0.4, 0.85), (1.05, -0.1)]]
    else:
        lines = [[(0.1 + 0.1 * step, 0.1 + 0.8 * (step % 2)) for step in range(9)]]
    width_px = max(1, round(pen.hand.stroke_px))
    for line in lines:
        jittered = np.array(line) + random.normal(0, 0.07, (len(line), 2))
        points = [sheet.scene.to_crop(left + x * side, top + y * side) for x, y in jittered]
        sheet.scene.draw_line(points, round(255 * pen.hand.darkness), width_px)
