"""Pages of PDF files as pixels; `pdf_process.py` makes them, within limits of time and memory."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenfold.data.picture_headers import MAX_PAGES, MAX_SIDE_PX, Data
from tenfold.errors import DataError

CPU_SECONDS = 20  # of one process
CLOCK_SECONDS = 60
MEMORY_BYTES = 2**30
FILES_A_PROCESS = 500

_PROGRAM = Path(__file__).with_name("pdf_process.py")
_REFUSED = 2  # its exit code when it has written a reason
_STANDARD_INPUT = "-"
_BEFORE_HEADER = b"\xef\xbb\xbf\0\t\n\r "
_MAX_BYTES_BEFORE_HEADER = 1024


def is_pdf(data: Data) -> bool:
    """Return whether a file begins as a PDF."""
    return data[:_MAX_BYTES_BEFORE_HEADER].lstrip(_BEFORE_HEADER).startswith(b"%PDF-")


def count_pages(source: Path | bytes) -> int:
    """Return how many pages a PDF has; 1 if it cannot be read, for `render_page` says why."""
    if isinstance(source, bytes):
        return (_count([_STANDARD_INPUT], source) or [1])[0]
    return count_pages_of_files([str(source)])[0]


def count_pages_of_files(names: Sequence[str]) -> list[int]:
    """Return for many PDF files what `count_pages` does, with a process for some hundred."""
    counts: list[int] = []
    while len(counts) < len(names):
        some = [os.path.abspath(name) for name in names[len(counts) :][:FILES_A_PROCESS]]  # noqa: PTH100 - keeps links
        counts += _count(some) or [1]  # the first one ended the process
    return counts


def _count(names: Sequence[str], contents: bytes | None = None) -> list[int]:
    _, output = _run(["count", *names], contents)
    return [int(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


def render_page(
    source: Path | bytes, number: int, max_pixels: int
) -> tuple[npt.NDArray[np.uint8], int]:
    """Render a page: a scan with its own pixels, another page with 300 dpi, or less if it is large.

    Args:
        source: a file's path, or its bytes.
        number: of the page, from 1.
        max_pixels: the picture has no more; a page with more points is refused.

    Returns:
        uint8[h, w, 3], RGB, and how many pages the file has.

    Raises:
        DataError: the file or the page is damaged, encrypted, or too large.
    """
    name = _STANDARD_INPUT if isinstance(source, bytes) else os.path.abspath(source)  # noqa: PTH100
    numbers = map(str, (number, max_pixels, MAX_SIDE_PX))
    code, output = _run(["render", name, *numbers], source if isinstance(source, bytes) else None)
    if code == _REFUSED:
        raise DataError(output.decode())
    if code:
        raise DataError(f"damaged, or drawing takes more than 1 GB or {CPU_SECONDS} s")
    start = output.index(b"\n") + 1
    count, width, height, stride = map(int, output[:start].split())
    rows = np.frombuffer(output, np.uint8, offset=start).reshape(height, stride)
    pixels = rows[:, : 3 * width]
    return pixels.reshape(height, width, 3), count


def page_sizes(source: Path) -> list[tuple[float, float]]:
    """Return width and height of each page of a PDF, in points of 1/72 inch.

    Raises:
        DataError: the file is damaged or encrypted.
    """
    code, output = _run(["sizes", str(source.absolute())], None)
    if code:
        raise DataError(output.decode() if code == _REFUSED else "damaged")
    pairs = (line.split() for line in output.decode().splitlines())
    return [(float(width), float(height)) for width, height in pairs]


def _run(arguments: Sequence[str], contents: bytes | None) -> tuple[int, bytes]:
    """Run `pdf_process.py`; return its exit code and what it wrote."""
    limits = map(str, (CPU_SECONDS, MEMORY_BYTES, MAX_PAGES))
    command = [sys.executable, "-P", str(_PROGRAM), *limits, *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL if contents is None else None,
            input=contents,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=CLOCK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return 1, error.stdout or b""
    return done.returncode, done.stdout
