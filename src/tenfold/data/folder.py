"""A folder of images as digits: one sub-folder per digit, or a CSV of file names and labels."""

import contextlib
import csv
import io
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.data.decoding import LISTED_SUFFIXES, decode
from tenfold.data.mnist import NON_DIGIT_LABEL, SIDE
from tenfold.errors import DataError
from tenfold.untrusted import read_text

_DIGITS = {digit: int(digit) for digit in "0123456789"}
_DIGITS_AND_NONE = _DIGITS | {"none": NON_DIGIT_LABEL}
MAX_DARK_LEVEL = 127
MAX_ROWS = 1_000_000


@dataclass(frozen=True)
class LabelledFile:
    """A picture's file and its label, which is not checked.

    Args:
        path: the file.
        label: any text.
        place: where the label is from; messages about the label begin with it.
    """

    path: Path
    label: str
    place: str


def load_folder(
    path: Path, *, with_non_digits: bool = False
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read a folder of labelled digit images, in the order of their names or of the CSV's rows.

    The folder has sub-folders ``0`` … ``9`` of images, or a ``labels.csv`` (or a single CSV of
    another name) whose rows are ``file,label``, with or without a header.

    Args:
        path: the folder.
        with_non_digits: whether ``none`` is a label too. Otherwise that sub-folder is left out.

    Returns:
        images uint8[n, 28, 28] white on black, and labels int64[n] in 0 … 9, -1 for ``none``.

    Raises:
        DataError: no folder or nothing in it, an image that cannot be read, or a label outside
            0 … 9; the message names the file.
    """
    labels = _DIGITS_AND_NONE if with_non_digits else _DIGITS
    files = list_labelled_files(path, labels)
    for file in files:
        if file.label not in labels:
            none = " or none" if with_non_digits else ""
            raise DataError(f"{file.place} as {file.label!r}, not 0 … 9{none}")
    images = np.stack([to_mnist_size(decode(file.path)) for file in files])
    return images, np.array([labels[file.label] for file in files], dtype=np.int64)


def list_labelled_files(path: Path, subfolders: Container[str] = _DIGITS) -> list[LabelledFile]:
    """List a folder's images and their labels, in the order of their names or of the CSV's rows.

    `load_folder` describes the folder; here the labels of the CSV may be any text.

    Args:
        path: the folder.
        subfolders: their names. `none` is left out if it is not among them.

    Raises:
        DataError: no folder, nothing in it, pictures in a sub-folder of another name or below one
            of a label, labels in both forms, or a bad CSV.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    listed = _list_subfolders(path, subfolders)
    if listed and (path / "labels.csv").exists():
        raise DataError(f"{path}: has sub-folders of labels and a labels.csv; keep one of them")
    listed = listed or _list_csv(path)
    if not listed:
        raise DataError(f"{path}: no digits here; add sub-folders 0 … 9 of images or a labels.csv")
    return listed


def to_mnist_size(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Make a picture uint8[h, w] or uint8[h, w, 3] of a digit uint8[28, 28], white on black.

    Another size is scaled to 28 x 28 by averaging areas, or bilinearly if it is smaller. If the
    median of the border's pixels is above 127, the image is taken to be dark on light and inverted.
    """
    grey = Image.fromarray(picture).convert("L")
    if grey.size != (SIDE, SIDE):
        smaller = min(grey.size) < SIDE
        method = Image.Resampling.BILINEAR if smaller else Image.Resampling.BOX
        grey = grey.resize((SIDE, SIDE), method)
    pixels = np.array(grey)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    return 255 - pixels if np.median(border) > MAX_DARK_LEVEL else pixels


def _list_subfolders(path: Path, names: Container[str]) -> list[LabelledFile]:
    listed, others = [], []
    for folder in _subfolders(path):
        if folder.name in names:
            listed += [
                LabelledFile(file, folder.name, f"{folder}: labels {file.name}")
                for file in _pictures_in(folder)
            ]
            if too_deep := next(filter(_has_pictures, _subfolders(folder)), None):
                raise DataError(f"{too_deep}: has pictures too; move them into {folder}")
        elif folder.name not in _DIGITS_AND_NONE and _has_pictures(folder):
            others.append(folder)
    if others and (listed or not any(path.glob("*.csv"))):
        raise DataError(f"{others[0]}: a sub-folder's name is its label: 0 … 9 or none")
    return listed


def _subfolders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir())


def _has_pictures(folder: Path) -> bool:
    """Tell whether there are pictures in a folder; in one of a system or a closed one are none."""
    with contextlib.suppress(PermissionError):  # such as lost+found
        return not is_of_system(folder) and bool(_pictures_in(folder))
    return False


def _pictures_in(folder: Path) -> list[Path]:
    return [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in LISTED_SUFFIXES and not file.name.startswith(".")
    ]


def is_of_system(path: Path) -> bool:
    """Tell whether a file or folder is hidden, or made by a system for itself."""
    return path.name.startswith(".") or path.name in {"__MACOSX", "@eaDir"}


def _list_csv(path: Path) -> list[LabelledFile]:
    table = path / "labels.csv"
    if not table.exists():
        tables = sorted(path.glob("*.csv"))
        if len(tables) > 1:
            raise DataError(f"{path}: several CSV files; name the one with the labels labels.csv")
        if not tables:
            return []
        table = tables[0]
    text = read_text(table, DataError, "write a CSV file of file,label").removeprefix("\ufeff")
    listed: list[LabelledFile] = []
    labels: dict[Path, str] = {}
    try:
        lines = enumerate(csv.reader(io.StringIO(text, newline="")), 1)
        for index, (number, row) in enumerate((n, row) for n, row in lines if row):
            if index or not _is_header(row, path):
                listed.append(file := _parse_row(row, table, number))
                if labels.setdefault(file.path, file.label) != file.label:
                    first = labels[file.path]
                    raise DataError(f"{file.place} as {file.label!r}, another row as {first!r}")
            if len(listed) > MAX_ROWS:
                raise DataError(f"{table}: more than {MAX_ROWS:,} rows; divide it")
    except csv.Error as error:
        raise DataError(f"{table}: not a readable CSV file ({error})") from error
    return listed


def _is_header(row: list[str], path: Path) -> bool:
    is_picture = Path(row[0].strip()).suffix.lower() in LISTED_SUFFIXES
    if is_picture or row[-1].strip().lstrip("-").isdecimal():
        return False
    try:
        return not (path / row[0].strip()).is_file()
    except OSError:  # no file has so long a name
        return True


def _parse_row(row: list[str], table: Path, number: int) -> LabelledFile:
    if len(row) != 2:  # noqa: PLR2004
        raise DataError(f"{table}: row {number} has {len(row)} fields; write file,label")
    name, label = row[0].strip(), row[1].strip()
    return LabelledFile(table.parent / name, label, f"{table}: row {number} labels {name}")
