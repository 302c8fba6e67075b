"""Digits and letters in handwriting fonts, one glyph a picture.

Each font of `fonts.csv` was checked by eye: it has all ten digits, and a person reads each of them
correctly. The fonts are packages of Debian; `APT` is the command that installs them. They may also
be in ~/.fonts or in a folder that TENFOLD_FONTS names. A picture depends on its font, glyph and
variant alone, and on FreeType's rasteriser: with other versions of Pillow some pixels differ.
"""

import csv
import os
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError
from tenfold.rendering.sampling import log_uniform

FONTS_VERSION = 1
# With fewer fonts, an accuracy would describe these fonts rather than handwriting.
MIN_FONTS = 20
VARIANTS_PER_DIGIT = 4

# Letters that look like a digit in some handwriting are left out:
# B f 8 · b G 6 · D O o Q 0 · e 2 · g q a 9 · I i J j L l t 1 · T 7 · S s 5 · y 4 or 9 · Y 4 · Z z 2
LETTERS = "ACEFHKMNPRUVWXcdhkmnprvwxu"

FOLDERS = (Path("~/.fonts"), Path("/usr/share/fonts"))

# Lower, hairlines vanish; higher than a digit in a phone's picture is of no use.
GLYPH_HEIGHT_PX = (24, 160)
MEASURED_AT_POINTS = 200


@dataclass(frozen=True)
class Font:
    """A font file of a Debian package.

    Args:
        package: the package's name without ``fonts-``.
        file: the file's name.
        excluded: letters that look like a digit in this font, or that it lacks.
    """

    package: str
    file: str
    excluded: str


with Path(__file__).with_suffix(".csv").open(newline="", encoding="utf-8") as _table:
    FONTS = tuple(Font(**row) for row in csv.DictReader(_table))

APT = "apt-get install " + " ".join(dict.fromkeys(f"fonts-{font.package}" for font in FONTS))


def find_fonts() -> list[tuple[Font, Path]]:
    """Find the files of the fonts in TENFOLD_FONTS, ~/.fonts and /usr/share/fonts, in this order.

    Raises:
        DataError: fewer than 20 of them were found.
    """
    folders = [folder.expanduser() for folder in FOLDERS]
    if chosen := os.environ.get("TENFOLD_FONTS"):
        folders.insert(0, Path(chosen))
    wanted = {font.file for font in FONTS}
    paths: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.[ot]tf")):
            if path.name in wanted:
                paths.setdefault(path.name, path)
    if len(paths) < MIN_FONTS:
        raise DataError(
            f"{len(paths)} of {len(FONTS)} handwriting fonts are on this machine, "
            f"{MIN_FONTS} are needed; {APT} (or name a folder of them in TENFOLD_FONTS)"
        )
    return [(font, paths[font.file]) for font in FONTS if font.file in paths]


def describe_fonts() -> str:
    """Name the source of the pictures, with the number of fonts found: results depend on it."""
    return f"{len(find_fonts())} of {len(FONTS)} handwriting fonts, drawing {FONTS_VERSION}"


def font_digits(n: int | None = None) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
    """Draw every digit in every font found, again and again, each time with other margins and size.

    Args:
        n: number of pictures; four of each digit in each font when None.

    Yields:
        uint8[h, w], dark on light, and the digit.

    Raises:
        DataError: see `find_fonts`.
    """
    found = find_fonts()
    count = VARIANTS_PER_DIGIT * len(found) * len(string.digits) if n is None else n
    for index in range(count):
        place, digit = divmod(index, len(string.digits))
        variant, which = divmod(place, len(found))
        yield draw_glyph(*found[which], str(digit), variant), str(digit)


def font_letters(n: int | None = None) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
    """Draw the letters that cannot be taken for digits, in every font found that has them.

    Args:
        n: number of pictures; every letter once in every font when None.

    Yields:
        uint8[h, w], dark on light, and the label "": the picture shows no digit.

    Raises:
        DataError: see `find_fonts`.
    """
    chosen = [
        (font, path, letter)
        for font, path in find_fonts()
        for letter in sorted(LETTERS, key=str.swapcase)  # the order of the drawn set
        if letter not in font.excluded
    ]
    for index in range(len(chosen) if n is None else n):
        variant, which = divmod(index, len(chosen))
        yield draw_glyph(*chosen[which], variant), ""


def draw_glyph(font: Font, path: Path, glyph: str, variant: int) -> npt.NDArray[np.uint8]:
    """Draw one glyph, 24 … 160 pixels high, with margins of 5 … 60 % of its height.

    Returns:
        uint8[h, w], dark on light.

    Raises:
        DataError: the file is not a font that FreeType reads, or it has no such glyph.
    """
    random = np.random.default_rng(derive_seed(FONTS_VERSION, font.file, glyph, variant))
    height = log_uniform(random, GLYPH_HEIGHT_PX)
    try:
        measured = _coverage(path, glyph, MEASURED_AT_POINTS)
        # Wide letters are scaled by their width, as writers do to keep them in line.
        extent = max(measured.shape[0], 0.8 * measured.shape[1])
        coverage = _coverage(path, glyph, MEASURED_AT_POINTS * height / extent)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot draw {glyph!r}; install it again, or remove it") from error
    margins = np.rint(height * random.uniform(0.05, 0.6, 4)).astype(int).reshape(2, 2)
    light, dark = random.integers(225, 256), random.integers(0, 80)
    return np.rint(light + (dark - light) * np.pad(coverage, margins)).astype(np.uint8)


def _coverage(path: Path, glyph: str, points: float) -> npt.NDArray[np.float64]:
    """Draw a glyph as the coverage of each pixel, float64[h, w] in 0 … 1, cropped to it."""
    side = round(4 * points)  # swashes reach far beyond the size of a font
    canvas = Image.new("L", (side, side))
    sized = ImageFont.truetype(path, points)
    ImageDraw.Draw(canvas).text((side / 2, side / 2), glyph, font=sized, fill=255, anchor="mm")
    box = canvas.getbbox()
    if box is None:
        raise ValueError(glyph)
    return np.asarray(canvas.crop(box), dtype=np.float64) / 255
