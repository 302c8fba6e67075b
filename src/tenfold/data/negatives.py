"""Pictures of what is no digit, and of printed digits, in MNIST's form: for a network that refuses.

Letters and symbols come from fonts that are at hand wherever tenfold is: OpenCV's Hershey fonts and
those of matplotlib. Scribbles and doodles are polylines through random points.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tenfold.data.batches import derive_seed
from tenfold.data.dataset import SIDE
from tenfold.data.form import to_form
from tenfold.data.imitate import Imitation

# Left out are letters that a careful person may take for a digit in some hand:
# B 8 · b G 6 · D O o Q 0 · e 2 · g q a 9 · I i J j L l t 1 · T 7 · S s 5 · y 4 or 9 · Y 4 · Z z 2
LETTERS = "ACEFHKMNPRUVWXcdfhkmnprvwxu"
SYMBOLS = "#%&@?+*=<>{}[]~^$"

NO_DIGIT = -1  # the label of a negative

_BANK = 6_000  # negatives and printed digits that a training draws from
_CANVAS = 96
_PAGE = 128  # pixels for a character: room for the widest, and for what hangs below the line
_FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic"),
    *("DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol"),
    *("cmr10", "cmss10", "cmtt10", "cmti10", "cmmi10", "cmb10"),
)
_HERSHEY = tuple(range(8))  # OpenCV numbers its fonts; 6 and 7 are scripts

Random = np.random.Generator
Canvas = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Strangers:
    """Negatives and printed digits that take the place of a share of each batch.

    Args:
        negatives: uint8[m, 28, 28].
        printed: uint8[k, 28, 28].
        labels: int64[k], of the printed digits.
        config: their shares.
    """

    negatives: Tensor
    printed: Tensor
    labels: Tensor
    config: Imitation

    @classmethod
    def of(cls, config: Imitation, seed: int) -> "Strangers | None":
        """Draw what the recipe asks for; None where it asks for none."""
        if not config.negatives + config.printed:
            return None
        return cls(negatives(_BANK, seed), *printed_digits(_BANK // 4, seed), config)

    def join(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Replace the first images of a batch; which ones, the order of the batch has drawn."""
        n = len(images)
        no_digits, printed = round(self.config.negatives * n), round(self.config.printed * n)
        chosen = torch.randint(len(self.negatives), (no_digits,), generator=generator)
        others = torch.randint(len(self.printed), (printed,), generator=generator)
        images, labels, end = images.clone(), labels.clone(), no_digits + printed
        images[:no_digits] = self.negatives[chosen].to(images.device)
        labels[:no_digits] = NO_DIGIT
        images[no_digits:end] = self.printed[others].to(images.device)
        labels[no_digits:end] = self.labels[others].to(images.device)
        return images, labels


def negatives(n: int, seed: int) -> Tensor:
    """Draw what is no digit: uint8[n, 28, 28], the same for the same seed."""
    random = np.random.default_rng(derive_seed(seed, "negatives"))
    chosen = random.choice(len(_KINDS), n, p=[share for _, share in _KINDS])
    return _formed(_KINDS[kind][0](random) for kind in chosen)


def printed_digits(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw digits in fonts: uint8[n, 28, 28] and their labels int64[n]."""
    random = np.random.default_rng(derive_seed(seed, "printed"))
    labels = random.integers(0, 10, n)
    return _formed(_glyphs(str(label), random) for label in labels), torch.from_numpy(labels)


def _formed(canvases: Iterable[Canvas]) -> Tensor:
    images = [to_form(np.divide(canvas, 255, dtype=np.float32)) for canvas in canvases]
    return torch.from_numpy(np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8))


def _glyphs(text: str, random: Random) -> Canvas:
    """Write in a random font, about 60 pixels high."""
    canvas = np.zeros((_PAGE, _PAGE * len(text)), np.uint8)
    if random.random() < 0.5:  # noqa: PLR2004 - half in strokes, half in type
        font = int(random.choice(_HERSHEY)) | (cv2.FONT_ITALIC if random.random() < 0.3 else 0)  # noqa: PLR2004
        thickness = int(random.integers(2, 11))
        cv2.putText(canvas, text, (16, 76), font, 2.4, 255, thickness, cv2.LINE_AA)
        return canvas
    picture = Image.fromarray(canvas)
    place = (16, 80)
    ImageDraw.Draw(picture).text(
        place, text, fill=255, font=_font(str(random.choice(_FONTS))), anchor="ls"
    )
    return np.asarray(picture)


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
    return _curve(random.uniform(8, 88, (int(random.integers(6, 17)), 2)), random)


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


def _curve(points: npt.NDArray[np.float64], random: Random) -> Canvas:
    """Draw a Catmull-Rom spline through points [k, 2]."""
    a, b, c, d = points[:-3, None], points[1:-2, None], points[2:-1, None], points[3:, None]
    t = np.linspace(0, 1, 12)[None, :, None]
    smooth = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return _draw(smooth.reshape(-1, 2), random)


def _draw(points: npt.NDArray[np.float64], random: Random) -> Canvas:
    canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
    line = np.rint(points * 16).astype(np.int32)
    thickness = int(random.integers(3, 10))
    cv2.polylines(
        canvas,
        [line],
        isClosed=False,
        color=255,
        thickness=thickness,
        lineType=cv2.LINE_AA,
        shift=4,
    )
    return canvas


_KINDS: tuple[tuple[Callable[[Random], Canvas], float], ...] = (
    (_letter, 0.45),
    (_symbol, 0.1),
    (_several, 0.1),
    (_scribble, 0.15),
    (_zigzag, 0.05),
    (_star, 0.1),
    (_noise, 0.05),
)
