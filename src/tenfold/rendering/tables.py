"""Pictures of grids and tables with the corners of every cell: training data.

A picture is a function of (seed, index) alone. With other versions of OpenCV, Pillow or
scikit-image it may have other bytes.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats
from tenfold.data.seeds import derive_seed
from tenfold.rendering import clutter
from tenfold.rendering.exposure import Exposure, expose, sample_exposure
from tenfold.rendering.glyphs import LETTERS, Form, Glyph, GlyphSource, Hand
from tenfold.rendering.ground import add_desk, add_fold
from tenfold.rendering.sampling import Random, bernoulli, log_uniform, weighted_choice
from tenfold.rendering.scene import Box, Scene
from tenfold.rendering.table_rules import Table, print_rules, table_beside
from tenfold.rendering.writing import FORMS, sample_hand

if TYPE_CHECKING:  # it imports torch, which reading needs not
    from tenfold.data.digits import Digits


PRINTED: tuple[tuple[Form, float], ...] = (("print", 1.0),)
DRAWN_DIGITS, DRAWN_LETTERS = 6, 2  # of a hand, each of them placed many times
# A cell has a label if its corners are in the picture, give or take this.
OUTSIDE_PX = 2.0
SUDOKU_SIDES = (9, 9, 9, 6, 4, 16)
BLOCK_SIDES = {16: 4, 9: 3, 6: 3, 4: 2}


@dataclass(frozen=True)
class TableConfig:
    """What is rendered.

    Args:
        side: of the picture, pixels.
        cell_height_px: least and greatest height of a cell.
        max_columns, max_rows: of a table that is no Sudoku.
    """

    side: int = 192
    cell_height_px: tuple[float, float] = (11.0, 48.0)
    max_columns: int = 24
    max_rows: int = 30


@dataclass(frozen=True, eq=False)
class TablePicture:
    """A rendered picture.

    Args:
        pixels: uint8[side, side].
        cells: float32[n, 4, 2]: x and y of the corners of each cell, clockwise from top left.
    """

    pixels: npt.NDArray[np.uint8]
    cells: Floats


class TableRenderer:
    """Renders pictures of tables.

    Args:
        digits: images of handwritten digits to fill them with.
        seed: another seed gives other pictures.
        config: sizes.
    """

    def __init__(self, digits: "Digits", seed: int, config: TableConfig = TableConfig()) -> None:
        self.source = GlyphSource(digits)
        self.seed = seed
        self.config = config

    def render(self, index: int) -> TablePicture:
        """Render one picture, the same for the same index in every process and order."""
        random = np.random.default_rng(derive_seed(self.seed, "table", index))
        side = self.config.side
        scene = _scene(side, random)
        unit = log_uniform(random, self.config.cell_height_px)
        tables = []
        if bernoulli(random, 0.9):
            tables.append(self._sample_table(unit, random))
            while bernoulli(random, 0.45):
                tables.append(table_beside(tables[-1], unit, random))
        cells = [self._draw(scene, table, unit) for table in tables]
        self._add_clutter(scene, 0.5 * unit, random)
        pixels = expose(scene, _exposure(scene, unit, random), random)
        corners = np.concatenate([np.zeros((0, 4, 2), np.float32), *cells])
        inside = (corners > -OUTSIDE_PX) & (corners < side + OUTSIDE_PX)
        return TablePicture(pixels, corners[inside.all(axis=(1, 2))])

    def _sample_table(self, unit: float, random: Random) -> Table:
        """Draw the rules of a table, of which at least a part is in the picture."""
        if bernoulli(random, 0.5):
            count = SUDOKU_SIDES[random.integers(len(SUDOKU_SIDES))]
            width = unit * random.uniform(0.75, 1.25)
            columns, rows = np.full(count, width), np.full(count, unit)
            bold = BLOCK_SIDES[count] if bernoulli(random, 0.85) else 0
        else:
            columns, rows, bold = self._sample_sizes(unit, random)
        edges = [np.concatenate([[0.0], np.cumsum(sizes)]) for sizes in (columns, rows)]
        half = self.config.side / 2
        for axis, edge in enumerate(edges):
            length = edge[-1]
            room = max(half - length / 2, 0.3 * length if bernoulli(random, 0.3) else 0.0)
            room = max(room, length / 2 - 0.6 * half)
            edges[axis] = edge - length / 2 + random.uniform(-room, room)
        return Table(edges[0].astype(np.float32), edges[1].astype(np.float32), bold)

    def _sample_sizes(self, unit: float, random: Random) -> tuple[Floats, Floats, int]:
        config = self.config
        columns = int(random.integers(1, config.max_columns + 1))
        rows = int(random.integers(1, config.max_rows + 1))
        if bernoulli(random, 0.2):
            columns, rows = (min(columns, 2), rows) if bernoulli(random, 0.3) else (columns, 1)
        width = unit * (
            random.uniform(0.7, 1.4) if bernoulli(random, 0.4) else random.uniform(1, 5)
        )
        spread = 0.4 if bernoulli(random, 0.5) else 0.0
        widths = width * np.exp(random.normal(0, spread, columns))
        heights = unit * np.exp(random.normal(0, 0.2 if bernoulli(random, 0.15) else 0.0, rows))
        bold = int(random.integers(2, 6)) if bernoulli(random, 0.2) else 0
        widths = widths.clip(0.7 * unit, 8 * unit)
        return widths.astype(np.float32), heights.astype(np.float32), bold

    def _draw(self, scene: Scene, table: Table, unit: float) -> Floats:
        """Print a table and fill it; return the corners of its cells in the picture."""
        random, cells = scene.random, table.cells()
        _shade(scene, cells)
        print_rules(scene, table, unit)
        self._fill(scene, cells, unit)
        corners = [
            [scene.to_crop(x, y) for x, y in ((a, b), (c, b), (c, d), (a, d))]
            for a, b, c, d in cells
        ]
        if bernoulli(random, 0.15):
            _cross_out_some(scene, cells, unit)
        return np.array(corners, np.float32)

    def _fill(self, scene: Scene, cells: list[Box], unit: float) -> None:
        random = scene.random
        height = unit * random.uniform(0.4, 0.85)
        hands = [
            sample_hand(height, scene.tilt, random, PRINTED if bernoulli(random, 0.45) else FORMS)
            for _ in range(2)
        ]
        glyphs = [self._glyphs(hand, random) for hand in hands]
        small = dataclasses.replace(hands[1], height_px=0.35 * unit, stroke_px=1.0)
        filled = weighted_choice(random, ((0.0, 0.1), (0.35, 0.4), (0.7, 0.25), (1.0, 0.25)))
        candidates = 0.12 if unit > 24 and bernoulli(random, 0.3) else 0.0  # noqa: PLR2004
        small_glyphs = self._glyphs(small, random) if candidates else []
        for left, top, right, bottom in cells:
            x, y = scene.to_crop((left + right) / 2, (top + bottom) / 2)
            if not (-unit < x < scene.shape[1] + unit and -unit < y < scene.shape[0] + unit):
                continue
            if not bernoulli(random, filled):
                if bernoulli(random, candidates):
                    middle = (left + 0.3 * unit, top + 0.25 * unit)
                    _write(scene, small_glyphs, small, middle, 2)
                continue
            which = int(random.integers(2))
            room = max(1, int((right - left) / (0.75 * height)))
            count = int(random.integers(1, min(room, 8) + 1))
            middle = ((left + right) / 2, (top + bottom) / 2 + random.normal(0, 0.06) * unit)
            _write(scene, glyphs[which], hands[which], middle, count)

    def _glyphs(self, hand: Hand, random: Random) -> list[Glyph]:
        names = [str(digit) for digit in random.permutation(10)[:DRAWN_DIGITS]]
        names += [LETTERS[k] for k in random.integers(0, len(LETTERS), DRAWN_LETTERS)]
        return [self.source.draw(name, hand, random) for name in names]

    def _add_clutter(self, scene: Scene, unit: float, random: Random) -> None:
        hand = sample_hand(max(10.0, unit), scene.tilt, random)
        for _ in range(int(random.integers(0, 4))):
            clutter.print_words(scene, random)
        for _ in range(int(random.integers(0, 3))):
            clutter.print_paragraph(scene, random)
        if bernoulli(random, 0.2):
            clutter.write_letters(scene, self.source, hand, random)
        if bernoulli(random, 0.1):
            clutter.doodle(scene, random)
        if bernoulli(random, 0.05):
            clutter.stamp(scene, random)
        if bernoulli(random, 0.25):
            add_desk(scene, random)
        if bernoulli(random, 0.1):
            add_fold(scene, random)
        if bernoulli(random, 0.2):
            clutter.specks(scene, random)


def _scene(side: int, random: Random) -> Scene:
    """Draw how the page lies before the camera."""
    turned = bernoulli(random, 0.2)
    angle = math.radians(random.uniform(-44, 44) if turned else random.normal(0, 4))
    scene = Scene((side, side), (math.cos(angle), math.sin(angle)), random, max_labels=0)
    if bernoulli(random, 0.5):
        steep = 0.3 if bernoulli(random, 0.2) else 0.14
        x, y = random.normal(0, steep, 2) / (side / 2)
        scene.keystone = (float(x), float(y))
    if bernoulli(random, 0.25):
        scene.bend = random.normal(0, 3)
    return scene


def _exposure(scene: Scene, unit: float, random: Random) -> Exposure:
    """Draw how the picture looks; some are out of focus, as those of old telephones."""
    scene.faintest = 0.5
    exposure = sample_exposure(scene, 0.5 * unit, random)
    if bernoulli(random, 0.25):
        exposure = dataclasses.replace(exposure, blur_px=unit * random.uniform(0.02, 0.09))
    return exposure


def _shade(scene: Scene, cells: list[Box]) -> None:
    """Tint some cells."""
    random = scene.random
    if not bernoulli(random, 0.15):
        return
    darkness, share = random.uniform(0.04, 0.35), random.uniform(0.05, 1)
    for cell in cells:
        if bernoulli(random, share):
            scene.shade(cell, darkness)


def _write(
    scene: Scene, glyphs: list[Glyph], hand: Hand, middle: tuple[float, float], count: int
) -> None:
    """Place some of the drawn characters side by side around a position on the page."""
    random = scene.random
    chosen = [glyphs[k] for k in random.integers(0, len(glyphs), count)]
    widths = [glyph.coverage.shape[1] + 0.06 * hand.height_px for glyph in chosen]
    x = middle[0] - sum(widths) / 2
    for glyph, width in zip(chosen, widths, strict=True):
        scene.place(glyph, (x + width / 2, middle[1]), hand.darkness, labelled=False)
        x += width


def _cross_out_some(scene: Scene, cells: list[Box], unit: float) -> None:
    for cell in cells:
        if bernoulli(scene.random, 0.05):
            clutter.cross_out(scene, cell, 0.5 * unit, scene.random.uniform(0.4, 1))
