"""Images for outlier exposure: non-digits, printed digits and drawn digits, normalised as MNIST's.

Letters and symbols are printed, in the fonts of matplotlib, which need no installation of their
own, or written by hand, from stroke templates. Scribbles and doodles are polylines through random
points.
"""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from tenfold.data.mnist import SIDE
from tenfold.data.normalization import normalize_digit
from tenfold.data.seeds import derive_seed
from tenfold.rendering.fonts import LETTERS
from tenfold.rendering.glyphs import LETTERS as WRITTEN_LETTERS
from tenfold.rendering.glyphs import TEMPLATES
from tenfold.rendering.sampling import Random, bernoulli
from tenfold.rendering.strokes import (
    CANVAS_SIDE_PX,
    Canvas,
    catmull_rom,
    draw_digit,
    draw_polylines,
    draw_template,
)
from tenfold.rendering.typefaces import matplotlib_font

# Of letters written by hand y and z stay: in rendered fields they are no digits either.
WRITTEN = tuple(name for name in WRITTEN_LETTERS if name not in {"a", "e", "T"})
SYMBOLS = "#%&@?+*=<>{}[]~^$"

# Wide enough for the widest character of the fonts, with its overhang.
CHARACTER_CANVAS_PX = 144
FONT_SIZE_PX = 72
MATPLOTLIB_FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic"),
    *("DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol"),
    *("cmr10", "cmss10", "cmtt10", "cmti10", "cmmi10", "cmb10"),
)


def non_digits(n: int, seed: int) -> Tensor:
    """Draw non-digits: uint8[n, 28, 28], white on black, the same for the same seed."""
    random = np.random.default_rng(derive_seed(seed, "negatives"))
    chosen = random.choice(len(KINDS), n, p=[share for _, share in KINDS])
    return _normalized(KINDS[kind][0](random) for kind in chosen)


def printed_digits(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw digits in printed fonts: uint8[n, 28, 28], white on black, and labels int64[n]."""
    random = np.random.default_rng(derive_seed(seed, "printed"))
    labels = random.integers(0, 10, n)
    images = _normalized(_print_text(str(label), random) for label in labels)
    return images, torch.from_numpy(labels)


def drawn_digits(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw digits from stroke templates: uint8[n, 28, 28], white on black, and labels int64[n]."""
    random = np.random.default_rng(derive_seed(seed, "drawn"))
    labels = random.integers(0, 10, n)
    images = _normalized(draw_digit(int(label), random) for label in labels)
    return images, torch.from_numpy(labels)


def _normalized(canvases: Iterable[Canvas]) -> Tensor:
    images = [normalize_digit(np.divide(canvas, 255, dtype=np.float32)) for canvas in canvases]
    return torch.from_numpy(np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8))


def _print_text(text: str, random: Random) -> Canvas:
    """Print text in a random font and weight, about 60 pixels high."""
    page = Image.new("L", (CHARACTER_CANVAS_PX * len(text), CHARACTER_CANVAS_PX))
    font = matplotlib_font(str(random.choice(MATPLOTLIB_FONTS)), FONT_SIZE_PX)
    weight = int(random.integers(0, 5))
    ImageDraw.Draw(page).text((32, 80), text, 255, font, anchor="ls", stroke_width=weight)
    return np.asarray(page)


def _letter(random: Random) -> Canvas:
    return _print_text(str(random.choice(list(LETTERS))), random)


def _symbol(random: Random) -> Canvas:
    return _print_text(str(random.choice(list(SYMBOLS))), random)


def _written(random: Random) -> Canvas:
    """Write a letter or a symbol by hand."""
    templates = TEMPLATES[WRITTEN[random.integers(len(WRITTEN))]]
    return draw_template(templates[random.integers(len(templates))], random)


def _several(random: Random) -> Canvas:
    """Print two or three characters: a picture of one digit may show its neighbours."""
    characters = list(LETTERS + "0123456789")
    return _print_text("".join(random.choice(characters, random.integers(2, 4))), random)


def _scribble(random: Random) -> Canvas:
    """Draw a smooth curve through six to sixteen random points."""
    return _draw(catmull_rom(random.uniform(8, 88, (int(random.integers(6, 17)), 2))), random)


def _zigzag(random: Random) -> Canvas:
    """Draw a zigzag, as people fill an area or cross something out."""
    n = int(random.integers(5, 14))
    across = np.where(np.arange(n) % 2, 84, 12) + random.normal(0, 6, n)
    points = np.stack([across, np.linspace(14, 82, n)], 1)
    return _draw(points if bernoulli(random, 0.5) else points[:, ::-1], random)


def _star(random: Random) -> Canvas:
    """Draw a polygon or a star of three to eight corners, or a spiral."""
    if bernoulli(random, 0.3):
        turns = np.linspace(0, random.uniform(2.2, 5) * 2 * np.pi, 120)
        radius = 4 + 36 * turns / turns[-1]
        return _draw(48 + radius[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1), random)
    corners = int(random.integers(3, 9))
    angles = np.arange(corners * 2 + 1) * np.pi / corners + random.uniform(0, 6)
    inner = random.choice([0.4, 0.9 * np.cos(np.pi / corners)])
    radius = 38 * np.where(np.arange(len(angles)) % 2, inner, 1) + random.normal(0, 2, len(angles))
    return _draw(48 + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1), random)


def _noise(random: Random) -> Canvas:
    """Draw a few blobs, as thresholding a blank page gives them."""
    rough = random.random((CANVAS_SIDE_PX, CANVAS_SIDE_PX)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), float(random.uniform(1, 6)))
    level = np.quantile(smooth, random.uniform(0.7, 0.97))
    blobs: Canvas = ((smooth > level) * 255).astype(np.uint8)
    return blobs


def _draw(points: npt.NDArray[np.float64], random: Random) -> Canvas:
    return draw_polylines([points], (CANVAS_SIDE_PX, CANVAS_SIDE_PX), int(random.integers(3, 10)))


KINDS: tuple[tuple[Callable[[Random], Canvas], float], ...] = (
    (_letter, 0.2),
    (_written, 0.3),
    (_symbol, 0.05),
    (_several, 0.1),
    (_scribble, 0.15),
    (_zigzag, 0.05),
    (_star, 0.1),
    (_noise, 0.05),
)
