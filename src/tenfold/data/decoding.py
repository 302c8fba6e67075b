"""Any picture as pixels: the only place where picture files are decoded."""

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tenfold.data.mnist import SIDE
from tenfold.errors import DataError

# Formats that people save digits in; Pillow's other parsers are never reached.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 50_000_000

_MIDDLE_GREY = 127
_MIN_OPAQUE_WITH_OWN_PAPER = 0.9  # share of pixels
# What Pillow's parsers raise on damaged files.
_DECODING_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(struct.error, Image.DecompressionBombError),
)

Pixels = npt.NDArray[np.uint8]
Picture = Path | str | bytes | Image.Image | npt.NDArray[Any]


def decode(source: Path | bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a picture file; the camera's orientation is applied, of animations the first frame.

    Transparent pixels become white, or black if the opaque pixels are mostly light.

    Args:
        source: a file's path, or its bytes.
        max_pixels: larger pictures are refused.

    Returns:
        uint8[h, w] for grey pictures, uint8[h, w, 3] for those in colour (RGB).

    Raises:
        DataError: not an image in one of `FORMATS`, damaged, or larger than `max_pixels`.
    """
    name = str(source) if isinstance(source, Path) else "picture"
    try:
        with warnings.catch_warnings():
            # Pillow warns of large and of slightly damaged files; both are handled here.
            warnings.simplefilter("ignore")
            file = source if isinstance(source, Path) else io.BytesIO(source)
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:  # known from the header, before decoding
                    above = f"above {max_pixels / 10**6:.3g} million pixels"
                    raise DataError(f"{name}: {width} x {height} is {above}")
                return pixels_of_image(image)
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such image") from error
    except _DECODING_ERRORS as error:
        raise DataError(f"{name}: not a readable image ({type(error).__name__})") from error


def pixels_of_image(image: Image.Image) -> Pixels:
    """Return the pixels of an image that Pillow has opened, as `decode` does."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError(image.mode)  # which level is white is unknown
    if image.mode.startswith("I"):  # 16 or 32 bits, which Pillow would clip at 255
        levels = np.asarray(image).astype(np.int64).clip(0)
        white = 2 ** max(int(levels.max()).bit_length(), 8) - 1  # scanners use 10, 12, 16 bits
        grey: Pixels = (levels * 255 // white).astype(np.uint8)
        return grey
    mode = "L" if image.mode in {"1", "L", "LA"} else "RGB"
    if image.has_transparency_data:
        image = image.convert("RGBA")
        rgba = np.asarray(image)
        opaque = rgba[..., 3] > _MIDDLE_GREY
        light = bool(opaque.any()) and float(rgba[opaque][:, :3].mean()) > _MIDDLE_GREY
        background = "black" if light and opaque.mean() < _MIN_OPAQUE_WITH_OWN_PAPER else "white"
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return np.asarray(image.convert(mode))


def load_pixels(picture: Picture) -> Pixels:
    """Return the pixels of a file, of bytes, of a PIL image or of an array.

    Args:
        picture: of an array [h, w] or [h, w, 3], integers are 0 … 255 and floats in [0, 1].

    Returns:
        uint8[h, w] or uint8[h, w, 3].

    Raises:
        DataError: it cannot be decoded, or the array is not a picture.
    """
    if isinstance(picture, str):
        picture = Path(picture)
    if isinstance(picture, Path | bytes):
        return decode(picture)
    if isinstance(picture, Image.Image):
        return pixels_of_image(picture)
    try:
        array = np.asarray(picture)
    except ValueError as error:
        raise DataError(f"not a picture: {error}") from error
    if array.ndim == 3 and array.shape[2] == 1:  # noqa: PLR2004
        array = array[..., 0]
    if array.ndim == 3 and array.shape[1:] == (SIDE, SIDE):  # noqa: PLR2004
        raise DataError(f"an array of shape {array.shape} is a stack; give it to read_all")
    if array.ndim not in {2, 3} or array.size == 0 or (array.ndim == 3 and array.shape[2] != 3):  # noqa: PLR2004
        raise DataError(
            f"an array of shape {array.shape} is not a picture; give [h, w] or [h, w, 3]"
        )
    return _to_bytes(array)


def _to_bytes(array: npt.NDArray[Any]) -> Pixels:
    if array.dtype == np.uint8:
        return array
    is_integer = np.issubdtype(array.dtype, np.integer)
    white = 255 if is_integer else 1
    known = is_integer or array.dtype == bool or np.issubdtype(array.dtype, np.floating)
    if not known or not ((array >= 0) & (array <= white)).all():
        raise DataError(f"pixels of {array.dtype}: give integers 0 … 255 or floats in [0, 1]")
    pixels: Pixels = np.rint(array * (255 / white)).astype(np.uint8)
    return pixels
