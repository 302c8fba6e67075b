"""MNIST's test digits as people write them on paper: single digits, numbers and printed grids.

The strokes of MNIST, scanned at 20 pixels, are drawn again with other widths. Then the page is
photographed. These pictures measure a reader; nothing may be trained on them.

A picture depends on its index in its set alone: the first n of a set are the same for every n.
Another version of OpenCV may give other bytes.

Legend: `_hw` is float32[h, w], the coverage of each pixel by strokes or lines, 0 … 1.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.data.disputed_labels import disputed_labels
from tenfold.data.normalization import stroke_width
from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError
from tenfold.rendering.camera import Coverage, Page, photograph, stroke_contrast
from tenfold.rendering.paper import Appearance, sample_appearance
from tenfold.rendering.pen import arrange_line, redraw_digit, remove_specks
from tenfold.rendering.sampling import Random, bernoulli, log_uniform

if TYPE_CHECKING:
    from tenfold.data.digits import Digits

DOCUMENTS_VERSION = 1

PICTURE_SIDE_PX = (60, 400)
DIGIT_HEIGHT_PX = (20, 250)
NUMBER_HEIGHT_PX = (24, 140)
MAX_NUMBER_LENGTH = 8
HANDWRITING_HEIGHT_MM = (5, 10)
CELL_SIDE_PX = (30, 64)
CELL_SIDE_MM = (8, 12)
FILLED_SHARE = 0.4
GRID_SIDE, BLOCK_SIDE = 9, 3
# In grey levels. With less, strokes are lost in the sensor's noise of up to 6.
MIN_CONTRAST = 30
# In grey levels of MNIST's images: a stroke's edge, and the faintest pixels that connect strokes.
EDGE_LEVEL, FAINT_LEVEL = 127, 51

Image = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Composed = tuple[Pixels, Coverage]
"""A picture, and the coverage of its pixels by strokes."""


def digit_documents(digits: "Digits", n: int) -> Iterator[tuple[Pixels, str]]:
    """Photograph n single digits, 20 … 250 pixels high, in pictures of 60 … 400 pixels a side.

    Yields:
        uint8[h, w] or uint8[h, w, 3] (RGB), and the digit.

    Raises:
        DataError: there are no legible digits.
    """
    indices = _legible(digits)
    order = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, "order")).permutation(indices)
    for index, chosen in enumerate(itertools.islice(itertools.cycle(order), n)):
        image, label = digits.images[chosen].numpy(), str(int(digits.labels[chosen]))
        yield compose_legibly(functools.partial(compose_digit, image), "digit", index), label


def number_documents(digits: "Digits", n: int) -> Iterator[tuple[Pixels, str]]:
    """Photograph n numbers of 1 … 8 digits, each written by one pen on one line.

    Yields:
        uint8[h, w] or uint8[h, w, 3] (RGB), and the digits from left to right.

    Raises:
        DataError: there are no legible digits.
    """
    by_stroke = sorted_by_stroke_width(digits)
    for index in range(n):
        random = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, "number's digits", index))
        mine = of_one_pen(by_stroke, random)
        chosen = random.choice(mine, random.integers(1, MAX_NUMBER_LENGTH + 1))
        images = list(digits.images[chosen].numpy())
        text = "".join(str(label) for label in digits.labels[chosen].tolist())
        yield compose_legibly(functools.partial(compose_number, images), "number", index), text


def grid_documents(digits: "Digits", n: int) -> Iterator[tuple[Pixels, str]]:
    """Photograph n printed grids of 9 x 9 cells, two in five filled as a Sudoku's may be.

    Yields:
        uint8[h, w] or uint8[h, w, 3] (RGB), and 81 characters row by row, "." for an empty cell.

    Raises:
        DataError: there are no legible digits, or none of one of the digits 1 … 9.
    """
    by_stroke = sorted_by_stroke_width(digits)
    labels, cell_count = digits.labels.numpy(), GRID_SIDE**2
    for index in range(n):
        random = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, "grid's cells", index))
        solution, mine = _sample_sudoku(random), of_one_pen(by_stroke, random)
        cells: list[Image | None] = [None] * cell_count
        text = ["."] * cell_count
        for cell in random.permutation(cell_count)[: round(FILLED_SHARE * cell_count)]:
            digit = solution[cell]
            candidates = mine[labels[mine] == digit]
            if not len(candidates):
                candidates = by_stroke[labels[by_stroke] == digit]
            if not len(candidates):
                raise DataError(f"{digits.name}: has no {digit}; a grid needs 1 … 9")
            cells[cell] = digits.images[int(random.choice(candidates))].numpy()
            text[cell] = str(digit)
        picture = compose_legibly(functools.partial(compose_grid, cells), "grid", index)
        yield picture, "".join(text)


def compose_legibly(compose: Callable[[Random], Composed], *seed: int | str) -> Pixels:
    """Compose a picture, again with other draws until its strokes can be seen.

    Args:
        compose: makes a picture, and the coverage of its pixels by strokes.
        seed: seeds the draws; the number of the trial is added.

    Raises:
        DataError: the strokes could not be seen in 30 attempts.
    """
    for trial in range(30):
        random = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, *seed, trial))
        picture, strokes_hw = compose(random)
        if stroke_contrast(picture, strokes_hw) >= MIN_CONTRAST:
            return picture
    raise DataError(f"{' '.join(map(str, seed))}: no strokes to be seen; leave blank images out")


def compose_digit(image: Image, random: Random) -> Composed:
    """Draw one digit (uint8[28, 28], white on black) and photograph it."""
    height, width = sample_picture_shape(random)
    tall = float(np.clip(min(height, width) * random.uniform(0.25, 0.75), *DIGIT_HEIGHT_PX))
    stroke = _sample_stroke_width(tall, random)
    strokes_hw = redraw_digit(image, tall, stroke, random.uniform(-0.1, 0.1))
    page = Page(strokes_hw, pixels_per_mm=tall / random.uniform(*HANDWRITING_HEIGHT_MM))
    return photograph(page, sample_appearance(random), (height, width), random)


def compose_number(images: Sequence[Image], random: Random) -> Composed:
    """Draw digits (uint8[28, 28] each, white on black) on a line and photograph them."""
    tall = log_uniform(random, NUMBER_HEIGHT_PX)
    stroke, slant = _sample_stroke_width(tall, random), random.uniform(-0.25, 0.25)
    glyphs = [
        redraw_digit(
            image, tall * random.uniform(0.9, 1.08), stroke, slant + random.normal(0, 0.03)
        )
        for image in images
    ]
    kerned = bernoulli(random, 0.25)
    gap = max(3.0, tall * (random.uniform(0.08, 0.12) if kerned else random.uniform(0.12, 0.4)))
    page = Page(
        arrange_line(glyphs, gap, 0.035 * tall, random, kerned=kerned),
        pixels_per_mm=tall / random.uniform(*HANDWRITING_HEIGHT_MM),
        margin_px=max(3.0, 0.12 * tall),
    )
    look = sample_appearance(random, max_rotation_deg=5)
    return photograph(page, look, _shape_around(page, look, tall, random), random)


def compose_grid(cells: Sequence[Image | None], random: Random) -> Composed:
    """Print a grid, draw digits (uint8[28, 28] each) into its 81 cells and photograph it."""
    cell_px = int(random.integers(*CELL_SIDE_PX))
    print_hw, thick_px = _print_grid(cell_px, random)
    strokes_hw = np.zeros_like(print_hw)
    tall = cell_px * random.uniform(0.5, 0.7)
    stroke, slant = _sample_stroke_width(tall, random), random.uniform(-0.2, 0.2)
    for index, image in enumerate(cells):
        if image is None:
            continue
        glyph = redraw_digit(image, tall * random.uniform(0.88, 1.1), stroke, slant)
        slack = np.array([cell_px, cell_px]) - glyph.shape - 2 * thick_px
        shift = (slack / 2 * (1 + random.uniform(-0.5, 0.5, 2))).clip(0)
        corner = np.array(divmod(index, GRID_SIDE)) * cell_px + 3 * thick_px + shift
        row, column = np.rint(corner).astype(int)
        target = strokes_hw[row : row + glyph.shape[0], column : column + glyph.shape[1]]
        np.maximum(target, glyph[: target.shape[0], : target.shape[1]], out=target)
    page = Page(strokes_hw, cell_px / random.uniform(*CELL_SIDE_MM), print_hw, margin_px=3.0)
    look = dataclasses.replace(sample_appearance(random, max_rotation_deg=5), ruling="none")
    return photograph(page, look, _shape_around(page, look, cell_px, random), random)


def sample_picture_shape(random: Random) -> tuple[int, int]:
    """Draw a picture's height and width, 60 … 400 pixels, neither much longer than the other."""
    longer = log_uniform(random, PICTURE_SIDE_PX)
    shorter = max(PICTURE_SIDE_PX[0], longer * random.uniform(0.6, 1))
    height, width = random.permutation([round(longer), round(shorter)]).tolist()
    return height, width


def _sample_stroke_width(tall: float, random: Random) -> float:
    """Draw a pen's width in pixels, from ball pen to marker; small digits are not drawn thin."""
    return tall * random.uniform(0.06 if tall > 40 else 0.1, 0.16)  # noqa: PLR2004


def _shape_around(page: Page, look: Appearance, unit: float, random: Random) -> tuple[int, int]:
    """Choose a picture's height and width: the rotated page, and some background around it."""
    h, w = page.strokes_hw.shape
    angle = math.radians(look.tilt_deg[2])
    cos, sin = math.cos(angle), abs(math.sin(angle))
    down, across = unit * random.uniform(0.4, 2, 2)
    return round(h * cos + w * sin + down), round(w * cos + h * sin + across)


def _print_grid(cell_px: int, random: Random) -> tuple[Coverage, int]:
    """Print 9 x 9 cells with thick lines around blocks of 3 x 3; return how thick as well."""
    thin = max(1, round(cell_px * random.uniform(0.02, 0.04)))
    thick = max(thin + 1, round(thin * random.uniform(1.8, 3)))
    side = GRID_SIDE * cell_px + 4 * thick
    print_hw = np.zeros((side, side), np.float32)
    for line in range(GRID_SIDE + 1):
        width = thin if line % BLOCK_SIDE else thick
        start = 2 * thick + line * cell_px - width // 2
        across, along = slice(start, start + width), slice(2 * thick, side - 2 * thick)
        print_hw[across, along] = print_hw[along, across] = 1
    return print_hw, thick


def _sample_sudoku(random: Random) -> Indices:
    """Draw a solved Sudoku, int64[81]: a pattern with its bands, lines and digits shuffled."""
    rows, columns = (
        np.concatenate([BLOCK_SIDE * band + random.permutation(BLOCK_SIDE) for band in bands])
        for bands in (random.permutation(BLOCK_SIDE), random.permutation(BLOCK_SIDE))
    )
    pattern = (BLOCK_SIDE * (rows % BLOCK_SIDE) + rows // BLOCK_SIDE)[:, None] + columns
    solution: Indices = (1 + random.permutation(GRID_SIDE))[pattern % GRID_SIDE].ravel()
    return solution


def _legible(digits: "Digits") -> Indices:
    """Return the indices of the digits that a person can read: int64[n].

    Left out are those with disputed labels, and those whose strokes are broken. Only the bar of a
    5 may be apart from the rest.
    """
    disputed = set(disputed_labels(digits.sha256))
    images, labels = digits.images.numpy(), digits.labels.tolist()
    found = [
        index
        for index, (image, label) in enumerate(zip(images, labels, strict=True))
        if index not in disputed
        and 1 <= remove_specks(image > FAINT_LEVEL)[1] <= (2 if label == 5 else 1)  # noqa: PLR2004
    ]
    if not found:
        raise DataError(f"{digits.name}: has no digits to write; give at least one")
    return np.array(found)


def sorted_by_stroke_width(digits: "Digits") -> Indices:
    """Return the indices of the legible digits, from the thinnest strokes to the thickest."""
    indices = _legible(digits)
    widths = [stroke_width(image > EDGE_LEVEL) for image in digits.images[indices].numpy()]
    return indices[np.argsort(widths, kind="stable")]


def of_one_pen(by_stroke: Indices, random: Random) -> Indices:
    """Draw a fifth of the digits, with strokes of about the same width."""
    count = max(1, len(by_stroke) // 5)
    start = random.integers(len(by_stroke) - count + 1)
    return by_stroke[start : start + count]
