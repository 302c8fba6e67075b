"""MNIST's test digits as if somebody had written them on a desk: pens, papers, shade, a camera.

Three sets: pictures of one digit, of numbers on a line, and of printed 9 x 9 grids that are partly
filled in. MNIST's strokes, scanned at 20 pixels, are drawn again as smooth ones of another width,
then photographed. All of it is for judging a reader of pictures; nothing may be trained on.

A picture depends on its place in its set alone: the first n of a set are the same whatever n is.
Another version of OpenCV may give other bytes.

Legend: `_hw` is float32[h, w], ink being 1 and nothing 0.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tenfold.data.digits import Digits
from tenfold.data.disputed_labels import disputed_labels
from tenfold.data.normalization import stroke_width
from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError
from tenfold.rendering.camera import CLEAR, Field, Pixels, Sheet, contrast, photograph
from tenfold.rendering.paper import Look, Random, chance, draw_look
from tenfold.rendering.pen import set_line, without_specks, write

DOCUMENTS_VERSION = 1

_SIDES = (60, 400)  # pixels of a picture of one digit
_HEIGHTS = (20, 250)  # pixels of a digit in it
_LINE = (24, 140)  # pixels of the digits of a number
_LONGEST = 8  # digits of a number
_WRITING = (5, 10)  # millimetres of handwriting's height
_GRID = 9
_BLOCK = 3
_CELL = (30, 64)  # pixels
_FILLED = 0.4  # share of the cells
_HALF = 127  # grey levels of a stroke's edge
_FAINT = 51  # of the faintest ink that holds a digit together
_WITH_BAR = 5

Composed = tuple[Pixels, Field]


def digit_documents(digits: Digits, n: int) -> Iterator[tuple[Pixels, str]]:
    """Photograph n single digits, 20 … 250 pixels high in pictures of 60 … 400.

    Yields:
        uint8[h, w] or uint8[h, w, 3] (RGB), and the digit.

    Raises:
        DataError: no digits, or one without ink.
    """
    usable = _usable(digits)
    order = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, "order")).permutation(usable)
    for index, chosen in enumerate(itertools.islice(itertools.cycle(order), n)):
        image, label = digits.images[chosen].numpy(), str(int(digits.labels[chosen]))
        yield legible(functools.partial(compose_digit, image), "digit", index), label


def number_documents(digits: Digits, n: int) -> Iterator[tuple[Pixels, str]]:
    """Photograph n numbers of 1 … 8 digits, each written by one pen on one line.

    Yields:
        uint8[h, w] or uint8[h, w, 3] (RGB), and the digits from left to right.

    Raises:
        DataError: no digits, or one without ink.
    """
    order = _by_stroke(digits)
    for index in range(n):
        random = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, "number's digits", index))
        chosen = random.choice(_alike(order, random), random.integers(1, _LONGEST + 1))
        images = list(digits.images[chosen].numpy())
        text = "".join(str(label) for label in digits.labels[chosen].tolist())
        yield legible(functools.partial(compose_number, images), "number", index), text


def grid_documents(digits: Digits, n: int) -> Iterator[tuple[Pixels, str]]:
    """Photograph n printed grids of 9 x 9 cells, two in five filled as a Sudoku's may be.

    Yields:
        uint8[h, w] or uint8[h, w, 3] (RGB), and 81 characters row by row, "." for an empty cell.

    Raises:
        DataError: no image of one of the digits 1 … 9, or one without ink.
    """
    order = _by_stroke(digits)
    labels = digits.labels.numpy()
    for index in range(n):
        random = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, "grid's cells", index))
        solution, alike = _solution(random), _alike(order, random)
        cells: list[npt.NDArray[np.uint8] | None] = [None] * _GRID**2
        text = ["."] * _GRID**2
        for cell in random.permutation(_GRID**2)[: round(_FILLED * _GRID**2)]:
            candidates = alike[labels[alike] == solution[cell]]
            if not len(candidates):  # in a small set
                candidates = order[labels[order] == solution[cell]]
            if not len(candidates):
                raise DataError(f"{digits.name}: has no {solution[cell]}; a grid needs 1 … 9")
            cells[cell] = digits.images[int(random.choice(candidates))].numpy()
            text[cell] = str(solution[cell])
        yield legible(functools.partial(compose_grid, cells), "grid", index), "".join(text)


def legible(compose: Callable[[Random], Composed], *parts: int | str) -> Pixels:
    """Compose a picture again, with other draws, until its ink stands out from its paper.

    Args:
        compose: makes a picture and says where its ink is.
        parts: what the draws are seeded by.

    Raises:
        DataError: thirty times nothing could be seen.
    """
    for attempt in range(30):
        random = np.random.default_rng(derive_seed(DOCUMENTS_VERSION, *parts, attempt))
        picture, ink_hw = compose(random)
        if contrast(picture, ink_hw) >= CLEAR:
            return picture
    raise DataError(f"{' '.join(map(str, parts))}: no ink to be seen; leave blank images out")


def compose_digit(image: npt.NDArray[np.uint8], random: Random) -> Composed:
    """Write one digit (uint8[28, 28], white on black) and photograph it.

    Returns:
        The picture, and where its ink is: float32[h, w].
    """
    height, width = draw_shape(random)
    tall = float(np.clip(min(height, width) * random.uniform(0.25, 0.75), *_HEIGHTS))
    ink_hw = write(image, tall, _stroke(tall, random), random.uniform(-0.1, 0.1))
    sheet = Sheet(ink_hw, pitch=tall / random.uniform(*_WRITING))
    return photograph(sheet, draw_look(random), (height, width), random)


def compose_number(images: Sequence[npt.NDArray[np.uint8]], random: Random) -> Composed:
    """Write digits on a line and photograph them: see `compose_digit`."""
    tall = float(np.exp(random.uniform(*np.log(_LINE))))
    stroke, slant = _stroke(tall, random), random.uniform(-0.25, 0.25)
    glyphs = [
        write(image, tall * random.uniform(0.9, 1.08), stroke, slant + random.normal(0, 0.03))
        for image in images
    ]
    close = chance(random, 0.25)
    gap = max(3.0, tall * (random.uniform(0.08, 0.12) if close else random.uniform(0.12, 0.4)))
    sheet = Sheet(
        set_line(glyphs, gap, 0.035 * tall, random, close=close),
        pitch=tall / random.uniform(*_WRITING),
        edge=max(3.0, 0.12 * tall),
    )
    look = draw_look(random, turn=5)
    return photograph(sheet, look, _frame(sheet, look, tall, random), random)


def compose_grid(cells: Sequence[npt.NDArray[np.uint8] | None], random: Random) -> Composed:
    """Print a grid, write digits into its cells and photograph it: see `compose_digit`."""
    cell = int(random.integers(*_CELL))
    print_hw, thick = _print_grid(cell, random)
    ink_hw = np.zeros_like(print_hw)
    tall = cell * random.uniform(0.5, 0.7)
    stroke, slant = _stroke(tall, random), random.uniform(-0.2, 0.2)
    for place, image in enumerate(cells):
        if image is None:
            continue
        glyph = write(image, tall * random.uniform(0.88, 1.1), stroke, slant)
        room = np.array([cell, cell]) - glyph.shape - 2 * thick
        shift = (room / 2 * (1 + random.uniform(-0.5, 0.5, 2))).clip(0)
        row, column = np.rint(np.array(divmod(place, _GRID)) * cell + 3 * thick + shift).astype(int)
        target = ink_hw[row : row + glyph.shape[0], column : column + glyph.shape[1]]
        np.maximum(target, glyph[: target.shape[0], : target.shape[1]], out=target)
    sheet = Sheet(ink_hw, cell / random.uniform(8, 12), print_hw, edge=3.0)
    look = dataclasses.replace(draw_look(random, turn=5), lines="none")
    return photograph(sheet, look, _frame(sheet, look, cell, random), random)


def draw_shape(random: Random) -> tuple[int, int]:
    """Draw a picture's height and width, 60 … 400 pixels, neither much longer than the other."""
    longer = np.exp(random.uniform(*np.log(_SIDES)))
    shorter = max(_SIDES[0], longer * random.uniform(0.6, 1))
    height, width = random.permutation([round(longer), round(shorter)]).tolist()
    return height, width


def _stroke(tall: float, random: Random) -> float:
    """Draw a pen's width in pixels: ball pen to marker; small digits are not drawn thin."""
    return tall * random.uniform(0.06 if tall > 40 else 0.1, 0.16)  # noqa: PLR2004


def _frame(sheet: Sheet, look: Look, unit: float, random: Random) -> tuple[int, int]:
    """Choose a picture's height and width: what is on the sheet, turned, and paper around it."""
    h, w = sheet.ink_hw.shape
    cos, sin = math.cos(math.radians(look.tilt[2])), abs(math.sin(math.radians(look.tilt[2])))
    down, across = unit * random.uniform(0.4, 2, 2)
    return round(h * cos + w * sin + down), round(w * cos + h * sin + across)


def _print_grid(cell: int, random: Random) -> tuple[Field, int]:
    """Print 9 x 9 cells with thick lines around blocks of 3 x 3; tell how thick."""
    thin = max(1, round(cell * random.uniform(0.02, 0.04)))
    thick = max(thin + 1, round(thin * random.uniform(1.8, 3)))
    side = _GRID * cell + 4 * thick
    print_hw = np.zeros((side, side), np.float32)
    for line in range(_GRID + 1):
        width = thin if line % _BLOCK else thick
        start = 2 * thick + line * cell - width // 2
        stroke = slice(start, start + width)
        print_hw[stroke, 2 * thick : side - 2 * thick] = 1
        print_hw[2 * thick : side - 2 * thick, stroke] = 1
    return print_hw, thick


def _solution(random: Random) -> npt.NDArray[np.int64]:
    """Draw a Sudoku's solution, int64[81]: a pattern with its bands, lines and digits shuffled."""
    lines = [
        np.concatenate([_BLOCK * band + random.permutation(_BLOCK) for band in bands])
        for bands in (random.permutation(_BLOCK), random.permutation(_BLOCK))
    ]
    pattern = (_BLOCK * (lines[0] % _BLOCK) + lines[0] // _BLOCK)[:, None] + lines[1]
    solution: npt.NDArray[np.int64] = (1 + random.permutation(_GRID))[pattern % _GRID].ravel()
    return solution


def _usable(digits: Digits) -> npt.NDArray[np.int64]:
    """Return the indices of the digits that a person can read: int64[n].

    Left out are those whose labels raters dispute, and those whose scan fell into pieces; only
    the bar of a 5 may stand apart.
    """
    disputed = set(disputed_labels(digits.sha256))
    usable = [
        index
        for index, (image, label) in enumerate(
            zip(digits.images.numpy(), digits.labels.tolist(), strict=True)
        )
        if index not in disputed
        and 1 <= without_specks(image > _FAINT)[1] <= (2 if label == _WITH_BAR else 1)
    ]
    if not usable:
        raise DataError(f"{digits.name}: has no digits to write; give at least one")
    return np.array(usable)


def _by_stroke(digits: Digits) -> npt.NDArray[np.int64]:
    """Return the indices of the usable digits, from the thinnest strokes to the thickest."""
    usable = _usable(digits)
    widths = [stroke_width(image > _HALF) for image in digits.images[usable].numpy()]
    return usable[np.argsort(widths, kind="stable")]


def _alike(order: npt.NDArray[np.int64], random: Random) -> npt.NDArray[np.int64]:
    """Draw a fifth of the digits with strokes of about the same width, as of one pen."""
    count = max(1, len(order) // 5)
    start = random.integers(len(order) - count + 1)
    return order[start : start + count]
