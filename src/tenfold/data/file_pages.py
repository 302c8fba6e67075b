"""The pages of a file: a PDF and a TIFF may have many, any other picture is one page."""

import io
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tenfold.data.pdf import count_pages, count_pages_of_files, is_pdf
from tenfold.data.picture_headers import Data, tiff_pages
from tenfold.errors import DataError

TIFF_STARTS = (b"II", b"MM")
DOCUMENT_SUFFIXES = frozenset({".pdf", ".tif", ".tiff"})


@dataclass(frozen=True)
class FilePage:
    """A page of a file; to be read, it is a picture of its own.

    Attributes:
        source: the file's path, or its bytes.
        number: of the page, from 1.
        count: how many pages the file has.
        name: of bytes, for messages.
    """

    source: Path | bytes = field(repr=False)
    number: int = 1
    count: int = 1
    name: str = "picture"

    def __str__(self) -> str:
        """Return the name for messages; the page only if there are several."""
        name = str(self.source) if isinstance(self.source, Path) else self.name
        return name if self.count == 1 else f"{name}, page {self.number}"


def file_pages(source: Path | str | bytes, name: str = "picture") -> Iterator[FilePage]:
    """Yield the pages of a picture file or a PDF, without decoding them.

    A file that cannot be read has one page: the error comes when that is read.

    Args:
        source: the file's path, or its bytes.
        name: of bytes, for messages.
    """
    source = Path(source) if isinstance(source, str) else source
    yield from _pages(source, _count(source), name)


def pages_of_files(names: Sequence[str]) -> Iterator[FilePage]:
    """Yield what `file_pages` does of each of many files; PDFs are counted many at a time."""
    counts = _counts(names)
    for name in names:
        yield from _pages(Path(name), counts[name])


def _pages(source: Path | bytes, count: int, name: str = "picture") -> Iterator[FilePage]:
    return (FilePage(source, number, count, name) for number in range(1, count + 1))


def page_counts(names: Sequence[str]) -> list[int]:
    """Return how many pages files have; only those with a document's suffix are opened."""
    documents = [name for name in names if Path(name).suffix.lower() in DOCUMENT_SUFFIXES]
    return list((dict.fromkeys(names, 1) | _counts(documents)).values())


def _counts(names: Sequence[str]) -> dict[str, int]:
    """Return how many pages each file has; PDFs are counted many at a time."""
    counts = {name: _count_of_picture(Path(name)) for name in names}
    pdfs = [name for name, count in counts.items() if count is None]
    in_pdfs = dict(zip(pdfs, count_pages_of_files(pdfs), strict=True))
    return {name: in_pdfs[name] if n is None else n for name, n in counts.items()}


def _count(source: Path | bytes) -> int:
    count = _count_of_picture(source)
    return count_pages(source) if count is None else count


def _count_of_picture(source: Path | bytes) -> int | None:
    """Return how many pages a file has; None for a PDF, which only another process opens."""
    try:
        with open_file(source) as (_, data):
            if data[:2] in TIFF_STARTS:
                return len(tiff_pages(data))
            return None if is_pdf(data) else 1
    except (OSError, ValueError, ArithmeticError, LookupError, struct.error, DataError):
        return 1


@contextmanager
def open_file(source: Path | bytes) -> Iterator[tuple[BinaryIO, Data]]:
    """Open a picture as a file and as bytes; a path's bytes are mapped, not read.

    Raises:
        OSError: it is no file, or cannot be opened.
        DataError: it is empty, a pipe or a device; the message has no name.
    """
    if isinstance(source, bytes):
        if not source:
            raise DataError("is empty")
        yield io.BytesIO(source), source
        return
    # Opening a pipe would wait for its writer; opening a folder says why that cannot be.
    if source.exists() and not (source.is_file() or source.is_dir()):
        raise DataError("is a pipe or a device, not a file")
    with source.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise DataError("is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield file, data
