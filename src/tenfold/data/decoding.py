"""Any picture as pixels: the only place where picture files are decoded."""

import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tenfold.arrays import Pixels
from tenfold.data.file_pages import TIFF_STARTS, FilePage, open_file
from tenfold.data.mnist import SIDE
from tenfold.data.pdf import is_pdf, render_page
from tenfold.data.picture_headers import (
    MAX_PIXELS,
    Data,
    excess_of_header,
    excess_of_size,
    tiff_pages,
)
from tenfold.errors import DataError, MissingExtraError

# Formats that people save digits in; Pillow's other parsers are never reached.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp"),
        *(".tif", ".tiff", ".pdf", ".heic", ".heif"),
    )
)
# Pictures and documents too, but of formats that are not read: each is an error, never skipped.
OTHER_SUFFIXES = frozenset(
    (
        *(".avif", ".dib", ".jp2", ".j2k", ".jpx", ".jxl", ".jxr"),
        *(".ico", ".pcx", ".tga", ".psd", ".xcf"),
        *(".pbm", ".pgm", ".pnm", ".ppm", ".svg", ".emf", ".wmf", ".eps", ".ps", ".ai"),
        *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"),
        *(".djvu", ".doc", ".docx", ".odt", ".rtf", ".xps"),
    )
)
LISTED_SUFFIXES = SUFFIXES | OTHER_SUFFIXES
CONTAINER_SUFFIXES = frozenset({".parquet", ".tar"})  # of files of many pictures

_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"))
_PIXELS_AT_A_TIME = 2**20
_MIDDLE_GREY = 127
_MIN_OPAQUE_WITH_OWN_PAPER = 0.9  # share of pixels
# What Pillow's parsers, and that of HEIC, raise on damaged files.
_DECODING_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(struct.error, Image.DecompressionBombError, RuntimeError),
)

Picture = Path | str | bytes | bytearray | memoryview | FilePage | Image.Image | npt.NDArray[Any]


def decode(source: Path | bytes | FilePage, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a picture file; the camera's orientation is applied, of animations the first frame.

    Transparent pixels become white, or black if the opaque pixels are mostly light. What is above
    a limit is refused by its header. Any other picture takes at most 1 GB of memory.

    Args:
        source: a file of one page, by its path or its bytes; or a page of a file.
        max_pixels: larger pictures are refused.

    Returns:
        uint8[h, w] for grey pictures, uint8[h, w, 3] for those in colour (RGB).

    Raises:
        DataError: not an image in one of `FORMATS` or a PDF, damaged, larger than `max_pixels`, or
            above another limit of `picture_headers.py`; or a file of several pages.
    """
    page = source if isinstance(source, FilePage) else FilePage(source)
    try:
        with open_file(page.source) as (file, data), warnings.catch_warnings():
            # Pillow warns of large and of slightly damaged files; both are handled here.
            warnings.simplefilter("ignore")
            pixels, count = _decode(file, data, page, max_pixels)
    except FileNotFoundError as error:
        raise DataError(f"{page}: no such image") from error
    except DataError as error:
        raise DataError(f"{page}: {error}") from error.__cause__
    except UnidentifiedImageError as error:
        read = ", ".join(FORMATS)
        raise DataError(f"{page}: not a readable image: {read}, HEIC and PDF are read") from error
    except _DECODING_ERRORS as error:
        raise DataError(f"{page}: {_fault(error, max_pixels)}") from error
    if count > 1 and page is not source:
        raise DataError(f"{page}: has {count} pages; read each one of `file_pages`")
    return pixels


def _fault(error: Exception, max_pixels: int) -> str:
    """Return in words what is wrong with a picture file."""
    match error:
        case Image.DecompressionBombError():
            return f"has more than {max_pixels / 10**6:.3g} million pixels; make it smaller"
        case IsADirectoryError():
            return "is a folder"
        case OSError(strerror=str(reason)):
            return f"cannot be read ({reason})"
        case OSError() | EOFError() | SyntaxError() | LookupError() | struct.error():
            return "not a readable image: it is damaged or cut short"
        case _:
            return "not a readable image"


def _decode(file: BinaryIO, data: Data, page: FilePage, max_pixels: int) -> tuple[Pixels, int]:
    """Return the pixels of a page, and how many pages there are.

    Raises:
        DataError: a limit is passed; the message has no name.
    """
    if is_pdf(data):
        return render_page(page.source, page.number, max_pixels)
    directories = tiff_pages(data) if data[:2] in TIFF_STARTS else [0]
    if page.number > len(directories):
        raise DataError(f"there is no page {page.number}")
    directory = directories[page.number - 1]
    if excess := excess_of_header(data, directory):
        raise DataError(excess)
    with Image.open(file, formats=_formats(data)) as image:
        if directory:
            image.seek(directory)
        if excess := excess_of_size(*image.size, max_pixels):
            raise DataError(excess)
        if exif := image.getexif():  # most pictures have none
            for pointer in ExifTags.IFD:  # in the camera's settings each number becomes an object
                exif.pop(pointer, None)
            ImageOps.exif_transpose(image, in_place=True)
        return pixels_of_image(image), len(directories)


def _formats(data: Data) -> tuple[str, ...]:
    """Return the names of Pillow's formats; that of HEIC only for a file that is one.

    Raises:
        DataError: it is one, and the extra is missing.
    """
    if data[4:8] != b"ftyp" or data[8:12] not in _HEIC_BRANDS:
        return FORMATS
    try:
        import pillow_heif
    except ModuleNotFoundError:
        raise DataError(str(MissingExtraError("HEIC", "heic"))) from None
    pillow_heif.register_heif_opener(thumbnails=False)
    return ("HEIF",)


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
    """Return the pixels of a file of one page, of a page, of a PIL image or of an array.

    Args:
        picture: of an array [h, w] or [h, w, 3], integers are 0 … 255 and floats in [0, 1].

    Returns:
        uint8[h, w] or uint8[h, w, 3].

    Raises:
        DataError: it cannot be decoded, or the array is not a picture.
    """
    if isinstance(picture, str):
        picture = Path(picture)
    if isinstance(picture, bytearray | memoryview):
        picture = bytes(picture)
    if isinstance(picture, Path | bytes | FilePage):
        return decode(picture)
    if isinstance(picture, Image.Image):
        try:
            return pixels_of_image(ImageOps.exif_transpose(picture))
        except _DECODING_ERRORS as error:
            raise DataError(f"{picture!r}: {_fault(error, MAX_PIXELS)}") from error
    return _pixels_of_array(picture)


def _pixels_of_array(given: object) -> Pixels:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise DataError(f"not a picture: {error}") from error
    if array.dtype == object or not array.ndim:
        raise DataError(
            f"a {type(given).__name__} is not a picture; give a path, the bytes of a file, a PIL "
            "image or an array"
        )
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
