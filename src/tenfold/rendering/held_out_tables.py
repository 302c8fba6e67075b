"""Whole tables to validate and measure a reader on: scanned or photographed, with known numbers.

They are written with the digits that are passed in: with those of MNIST's test or validation
images, nothing in them has been trained on. A picture depends on the name of its set and its index
alone; another version of OpenCV may give other bytes.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.rendering.exposure import expose, plain_exposure
from tenfold.rendering.glyphs import GlyphSource, Hand
from tenfold.rendering.held_out import Writer, even_hand, render_pictures
from tenfold.rendering.sampling import Random, bernoulli, log_uniform
from tenfold.rendering.scene import Ruler, Scene
from tenfold.rendering.tables import PRINTED
from tenfold.rendering.writing import (
    Spacing,
    centres,
    decimal,
    draw_text,
    fraction,
    line_width,
    negative,
    place_text,
    sample_digits,
    sample_hand,
    time_of_day,
)

if TYPE_CHECKING:  # it imports torch, which reading needs not
    from tenfold.data.digits import Digits

Edges = npt.NDArray[np.floating]
Rows = list[list[str]]

EMPTY_SHARE = 0.2
PRINTED_SHARE = 0.4  # of a puzzle's digits
NOTES_SHARE = 0.5  # of a puzzle's empty cells
# Of a cell.
NOTE_HEIGHTS = (0.22, 0.36)
NOTE_PLACES = (0.27, 0.73)
PUZZLE_BLUR = (0.0, 0.06)
NEGATIVE_SHARE = 0.3  # in a column with negative numbers
MAX_SIDE_PX = 2200


@dataclass(frozen=True)
class TableKind:
    """One kind of tables.

    Args:
        rows, columns: least and greatest count.
        max_digits: of a cell.
        photographed: seen from the side, on paper that is bent; else scanned.
        marked: half of the columns have decimals, fractions or times, or some negative numbers.
        puzzle: some digits are printed, small ones in empty cells are notes, and the picture may be
            out of focus.
        digit_heights: least and greatest, in heights of a cell.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    max_digits: int
    photographed: bool
    marked: bool = False
    puzzle: bool = False
    digit_heights: tuple[float, float] = (0.5, 0.7)


HELD_OUT_TABLES: dict[str, TableKind] = {
    "scanned tables": TableKind((5, 60), (2, 6), 4, photographed=False),
    "photographed tables": TableKind((5, 30), (2, 6), 4, photographed=True),
    "scanned tables with marks": TableKind((5, 60), (2, 6), 4, photographed=False, marked=True),
    "scanned grids": TableKind((4, 46), (4, 25), 1, photographed=False),
    "photographed grids": TableKind((4, 16), (4, 16), 1, photographed=True),
    "photographed puzzles": TableKind(
        (9, 9), (9, 9), 1, photographed=True, puzzle=True, digit_heights=(0.4, 0.65)
    ),
}


def held_out_tables(name: str, digits: "Digits", n: int) -> Iterator[tuple[Pixels, Rows]]:
    """Render the first n pictures of a set.

    Args:
        name: a key of `HELD_OUT_TABLES`.
        digits: images to write with.
        n: number of pictures.

    Yields:
        uint8[h, w], and the text of each cell, row by row; "" where it is empty.
    """
    return render_pictures(name, functools.partial(_render, HELD_OUT_TABLES[name]), digits, n)


def _render(kind: TableKind, writer: Writer) -> tuple[Pixels, Rows]:
    source, random = writer.source, writer.random
    counts = [int(random.integers(low, high + 1)) for low, high in (kind.rows, kind.columns)]
    unit = min(log_uniform(random, (26, 64)), 0.8 * MAX_SIDE_PX / max(counts[0], 1))
    digit_px = unit * random.uniform(*kind.digit_heights)
    if kind.max_digits == 1:
        unit = min(unit, 0.8 * MAX_SIDE_PX / counts[1])
        widths = np.full(counts[1], unit * random.uniform(0.9, 1.1))
    else:
        room = 0.85 * (kind.max_digits + kind.marked) * digit_px
        widths = room * random.uniform(1.15, 1.8, counts[1])
    columns: Edges = np.concatenate([[0.0], np.cumsum(widths)]) - widths.sum() / 2
    rows: Edges = (np.arange(counts[0] + 1) - counts[0] / 2) * unit
    scene = _scene((float(columns[-1] - columns[0]), float(rows[-1] - rows[0])), kind, random)
    _print_rules(scene, columns, rows, block=3 if kind.max_digits == 1 else 0)
    hand = even_hand(random, digit_px, scene.tilt)
    printed = sample_hand(digit_px, scene.tilt, random, PRINTED) if kind.puzzle else hand
    drawn = [_column_of_numbers(random) if kind.marked else sample_digits for _ in widths]
    texts: Rows = []
    for top in rows[:-1].tolist():
        texts.append([])
        for number, left, right in zip(drawn, columns[:-1], columns[1:], strict=True):
            length = int(random.integers(1, kind.max_digits + 1))
            text = "" if bernoulli(random, EMPTY_SHARE) else number(length, random)
            cell = (float(left), top, float(right), top + unit)
            if kind.puzzle and not text and bernoulli(random, NOTES_SHARE):
                _write_notes(scene, source, hand, cell)
            is_printed = kind.puzzle and bernoulli(random, PRINTED_SHARE)
            _write(scene, source, printed if is_printed else hand, text, cell)
            texts[-1].append(text.replace(",", "."))
    exposure = plain_exposure(random, digit_px)
    if kind.puzzle:
        exposure = dataclasses.replace(exposure, blur_px=unit * random.uniform(*PUZZLE_BLUR))
    return expose(scene, exposure, random), texts


def _column_of_numbers(random: Random) -> Callable[[int, Random], str]:
    """Return what draws the numbers of a column."""
    if bernoulli(random, 0.5):
        return sample_digits
    return (decimal, fraction, time_of_day, _now_and_then_negative)[int(random.integers(4))]


def _now_and_then_negative(count: int, random: Random) -> str:
    return (negative if bernoulli(random, NEGATIVE_SHARE) else sample_digits)(count, random)


def _scene(size: tuple[float, float], kind: TableKind, random: Random) -> Scene:
    """Return blank paper around a table of a size, and how it lies before the camera."""
    w, h = size
    degrees = random.normal(0, 4 if kind.photographed else 0.5)
    tilt = (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    slack = 1.35 if kind.photographed else 1.1
    across = abs(tilt[0]) * w + abs(tilt[1]) * h
    down = abs(tilt[1]) * w + abs(tilt[0]) * h
    shape = (int(down * slack) + 60, int(across * slack) + 60)
    scene = Scene(shape, tilt, random, max_labels=0)
    if kind.photographed:
        x, y = random.normal(0, 0.07, 2) / (max(w, h) / 2)
        scene.keystone = (float(x), float(y))
        scene.bend = random.normal(0, 1.0)
    return scene


def _print_rules(scene: Scene, columns: Edges, rows: Edges, block: int) -> None:
    """Print thin rules and a bold frame; every `block`th is bold, if it is not 0."""
    random = scene.random
    thin = Ruler(width_px=int(random.integers(1, 3)), darkness=random.uniform(0.35, 1))
    bold = dataclasses.replace(thin, width_px=thin.width_px + int(random.integers(0, 3)))
    for number, x in enumerate(columns.tolist()):
        is_bold = number in {0, len(columns) - 1} or (block and number % block == 0)
        scene.rule((x, rows[0]), (x, rows[-1]), bold if is_bold else thin)
    for number, y in enumerate(rows.tolist()):
        is_bold = number in {0, len(rows) - 1} or (block and number % block == 0)
        scene.rule((columns[0], y), (columns[-1], y), bold if is_bold else thin)


def _write_notes(scene: Scene, source: GlyphSource, hand: Hand, cell: tuple[float, ...]) -> None:
    """Write two to four small digits into different quarters of a cell."""
    random = scene.random
    left, top, right, bottom = cell
    height = (bottom - top) * random.uniform(*NOTE_HEIGHTS)
    small = dataclasses.replace(hand, height_px=height, stroke_px=max(1.0, 0.1 * height))
    quarters = random.permutation(list(itertools.product(NOTE_PLACES, NOTE_PLACES)))
    for x, y in quarters[: int(random.integers(2, len(quarters) + 1))].tolist():
        glyph = source.draw(sample_digits(1, random), small, random)
        place = (left + x * (right - left), top + y * (bottom - top))
        scene.place(glyph, place, hand.darkness, labelled=False)


def _write(
    scene: Scene, source: GlyphSource, hand: Hand, text: str, cell: tuple[float, ...]
) -> None:
    """Write a number somewhere in a cell."""
    random = scene.random
    spacing = Spacing(hand.height_px * random.uniform(0.06, 0.2), 0.02 * hand.height_px)
    glyphs = draw_text(text, hand, source, random)
    arranged = centres(glyphs, hand, spacing, random)
    left, top, right, bottom = cell
    slack = max(0.0, right - left - line_width(glyphs, arranged) - 0.2 * hand.height_px)
    x = left + 0.1 * hand.height_px + slack * random.uniform(0.2, 0.8)
    y = (top + bottom) / 2 + random.normal(0, 0.04) * hand.height_px
    place_text(scene, glyphs, arranged, (x, y), hand, labelled=False)
