"""Any picture file as pixels: the one place where bytes of others are decoded."""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tenfold.errors import DataError

# Formats that people save digits in; Pillow's other parsers are never reached.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 50_000_000

_HALF = 127  # grey levels: transparent pictures of lighter ink than this lie on black
# What Pillow's parsers raise on damaged files.
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(struct.error, Image.DecompressionBombError),
)

Pixels = npt.NDArray[np.uint8]


def decode(source: Path | bytes, most: int = MAX_PIXELS) -> Pixels:
    """Decode a picture file; the camera's orientation is applied, of animations the first frame.

    Transparency is laid on white, or on black if what is not transparent is mostly light.

    Args:
        source: a file's path, or its bytes.
        most: pixels that it may have.

    Returns:
        uint8[h, w] for grey pictures, uint8[h, w, 3] for those in colour (RGB).

    Raises:
        DataError: not an image in one of `FORMATS`, damaged, or of more pixels than `most`.
    """
    name = str(source) if isinstance(source, Path) else "picture"
    try:
        with warnings.catch_warnings():
            # Pillow warns of large and of slightly broken files; both are the reader's to judge.
            warnings.simplefilter("ignore")
            file = source if isinstance(source, Path) else io.BytesIO(source)
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > most:  # known from the header, before decoding
                    above = f"above {most / 10**6:.3g} million pixels"
                    raise DataError(f"{name}: {width} x {height} is {above}")
                return pixels_of_image(image)
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such image") from error
    except _BROKEN as error:
        raise DataError(f"{name}: not a readable image ({type(error).__name__})") from error


def pixels_of_image(image: Image.Image) -> Pixels:
    """Do what `decode` says to an image that Pillow has opened."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError(image.mode)  # no way to know what is white
    if image.mode.startswith("I"):  # 16 or 32 bits, which Pillow would clip at 255
        levels = np.asarray(image).astype(np.int64).clip(0)
        white = 2 ** max(int(levels.max()).bit_length(), 8) - 1  # scanners use 10, 12, 16 bits
        grey: Pixels = (levels * 255 // white).astype(np.uint8)
        return grey
    mode = "L" if image.mode in {"1", "L", "LA"} else "RGB"
    if image.has_transparency_data:
        image = image.convert("RGBA")
        rgba = np.asarray(image)
        opaque = rgba[..., 3] > _HALF
        light = bool(opaque.any()) and float(rgba[opaque][:, :3].mean()) > _HALF
        # A picture that is opaque nearly everywhere brings its own paper.
        on = "black" if light and opaque.mean() < 0.9 else "white"  # noqa: PLR2004
        image = Image.alpha_composite(Image.new("RGBA", image.size, on), image)
    return np.asarray(image.convert(mode))
