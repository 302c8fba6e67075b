"""Pictures of what is no digit, and of printed digits, in MNIST's form: for a network that refuses.

Letters and symbols come from the fonts of matplotlib, which are at hand wherever tenfold is.
Scribbles and doodles are polylines through random points.
"""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tenfold.data.mnist import SIDE
from tenfold.data.normalization import normalize_digit
from tenfold.data.seeds import derive_seed
from tenfold.rendering.strokes import Canvas, catmull_rom, draw_digit, draw_polylines

# Left out are letters that a careful person may take for a digit in some hand:
# B f 8 · b G 6 · D O o Q 0 · e 2 · g q a 9 · I i J j L l t 1 · T 7 · S s 5 · y 4 or 9 · Y 4 · Z z 2
LETTERS = "ACEFHKMNPRUVWXcdhkmnprvwxu"
SYMBOLS = "#%&@?+*=<>{}[]~^$"

_CANVAS = 96
_PAGE = 144  # pixels for a character: room for the widest, and for what hangs over
_FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic"),
    *("DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol"),
    *("cmr10", "cmss10", "cmtt10", "cmti10", "cmmi10", "cmb10"),
)

Random = np.random.Generator


def non_digits(n: int, seed: int) -> Tensor:
    """Draw what is no digit: uint8[n, 28, 28], the same for the same seed."""
    random = np.random.default_rng(derive_seed(seed, "negatives"))
    chosen = random.choice(len(_KINDS), n, p=[share for _, share in _KINDS])
    return _formed(_KINDS[kind][0](random) for kind in chosen)


def printed_digits(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw digits in fonts: uint8[n, 28, 28] and their labels int64[n]."""
    random = np.random.default_rng(derive_seed(seed, "printed"))
    labels = random.integers(0, 10, n)
    return _formed(_glyphs(str(label), random) for label in labels), torch.from_numpy(labels)


def drawn_digits(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw digits from templates of strokes: uint8[n, 28, 28] and their labels int64[n]."""
    random = np.random.default_rng(derive_seed(seed, "drawn"))
    labels = random.integers(0, 10, n)
    return _formed(draw_digit(int(label), random) for label in labels), torch.from_numpy(labels)


def _formed(canvases: Iterable[Canvas]) -> Tensor:
    images = [normalize_digit(np.divide(canvas, 255, dtype=np.float32)) for canvas in canvases]
    return torch.from_numpy(np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8))


def _glyphs(text: str, random: Random) -> Canvas:
    """Write in a random font and weight, about 60 pixels high."""
    page = Image.new("L", (_PAGE * len(text), _PAGE))
    font, weight = _font(str(random.choice(_FONTS))), int(random.integers(0, 5))
    ImageDraw.Draw(page).text((32, 80), text, 255, font, anchor="ls", stroke_width=weight)
    return np.asarray(page)


@functools.cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 72)


def _letter(random: Random) -> Canvas:
    return _glyphs(str(random.choice(list(LETTERS))), random)


def _symbol(random: Random) -> Canvas:
    return _glyphs(str(random.choice(list(SYMBOLS))), random)


def _several(random: Random) -> Canvas:
    """Write two or three letters or digits: a reader may fail to part them."""
    characters = list(LETTERS + "0123456789")
    return _glyphs("".join(random.choice(characters, random.integers(2, 4))), random)


def _scribble(random: Random) -> Canvas:
    """Draw a smooth curve to and fro: six to sixteen random points."""
    return _draw(catmull_rom(random.uniform(8, 88, (int(random.integers(6, 17)), 2))), random)


def _zigzag(random: Random) -> Canvas:
    """Draw straight lines to and fro, as one fills an area or crosses something out."""
    n = int(random.integers(5, 14))
    across = np.where(np.arange(n) % 2, 84, 12) + random.normal(0, 6, n)
    points = np.stack([across, np.linspace(14, 82, n)], 1)
    return _draw(points if random.random() < 0.5 else points[:, ::-1], random)  # noqa: PLR2004


def _star(random: Random) -> Canvas:
    """Draw a polygon or a star of three to eight corners, or a spiral."""
    if random.random() < 0.3:  # noqa: PLR2004
        turns = np.linspace(0, random.uniform(2.2, 5) * 2 * np.pi, 120)
        radius = 4 + 36 * turns / turns[-1]
        return _draw(48 + radius[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1), random)
    corners = int(random.integers(3, 9))
    angles = np.arange(corners * 2 + 1) * np.pi / corners + random.uniform(0, 6)
    inner = random.choice([0.4, 0.9 * np.cos(np.pi / corners)])
    radius = 38 * np.where(np.arange(len(angles)) % 2, inner, 1) + random.normal(0, 2, len(angles))
    return _draw(48 + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1), random)


def _noise(random: Random) -> Canvas:
    """Enlarge what is left of a blank page: a few blobs."""
    rough = random.random((_CANVAS, _CANVAS)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), float(random.uniform(1, 6)))
    level = np.quantile(smooth, random.uniform(0.7, 0.97))
    blobs: Canvas = ((smooth > level) * 255).astype(np.uint8)
    return blobs


def _draw(points: npt.NDArray[np.float64], random: Random) -> Canvas:
    return draw_polylines([points], (_CANVAS, _CANVAS), int(random.integers(3, 10)))


_KINDS: tuple[tuple[Callable[[Random], Canvas], float], ...] = (
    (_letter, 0.45),
    (_symbol, 0.1),
    (_several, 0.1),
    (_scribble, 0.15),
    (_zigzag, 0.05),
    (_star, 0.1),
    (_noise, 0.05),
)
