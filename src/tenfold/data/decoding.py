"""Any picture as pixels: the only place where picture files are decoded."""

import io
import mmap
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from tenfold.data.mnist import SIDE
from tenfold.data.picture_headers import MAX_PIXELS, Data, excess_of_header, excess_of_size
from tenfold.errors import DataError

# Formats that people save digits in; Pillow's other parsers are never reached.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})

_PIXELS_AT_A_TIME = 2**20
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

    Transparent pixels become white, or black if the opaque pixels are mostly light. What is above
    a limit is refused by its header. Any other picture takes at most 1 GB of memory.

    Args:
        source: a file's path, or its bytes.
        max_pixels: larger pictures are refused.

    Returns:
        uint8[h, w] for grey pictures, uint8[h, w, 3] for those in colour (RGB).

    Raises:
        DataError: not an image in one of `FORMATS`, damaged, larger than `max_pixels`, or above
            another limit of `picture_headers.py`.
    """
    name = str(source) if isinstance(source, Path) else "picture"
    try:
        with _open(source) as (file, data), warnings.catch_warnings():
            # Pillow warns of large and of slightly damaged files; both are handled here.
            warnings.simplefilter("ignore")
            if excess := excess_of_header(data):
                raise DataError(f"{name}: {excess}")
            with Image.open(file, formats=FORMATS) as image:
                if excess := excess_of_size(*image.size, max_pixels):
                    raise DataError(f"{name}: {excess}")
                if exif := image.getexif():  # most pictures have none
                    _forget_nested_exif(exif)
                    ImageOps.exif_transpose(image, in_place=True)
                return pixels_of_image(image)
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such image") from error
    except _DECODING_ERRORS as error:
        raise DataError(f"{name}: not a readable image ({type(error).__name__})") from error


@contextmanager
def _open(source: Path | bytes) -> Iterator[tuple[BinaryIO, Data]]:
    """Open a picture as a file and as bytes; a path's bytes are mapped, not read."""
    if isinstance(source, bytes):
        yield io.BytesIO(source), source
        return
    if source.exists() and not source.is_file():  # opening a FIFO would wait for its writer
        raise OSError("not a file")
    with (
        source.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        yield file, data


def _forget_nested_exif(exif: Image.Exif) -> None:
    """Keep Pillow from reading the camera's settings, in which each number becomes an object."""
    for pointer in ExifTags.IFD:
        exif.pop(pointer, None)


def pixels_of_image(image: Image.Image) -> Pixels:
    """Return the pixels of an image that Pillow has opened, upright, as `decode` does.

    Rows are converted some at a time: what Pillow and NumPy hold in between stays small.
    """
    if image.mode == "F":
        raise ValueError(image.mode)  # which level is white is unknown
    if image.mode.startswith("I"):  # 16 or 32 bits, which Pillow would clip at 255
        highest = max(int(np.asarray(rows).max()) for rows in _rows(image))
        white = 2 ** max(highest.bit_length(), 8) - 1  # scanners use 10, 12, 16 bits
        return _convert(image, "L", lambda rows: _scale_levels(np.asarray(rows), white))
    mode = "L" if image.mode in {"1", "L", "LA"} else "RGB"
    if not image.has_transparency_data:
        return _convert(image, mode, lambda rows: np.asarray(rows.convert(mode)))
    background = _background(image)

    def composite(rows: Image.Image) -> Pixels:
        rgba = rows.convert("RGBA")
        under = Image.new("RGBA", rgba.size, background)
        return np.asarray(Image.alpha_composite(under, rgba).convert(mode))

    return _convert(image, mode, composite)


def _rows(image: Image.Image) -> Iterator[Image.Image]:
    """Yield an image from top to bottom, some rows at a time."""
    w, h = image.size
    step = max(1, _PIXELS_AT_A_TIME // w)
    if step >= h:
        yield image
        return
    for top in range(0, h, step):
        yield image.crop((0, top, w, min(top + step, h)))


def _convert(image: Image.Image, mode: str, convert: Callable[[Image.Image], Pixels]) -> Pixels:
    """Return uint8[h, w] if `mode` is L, uint8[h, w, 3] if RGB, converted some rows at a time."""
    w, h = image.size
    pixels = np.empty((h, w) if mode == "L" else (h, w, 3), np.uint8)
    top = 0
    for rows in _rows(image):
        pixels[top : top + rows.height] = convert(rows)
        top += rows.height
    return pixels


def _scale_levels(levels: npt.NDArray[Any], white: int) -> Pixels:
    scaled: Pixels = (levels.astype(np.int64).clip(0) * 255 // white).astype(np.uint8)
    return scaled


def _background(image: Image.Image) -> str:
    """Return what lies under transparent pixels: black if a picture is light and has no paper."""
    opaque_count = total = 0
    for rows in _rows(image):
        rgba = np.asarray(rows.convert("RGBA"))
        opaque = rgba[..., 3] > _MIDDLE_GREY
        opaque_count += int(np.count_nonzero(opaque))
        total += int(rgba[opaque][:, :3].sum())
    light = opaque_count > 0 and total / (3 * opaque_count) > _MIDDLE_GREY
    has_paper = opaque_count / (image.width * image.height) >= _MIN_OPAQUE_WITH_OWN_PAPER
    return "black" if light and not has_paper else "white"


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
        return pixels_of_image(ImageOps.exif_transpose(picture))
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
