"""A folder of images as digits: one sub-folder per digit, or a CSV of file names and labels."""

import csv
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

_SIDE = 28
_DIGITS = frozenset("0123456789")
_HALF = 127  # grey levels: a border that is lighter than this is paper, not background
_BROKEN = (OSError, EOFError, SyntaxError, ValueError, OverflowError, struct.error)


def load_folder(
    path: Path,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[Path]]:
    """Read a folder of labelled digit images, in the order of their names (or of the CSV's rows).

    The folder has sub-folders ``0`` … ``9`` of images, or a ``labels.csv`` (or a single CSV of
    another name) whose rows are ``file,label``, with or without a header.

    Returns:
        images uint8[n, 28, 28] white on black, labels int64[n] in 0 … 9, and the n files.

    Raises:
        DataError: no folder or nothing in it, an image that cannot be read, or a label outside
            0 … 9; the message names the file.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    listed = _list_subfolders(path) or _list_csv(path)
    if not listed:
        raise DataError(f"{path}: no digits here; add sub-folders 0 … 9 of images or a labels.csv")
    files = [file for file, _ in listed]
    images = np.stack([read_image(file) for file in files])
    return images, np.array([label for _, label in listed], dtype=np.int64), files


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read one image of one digit as MNIST would have it.

    Transparency is laid on white, colour turned to grey. An image of another size is squeezed to
    28 x 28 by averaging areas (or bilinearly when it is smaller). One whose median border pixel
    is above 127 is taken for ink on paper and inverted, whatever its size.

    Returns:
        uint8[28, 28], white on black.

    Raises:
        DataError: not an image in one of `FORMATS`, damaged, or above 50 million pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large and of slightly broken files; both are the reader's to judge.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:  # known from the header, before decoding
                    raise DataError(f"{path}: {width} x {height} is above 50 million pixels")
                grey = _to_grey(ImageOps.exif_transpose(image))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such image") from error
    except (*_BROKEN, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({type(error).__name__})") from error
    if grey.size != (_SIDE, _SIDE):
        smaller = min(grey.size) < _SIDE
        method = Image.Resampling.BILINEAR if smaller else Image.Resampling.BOX
        grey = grey.resize((_SIDE, _SIDE), method)
    pixels = np.array(grey)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    return 255 - pixels if np.median(border) > _HALF else pixels


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        levels = np.asarray(image).astype(np.int64) // 257
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError(image.mode)  # no way to know what is white
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return image.convert("L")


def _list_subfolders(path: Path) -> list[tuple[Path, int]]:
    listed = []
    for folder in sorted(child for child in path.iterdir() if child.is_dir()):
        if not folder.name.lstrip("-").isdecimal():
            continue
        if folder.name not in _DIGITS:
            raise DataError(f"{folder}: a sub-folder's name is its label, 0 … 9")
        listed += [
            (file, int(folder.name))
            for file in sorted(folder.iterdir())
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        ]
    return listed


def _list_csv(path: Path) -> list[tuple[Path, int]]:
    table = path / "labels.csv"
    if not table.exists():
        tables = sorted(path.glob("*.csv"))
        if len(tables) > 1:
            raise DataError(f"{path}: several CSV files; name the one with the labels labels.csv")
        if not tables:
            return []
        table = tables[0]
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a readable CSV file ({error})") from error
    if rows and _is_header(rows[0][1], path):
        rows = rows[1:]
    return [_parse_row(row, table, number) for number, row in rows]


def _is_header(row: list[str], path: Path) -> bool:
    return not row[-1].strip().lstrip("-").isdecimal() and not (path / row[0].strip()).is_file()


def _parse_row(row: list[str], table: Path, number: int) -> tuple[Path, int]:
    if len(row) != 2:  # noqa: PLR2004
        raise DataError(f"{table}: row {number} has {len(row)} fields; write file,label")
    name, label = row[0].strip(), row[1].strip()
    if label not in _DIGITS:
        raise DataError(f"{table}: row {number} labels {name} as {label!r}, not 0 … 9")
    return table.parent / name, int(label)
