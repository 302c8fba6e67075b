"""Digits and letters in handwriting fonts, one glyph a picture.

Each font was looked at: all ten digits are there, and a person reads each for what it is. The
fonts are Debian's; one line installs them (`APT`). They may also lie in ~/.fonts or in a folder
that TENFOLD_FONTS names. A picture depends on its font, glyph and round alone, and on FreeType's
rasteriser: with other versions of Pillow some pixels differ.
"""

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

FONTS_VERSION = 1
ENOUGH = 20  # fonts: with fewer, a figure speaks of those fonts rather than of writing
ROUNDS = 4  # sizes and margins of each digit in each font

# Letters that a careful person could take for a digit in some hand, by the digit.
LOOKALIKES = {
    **dict.fromkeys("DOQo", 0),
    **dict.fromkeys("IJijl", 1),
    **dict.fromkeys("LZez", 2),
    **dict.fromkeys("Yy", 4),
    **dict.fromkeys("Ss", 5),
    **dict.fromkeys("Gb", 6),
    **dict.fromkeys("Tt", 7),
    **dict.fromkeys("Bf", 8),
    **dict.fromkeys("agq", 9),
}
LETTERS = "".join(letter for letter in string.ascii_letters if letter not in LOOKALIKES)

FOLDERS = (Path("~/.fonts"), Path("/usr/share/fonts"))

_HEIGHTS = (24, 160)  # pixels of a glyph: above, hairlines are seen; a phone's crop is no larger
_MEASURED = 200  # points at which a glyph is measured


@dataclass(frozen=True)
class Font:
    """A font file of a Debian package.

    Args:
        package: the package's name without ``fonts-``.
        file: the file's name.
        without: letters that look like a digit in this font, or that it has not got.
    """

    package: str
    file: str
    without: str = ""


_SMALL = string.ascii_lowercase  # drawn as capitals
_LATIN = string.ascii_letters  # Hebrew fonts

FONTS = (
    Font("alee", "EunjinNakseo.ttf"),
    Font("aoyagi-soseki", "aoyagi-soseki.ttf"),
    Font("bajaderka", "Bajaderka-Regular.otf", "CEP"),
    Font("breip", "Breip.ttf", "uU"),
    Font("bwht", "BecauseWeBuild-Regular.otf", _SMALL + "C"),
    *(
        Font("bwht", f"BecauseWe{verb}-Regular.otf", _SMALL)
        for verb in ("Connect", "Create", "Learn", "Mentor", "Organize")
    ),
    Font("comic-neue", "ComicNeue-LightItalic.otf"),
    Font("comic-neue", "ComicNeue-Regular.otf"),
    Font("dancingscript", "DancingScript-Regular.otf", "r"),
    Font("dkg-handwriting", "dkg.ttf", "dC"),
    Font("dkg-handwriting", "dkgIt.ttf", "dC"),
    Font("dustin", "Domestic_Manners.ttf"),
    Font("dustin", "Junkyard.ttf", "C"),
    Font("ecolier-court", "Ecolier-court.ttf", "rCEFPW"),
    Font("havana", "Havana-Regular.otf", "vPV"),
    Font("humor-sans", "Humor-Sans.ttf", _SMALL),
    Font("isabella", "Isabella.ttf", "dvV"),
    Font("kaushanscript", "KaushanScript-Regular.otf", "d"),
    Font("klee", "KleeOne-Regular.ttf"),
    Font("kristi", "Kristi.ttf", "v"),
    *(Font("ldco", f"{name}.ttf", _LATIN) for name in ("Amit", "HarSinai", "Noam", "YamSuf")),
    Font("leckerli-one", "LeckerliOne-Regular.ttf", "vV"),
    Font("linex", "AbecedarioNegrita.ttf", "rv"),
    Font("lobster", "lobster.otf"),
    Font("lobstertwo", "LobsterTwo-Italic.otf"),
    Font("nanum-extra", "NanumBarunpenR.ttf"),
    Font("nanum-extra", "NanumBrush.ttf"),
    Font("nanum-extra", "NanumPen.ttf"),
    Font("rufscript", "Rufscript010.ttf", "ux"),
    Font("seto", "setofont.ttf"),
    Font("sjfonts", "Delphine.ttf"),
    Font("sjfonts", "SteveHand.ttf"),
    Font("tlwg-purisa-ttf", "Purisa-BoldOblique.ttf"),
    Font("tlwg-purisa-ttf", "Purisa.ttf"),
    Font("tomsontalks", "TomsonTalks.ttf", _SMALL),
    Font("unfonts-extra", "UnPilgia.ttf"),
    Font("urw-base35", "Z003-MediumItalic.otf"),
    Font("woowa-bm", "BMKIRANGHAERANG-TTF.ttf"),
    Font("woowa-bm", "BMYEONSUNG_ttf.ttf"),
    Font("yozvox-yozfont-edu", "YOzREXM.ttf"),
    Font("yozvox-yozfont-edu", "YOzRE_i.ttf"),
    Font("yusei-magic", "YuseiMagic-Regular.ttf"),
)

APT = "apt-get install " + " ".join(dict.fromkeys(f"fonts-{font.package}" for font in FONTS))


def find_fonts() -> list[tuple[Font, Path]]:
    """Find the fonts' files in TENFOLD_FONTS, ~/.fonts and /usr/share/fonts, the first of a name.

    Raises:
        DataError: fewer than `ENOUGH` of them.
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
    if len(paths) < ENOUGH:
        raise DataError(
            f"{len(paths)} of {len(FONTS)} handwriting fonts are on this machine, "
            f"{ENOUGH} are needed; {APT} (or name a folder of them in TENFOLD_FONTS)"
        )
    return [(font, paths[font.file]) for font in FONTS if font.file in paths]


def describe_fonts() -> str:
    """Say what the pictures are made from, with how many of the fonts: figures depend on it."""
    return f"{len(find_fonts())} of {len(FONTS)} handwriting fonts, drawing {FONTS_VERSION}"


def font_digits(n: int | None = None) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
    """Draw every digit in every font found, round after round, each with size and margins anew.

    Args:
        n: pictures; `ROUNDS` rounds when None.

    Yields:
        uint8[h, w], dark on light, and the digit.

    Raises:
        DataError: see `find_fonts`.
    """
    found = find_fonts()
    count = ROUNDS * len(found) * len(string.digits) if n is None else n
    for index in range(count):
        place, digit = divmod(index, len(string.digits))
        turn, which = divmod(place, len(found))
        yield draw_glyph(*found[which], str(digit), turn), str(digit)


def font_letters(n: int | None = None) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
    """Draw the letters that cannot be taken for digits, in every font found that has them.

    Args:
        n: pictures; every letter once in every font when None.

    Yields:
        uint8[h, w], dark on light, and "", since nothing in it is a digit.

    Raises:
        DataError: see `find_fonts`.
    """
    chosen = [
        (font, path, letter)
        for font, path in find_fonts()
        for letter in LETTERS
        if letter not in font.without
    ]
    for index in range(len(chosen) if n is None else n):
        turn, which = divmod(index, len(chosen))
        yield draw_glyph(*chosen[which], turn), ""


def draw_glyph(font: Font, path: Path, glyph: str, turn: int) -> npt.NDArray[np.uint8]:
    """Draw one glyph 24 … 160 pixels high, dark on light, with a margin of its own on each side.

    Margins are 5 … 60 % of the height.

    Raises:
        DataError: the file is not a font that FreeType reads, or it has no such glyph.
    """
    random = np.random.default_rng(derive_seed(FONTS_VERSION, font.file, glyph, turn))
    height = float(np.exp(random.uniform(*np.log(_HEIGHTS))))
    try:
        measured = _coverage(path, glyph, _MEASURED)
        # A wide letter is measured by its width, as a writer would keep it in line.
        extent = max(measured.shape[0], 0.8 * measured.shape[1])
        coverage = _coverage(path, glyph, _MEASURED * height / extent)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot draw {glyph!r}; install it again, or remove it") from error
    margins = np.rint(height * random.uniform(0.05, 0.6, 4)).astype(int).reshape(2, 2)
    paper, ink = random.integers(225, 256), random.integers(0, 80)
    return np.rint(paper + (ink - paper) * np.pad(coverage, margins)).astype(np.uint8)


def _coverage(path: Path, glyph: str, points: float) -> npt.NDArray[np.float64]:
    """Draw a glyph as float64[h, w], 1 where all of a pixel is ink, cut to where there is any."""
    side = round(4 * points)  # swashes reach far beyond a font's own measures
    canvas = Image.new("L", (side, side))
    sized = ImageFont.truetype(path, points)
    ImageDraw.Draw(canvas).text((side / 2, side / 2), glyph, font=sized, fill=255, anchor="mm")
    box = canvas.getbbox()
    if box is None:
        raise ValueError(glyph)  # nothing is drawn
    return np.asarray(canvas.crop(box), dtype=np.float64) / 255
