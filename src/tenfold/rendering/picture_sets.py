"""Sets of labelled pictures, known by name or folders of the user's own. None is for training."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tenfold.data.decoding import decode
from tenfold.data.folder import LabelledFile, list_labelled_files
from tenfold.data.pictures import LABEL_PATTERNS, Kind, Labelled, Pictures
from tenfold.errors import DataError
from tenfold.text import escape

MAX_BYTES = 2 * 2**30  # of the pictures of a folder, decoded

Made = tuple[str, Iterator[Labelled]]
"""What the pictures are made from, and the pictures."""


@dataclass(frozen=True)
class PictureSet:
    """A set that tenfold can make.

    Args:
        description: one line for lists.
        kind: see `Pictures`.
        make: makes the first n pictures, or the whole set if n is None.
    """

    description: str
    kind: Kind
    make: Callable[[int | None], Made]


def picture_sets() -> dict[str, str]:
    """Describe the sets that `load_pictures` knows by name, one line each."""
    return {name: entry.description for name, entry in PICTURE_SETS.items()}


def is_picture_set(spec: str) -> bool:
    """Whether `load_pictures` takes this: a set's name, or a folder that has no IDX files."""
    folder = Path(spec)
    return spec in PICTURE_SETS or (folder.is_dir() and not any(folder.glob("*-ubyte*")))


def load_pictures(spec: str, n: int | None = None) -> Pictures:
    """Make a set of pictures, or read a folder of the user's own.

    Args:
        spec: a name in `picture_sets`, or the path of a folder: sub-folders ``0`` … ``9`` of
            images, or a ``labels.csv`` whose rows are ``file,label``; there a label may be several
            digits, a grid of 81, a table (see `Pictures`), or empty for a picture without digits.
        n: number of pictures, from the first; all when None.

    Raises:
        DataError: no such set or folder, bad contents or too many, or fonts that are not installed.
        MissingExtraError: the set needs a package that is not installed.
    """
    if n is not None and n < 0:
        raise DataError(f"{spec}: there are no {n} pictures; ask for 0 or more")
    if spec not in PICTURE_SETS:
        return _load_folder(Path(spec), n)
    entry = PICTURE_SETS[spec]
    source, labelled = entry.make(n)
    made = list(labelled)
    return Pictures(
        pictures=tuple(picture for picture, _ in made),
        labels=tuple(label for _, label in made),
        name=spec,
        source=source,
        kind=entry.kind,
    )


def _load_folder(folder: Path, n: int | None) -> Pictures:
    if not folder.is_dir():
        known = ", ".join(PICTURE_SETS)
        raise DataError(f"{folder}: no such set of pictures or folder; sets: {known}")
    files = list_labelled_files(folder)[:n]
    kind = _kind_of(files)
    pictures, size = [], 0
    for file in files:
        pictures.append(decode(file.path))
        size += pictures[-1].nbytes
        if size > MAX_BYTES:
            raise DataError(f"{folder}: more than {MAX_BYTES // 2**30} GiB of pixels; divide it")
    return Pictures(
        pictures=tuple(pictures),
        labels=tuple(file.label for file in files),
        name=escape(folder.resolve().name),
        source=str(folder),
        kind=kind,
    )


def _kind_of(files: list[LabelledFile]) -> Kind:
    """Find the narrowest kind that all labels are of."""
    for kind, (pattern, _) in LABEL_PATTERNS.items():
        if all(re.fullmatch(pattern, file.label) for file in files):
            return kind
    number, _ = LABEL_PATTERNS["number"]
    wrong = next((file for file in files if not re.fullmatch(number, file.label)), files[0])
    raise DataError(
        f"{wrong.place} as {wrong.label!r}; write its number, such as -8.50, nothing if there is "
        "none, or for all pictures a grid of 81 digits and dots, or a table such as 12,,7/3,4,5"
    )


def _test_digits(spec: str, n: int | None) -> Made:
    from tenfold.data.sources import load_digits

    digits = load_digits(spec, "test")
    images, labels = digits.images.numpy()[:n], digits.labels.numpy()[:n]
    return digits.name, zip(images, map(str, labels), strict=True)


def _mnist(n: int | None) -> Made:
    return _test_digits("mnist", n)


def _bhmsds(n: int | None) -> Made:
    source, digits = _test_digits("bhmsds", n)
    return source, ((255 - image, label) for image, label in digits)


def _bhmsds_symbols(n: int | None) -> Made:
    from tenfold.data.datasets import SYMBOLS
    from tenfold.data.sources import load_symbols

    return f"{SYMBOLS}/test", ((255 - image, "") for image in load_symbols("test")[:n])


def _optical(n: int | None) -> Made:
    from tenfold.data.optical import optical_digits

    return "sklearn.datasets.load_digits", optical_digits(n)


def _font_digits(n: int | None) -> Made:
    from tenfold.rendering.fonts import describe_fonts, font_digits

    return describe_fonts(), font_digits(n)


def _font_letters(n: int | None) -> Made:
    from tenfold.rendering.fonts import describe_fonts, font_letters

    return describe_fonts(), font_letters(n)


def _documents(kind: Kind, size: int) -> PictureSet:
    described = {
        "single": f"{size:,} MNIST test digits, written and photographed",
        "number": f"{size:,} numbers of 1 to 8 MNIST test digits, photographed",
        "grid": f"{size:,} photographed grids of 9 x 9, 32 MNIST test digits in each",
    }

    def make(n: int | None) -> Made:
        from tenfold.data.sources import load_digits
        from tenfold.rendering import documents

        renderers = {
            "single": documents.digit_documents,
            "number": documents.number_documents,
            "grid": documents.grid_documents,
        }
        digits = load_digits("mnist", "test")
        source = f"{digits.name}, documents {documents.DOCUMENTS_VERSION}"
        return source, renderers[kind](digits, size if n is None else n)

    return PictureSet(described[kind], kind, make)


def _blanks_and_scribbles(n: int | None) -> Made:
    from tenfold.rendering.documents import DOCUMENTS_VERSION
    from tenfold.rendering.doodles import blanks_and_scribbles

    return f"documents {DOCUMENTS_VERSION}", blanks_and_scribbles(1_000 if n is None else n)


PICTURE_SETS: dict[str, PictureSet] = {
    "mnist-pictures": PictureSet("10,000 MNIST test digits, as pictures to read", "single", _mnist),
    "bhmsds-pictures": PictureSet(
        "3,750 test digits of Polish hands, dark on light, as pictures to read", "single", _bhmsds
    ),
    "bhmsds-symbol-pictures": PictureSet(
        "2,625 letters and symbols of the same hands: w x y z + - .", "non-digit", _bhmsds_symbols
    ),
    "optical": PictureSet("1,797 digits of 8 x 8 by 13 writers (UCI)", "single", _optical),
    "font-digits": PictureSet(
        "1,960 digits in 49 handwriting fonts, each in four sizes", "single", _font_digits
    ),
    "font-letters": PictureSet(
        "1,042 letters in 45 handwriting fonts, none that could be a digit",
        "non-digit",
        _font_letters,
    ),
    "documents": _documents("single", 2_000),
    "document-numbers": _documents("number", 500),
    "document-grids": _documents("grid", 20),
    "blanks-and-scribbles": PictureSet(
        "1,000 photographed papers, blank or with scribbles and doodles",
        "non-digit",
        _blanks_and_scribbles,
    ),
}
