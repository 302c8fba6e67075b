"""Where numbers stand on a crop: free, alone, in boxes, in tables, on several lines, or nowhere."""

import dataclasses
from collections.abc import Callable

import numpy as np

from tenfold.rendering.boxes import comb, grid, rules_around, sample_ruler
from tenfold.rendering.clutter import cross_out
from tenfold.rendering.glyphs import LETTERS, Form, Glyph, Hand
from tenfold.rendering.layout import Layout
from tenfold.rendering.sampling import bernoulli, log_uniform, weighted_choice
from tenfold.rendering.scene import Box
from tenfold.rendering.writing import (
    FORMS,
    Spacing,
    centres,
    cut_to_width,
    draw_text,
    line_width,
    place_text,
    sample_digits,
    sample_hand,
    sample_number,
    sample_spacing,
)

SMALLEST_DIGIT_PX = 11.0
LARGE_DIGIT_PX = (140.0, 320.0)
# Of a table's cell, in heights of a digit.
CELL_HEIGHTS = (1.05, 3.0)
# Of what is drawn on a screen, in heights of a digit: digits of a number may be so far apart.
SCREEN_GAPS = (-0.05, 1.15)
SCREEN_STROKES = (0.05, 0.17)
SCREEN_FORMS: tuple[tuple[Form, float], ...] = (("template", 0.6), ("skeleton", 0.4))


def free_number(layout: Layout) -> Hand:
    """Write one number; half of them stand in a box, in a table or on a rule."""
    scene, random, hand = layout.scene, layout.random, layout.hand()
    w, h = scene.shape[1], scene.shape[0]
    longest = max(1, min(scene.max_labels, int(1.6 * w / layout.height_px)))
    text = list(sample_number(longest, random))
    beside = int(random.integers(1, 3)) if bernoulli(random, 0.12) else 0
    letters = [LETTERS[random.integers(len(LETTERS))] for _ in range(beside)]
    text = letters + text if bernoulli(random, 0.5) else text + letters
    glyphs = draw_text(text, hand, layout.source, random)
    spacing = sample_spacing(hand, random)
    arranged = centres(glyphs, hand, spacing, random)
    over_the_edge = bernoulli(random, 0.15)
    if not over_the_edge:
        glyphs, arranged = cut_to_width(glyphs, arranged, w - 4)
    width = line_width(glyphs, arranged)
    start = random.uniform(-0.5, 0.5) * (w - width - 4) - width / 2
    if over_the_edge:
        start = random.uniform(-w / 2 - 0.3 * width, w / 2 - 0.5 * width)
    slack = max(0.0, (h - 1.15 * layout.height_px) / 2)
    y = slack * random.uniform(-1, 1) * (1.0 if bernoulli(random, 0.9) else 1.5)
    half = layout.height_px / 2
    box = (start, y - half, start + width, y + half)
    if bernoulli(random, 0.5):
        rules_around(scene, box, layout.height_px, sample_ruler(random))
    struck = bernoulli(random, 0.04)
    place_text(scene, glyphs, arranged, (start, y), hand, labelled=not struck)
    if struck:
        cross_out(scene, box, layout.height_px, hand.darkness)
    return hand


def screen(layout: Layout) -> Hand:
    """Write a number as on a screen: with a thick pen, upright, wide apart, and often with 1s."""
    scene, random, height = layout.scene, layout.random, layout.height_px
    hand = dataclasses.replace(
        layout.even(layout.hand(SCREEN_FORMS)),
        stroke_px=height * random.uniform(*SCREEN_STROKES),
        unevenness=random.uniform(0, 1),
    )
    count = int(random.integers(1, 6))
    text = [digit if bernoulli(random, 0.7) else "1" for digit in sample_digits(count, random)]
    glyphs = draw_text(text, hand, layout.source, random)
    spacing = Spacing(height * random.uniform(*SCREEN_GAPS), height * random.uniform(0, 0.15))
    arranged = centres(glyphs, hand, spacing, random)
    glyphs, arranged = cut_to_width(glyphs, arranged, scene.shape[1] - 4)
    w, h = scene.shape[1] - 4 - line_width(glyphs, arranged), max(0, scene.shape[0] - 1.1 * height)
    start = (2 - scene.shape[1] / 2 + w * random.uniform(0, 1), h * random.uniform(-0.5, 0.5))
    place_text(scene, glyphs, arranged, start, hand)
    return hand


def single_digit(layout: Layout) -> Hand:
    """Write one digit alone, or in a box."""
    scene, random, hand = layout.scene, layout.random, layout.hand()
    glyph = layout.source.draw(sample_digits(1, random), hand, random)
    h, w = np.array(scene.shape) / 2 - 0.55 * np.array(glyph.coverage.shape)
    x, y = random.uniform(-max(w, 0), max(w, 0)), random.uniform(-max(h, 0), max(h, 0))
    half = layout.height_px / 2
    if bernoulli(random, 0.45):
        rules_around(
            scene, (x - half, y - half, x + half, y + half), layout.height_px, sample_ruler(random)
        )
    scene.place(glyph, (x, y), hand.darkness)
    return hand


def comb_boxes(layout: Layout) -> Hand:
    """Write digits into a row of boxes, some of which stay empty or are crossed out."""
    scene, random, hand = layout.scene, layout.random, layout.hand()
    pitch = layout.height_px * random.uniform(0.75, 1.7)
    height = layout.height_px * random.uniform(0.78, 1.75)
    ruler = sample_ruler(random)
    count = int(random.integers(1, max(2, int(scene.shape[1] / pitch) + 2)))
    boxes = comb(scene, min(count, scene.max_labels), pitch, height, ruler)
    empty = (0.0, 0.15, 0.5)[int(random.integers(3))]
    fill_cells(layout, boxes, hand, empty)
    return hand


def table(layout: Layout) -> Hand:
    """Write digits or short numbers into the cells of a table."""
    scene, random, hand = layout.scene, layout.random, layout.hand()
    height = layout.height_px * log_uniform(random, CELL_HEIGHTS)
    single = bernoulli(random, 0.6)
    pitch = (height * (random.uniform(0.8, 1.2) if single else random.uniform(1.5, 4)), height)
    cells = grid(scene, pitch, sample_ruler(random))
    if single:
        # A Sudoku is printed by one and filled in by another.
        other = layout.hand((("print", 1.0),) if bernoulli(random, 0.5) else FORMS)
        for cell in cells:
            fill_cells(layout, [cell], (other, hand)[random.integers(2)], empty=0.35)
            if bernoulli(random, 0.08):
                _write_small(layout, cell, hand)
        return hand
    for cell in cells:
        if bernoulli(random, 0.7):
            _write_in_cell(layout, cell, hand)
    return hand


def _write_small(layout: Layout, cell: Box, hand: Hand) -> None:
    """Write one to three small digits into a free corner of a cell, as solvers of Sudokus do."""
    scene, random = layout.scene, layout.random
    height = 0.4 * (cell[3] - cell[1])
    corner = scene.to_crop(cell[0] + 2, cell[1] + 2)
    count = int(random.integers(1, 4))
    box = (*corner, corner[0] + 0.7 * height * count, corner[1] + height)
    if height < SMALLEST_DIGIT_PX or not scene.is_free(box, 1):
        return
    small = dataclasses.replace(hand, height_px=height, stroke_px=max(1.0, 0.1 * height))
    glyphs = draw_text(sample_digits(count, random), small, layout.source, random)
    arranged = centres(glyphs, small, Spacing(0.1 * height, 0.02 * height), random)
    place_text(scene, glyphs, arranged, (cell[0] + 3, cell[1] + 2 + height / 2), small)


def _write_in_cell(layout: Layout, cell: Box, hand: Hand) -> None:
    random = layout.random
    width = cell[2] - cell[0]
    glyphs = draw_text(sample_number(4, random), hand, layout.source, random)
    arranged = centres(glyphs, hand, sample_spacing(hand, random), random)
    glyphs, arranged = cut_to_width(glyphs, arranged, width - 2)
    slack = width - line_width(glyphs, arranged)
    y = (cell[1] + cell[3]) / 2 + random.normal(0, 0.05) * layout.height_px
    place_text(layout.scene, glyphs, arranged, (cell[0] + slack * random.uniform(0, 1), y), hand)


def fill_cells(layout: Layout, cells: list[Box], hand: Hand, empty: float) -> None:
    """Write a digit into each cell but a share of empty ones; some of these are crossed out."""
    scene, random, unit = layout.scene, layout.random, layout.height_px
    off_centre = random.uniform(0.02, 0.14)
    for cell in cells:
        middle = np.array([cell[0] + cell[2], cell[1] + cell[3]]) / 2
        place = middle + random.normal(0, off_centre * unit, 2)
        at = (float(place[0]), float(place[1]))
        if bernoulli(random, empty):
            _empty_cell(layout, cell, at, hand)
        elif bernoulli(random, 0.05):
            digit = layout.source.draw(sample_digits(1, random), hand, random)
            scene.place(digit, at, hand.darkness, labelled=False)
            cross_out(scene, _shrunk(cell, 0.1), unit, hand.darkness)
        else:
            character = "-" if bernoulli(random, 0.03) else sample_digits(1, random)
            glyph = layout.source.draw(character, hand, random)
            scene.place(glyph, at, hand.darkness)


def _empty_cell(layout: Layout, cell: Box, at: tuple[float, float], hand: Hand) -> None:
    """Leave a cell empty, cross it out, or write a symbol that is no digit."""
    random = layout.random
    if bernoulli(random, 0.3):
        cross_out(
            layout.scene, _shrunk(cell, random.uniform(-0.1, 0.25)), layout.height_px, hand.darkness
        )
    elif bernoulli(random, 0.2):
        glyph = layout.source.draw(LETTERS[random.integers(len(LETTERS))], hand, random)
        layout.scene.place(glyph, at, hand.darkness, labelled=False)


def _shrunk(box: Box, share: float) -> Box:
    dx, dy = share * (box[2] - box[0]), share * (box[3] - box[1])
    return (box[0] + dx, box[1] + dy, box[2] - dx, box[3] - dy)


def several_lines(layout: Layout) -> Hand:
    """Write two or more lines of numbers, with rules between them or not."""
    scene, random = layout.scene, layout.random
    h, w = scene.shape
    height = min(layout.height_px, random.uniform(0.3, 0.42) * h)
    layout = dataclasses.replace(layout, height_px=height)
    hand = layout.hand()
    pitch = height * random.uniform(1.15, 1.9)
    first = -h / 2 + random.uniform(0.2, 0.8) * pitch
    ruler = sample_ruler(random) if bernoulli(random, 0.5) else None
    for y in np.arange(first, h / 2, pitch):
        if bernoulli(random, 0.2):
            hand = layout.hand()
        if ruler is not None:
            scene.rule((-w, y + pitch / 2), (w, y + pitch / 2), ruler)
        glyphs = draw_text(sample_number(6, random), hand, layout.source, random)
        arranged = centres(glyphs, hand, sample_spacing(hand, random), random)
        width = line_width(glyphs, arranged)
        place_text(scene, glyphs, arranged, (random.uniform(-0.5, 0.3) * w, y), hand)
        if width < w / 3 and bernoulli(random, 0.5):
            _second_column(layout, hand, (random.uniform(0.1, 0.25) * w, y))
    return hand


def _second_column(layout: Layout, hand: Hand, start: tuple[float, float]) -> None:
    random = layout.random
    glyphs: list[Glyph] = draw_text(sample_number(3, random), hand, layout.source, random)
    arranged = centres(glyphs, hand, sample_spacing(hand, random), random)
    right = max(box[2] for box in layout.scene.occupied) if layout.scene.occupied else 0.0
    if layout.scene.to_crop(*start)[0] > right + layout.height_px / 2:
        place_text(layout.scene, glyphs, arranged, start, hand)


def strokes_of_large_digits(layout: Layout) -> Hand:
    """Write one to three digits so large that their parts are no digits of this size."""
    scene, random = layout.scene, layout.random
    h, w = scene.shape
    for _ in range(int(random.integers(1, 4))):
        height = log_uniform(random, LARGE_DIGIT_PX)
        hand = sample_hand(height, scene.tilt, random)
        place = (random.uniform(-w / 2, w / 2), random.uniform(-h / 2, h / 2))
        glyph = layout.source.draw(sample_digits(1, random), hand, random)
        scene.place(glyph, place, hand.darkness, labelled=False)
    return layout.hand()


def nothing(layout: Layout) -> Hand:
    """Write no digit: blank paper, rules, empty and crossed-out boxes."""
    scene, random, hand = layout.scene, layout.random, layout.hand()
    ruler, unit = sample_ruler(random), layout.height_px
    kind = random.integers(4)
    if kind == 0:
        pitch = unit * random.uniform(0.8, 1.7)
        boxes = comb(scene, int(random.integers(1, 9)), pitch, unit * random.uniform(1, 1.7), ruler)
        for cell in boxes:
            _empty_cell(layout, cell, ((cell[0] + cell[2]) / 2, 0.0), hand)
    elif kind == 1:
        grid(scene, (unit * random.uniform(0.9, 4), unit * random.uniform(1, 2)), ruler)
    elif kind == 2:  # noqa: PLR2004
        x, y = random.uniform(-60, 60), random.uniform(-15, 15)
        rules_around(scene, (x - unit, y - unit / 2, x + unit, y + unit / 2), unit, ruler)
    return hand


LAYOUTS: tuple[tuple[Callable[[Layout], Hand], float], ...] = (
    (free_number, 0.34),
    (screen, 0.06),
    (single_digit, 0.12),
    (comb_boxes, 0.19),
    (table, 0.13),
    (several_lines, 0.08),
    (nothing, 0.05),
    (strokes_of_large_digits, 0.03),
)


def compose(layout: Layout) -> Hand:
    """Draw one of the layouts, and return one of its hands."""
    return weighted_choice(layout.random, LAYOUTS)(layout)
