"""What `tenfold read` reads: the files of its arguments, and their pages."""

import glob
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.output import console
from tenfold.errors import DataError

if TYPE_CHECKING:
    from tenfold.data.file_pages import FilePage

MIN_PICTURES_FOR_PROGRESS = 20
_STANDARD_INPUT = "standard input"


def read_standard_input() -> bytes:
    """Read standard input to its end.

    Raises:
        DataError: it is closed, cannot be read, or has more than a file may have.
    """
    from tenfold.untrusted import MAX_FILE_BYTES

    if sys.stdin is None:
        raise DataError(f"{_STANDARD_INPUT}: is closed; name a file")
    try:
        content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{_STANDARD_INPUT}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"{_STANDARD_INPUT}: has more than {MAX_FILE_BYTES:,} bytes; "
            "write it to a file and name that"
        )
    return content


def pages_of(names: Sequence[str], standard_input: bytes) -> "Iterator[tuple[str, FilePage]]":
    """Yield the pages of files, each with the name of its file; - is standard input."""
    from tenfold.data.file_pages import file_pages

    for name in _with_progress(names):
        source = standard_input if name == "-" else name
        yield from ((name, page) for page in file_pages(source, _STANDARD_INPUT))


def list_files(source: str, more: Collection[str] = ()) -> list[str]:
    """Return the file of an argument, or the files in a folder or of a pattern, sorted.

    A folder that cannot be opened is among them: to read it is an error that says why.

    Raises:
        DataError: there are none.
    """
    from tenfold.data.decoding import LISTED_SUFFIXES

    suffixes = LISTED_SUFFIXES.union(more)
    path = Path(source)
    try:
        if source == "-" or (path.exists() and not path.is_dir()):
            return [source]
        if path.is_dir():
            found = _files_below(path, suffixes)
            missing = "no pictures in this folder"
        else:
            found = [p for p in map(Path, glob.glob(source, recursive=True)) if p.is_file()]  # noqa: PTH207 - takes absolute patterns too
            missing = "no such file, folder or pattern"
    except OSError as error:
        raise DataError(f"{source}: {error.strerror}") from error
    if not found:
        raise DataError(f"{source}: {missing}")
    return sorted(map(str, found))


def list_all_files(sources: Sequence[str], what: str, more: Collection[str] = ()) -> list[str]:
    """Return the files of all arguments, each once; see `list_files`.

    Args:
        sources: the arguments.
        what: reads them, for the message.
        more: suffixes that are listed, too.

    Raises:
        DataError: an argument has none, or is standard input.
    """
    if "-" in sources:
        raise DataError(f"-: {what} does not read standard input; write it to a file and name that")
    return list(dict.fromkeys(name for source in sources for name in list_files(source, more)))


def _files_below(top: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files with these suffixes at any depth, and the folders that cannot be opened.

    What is hidden is left out, and so is what tenfold has written. Links to folders are not
    followed.
    """
    found: list[Path] = []
    unreadable: list[OSError] = []
    for folder, below, names in os.walk(top, onerror=unreadable.append):
        below[:] = [name for name in below if not _is_left_out(Path(folder, name))]
        paths = [Path(folder, name) for name in names if not name.startswith(".")]
        found += [p for p in paths if p.suffix.lower() in suffixes and not _is_special(p)]
    return found + [Path(error.filename) for error in unreadable]


def _is_left_out(folder: Path) -> bool:
    """Return whether a folder is hidden, or has readings or the review of forms from tenfold."""
    if folder.name.startswith("."):
        return True
    if folder.suffix == ".review":
        from tenfold.forms.journal import PLAN_FILE
    else:
        from tenfold.reading.parquet import PLAN_FILE
    # A folder that cannot be opened has no plan, and is an error later.
    return os.path.isfile(folder / PLAN_FILE)  # noqa: PTH113


def _is_special(path: Path) -> bool:
    """Return whether this is a pipe or a device; a link to nothing is an error when it is read."""
    try:
        return not path.is_file() and path.exists()
    except PermissionError:
        return False


def _with_progress(names: Sequence[str]) -> Iterator[str]:
    """Yield names of files; on a terminal, and if they are many, with a progress bar."""
    from rich.progress import track

    terminal = console(stderr=True)
    few = len(names) < MIN_PICTURES_FOR_PROGRESS
    quiet = few or not terminal.is_terminal or sys.stdout.isatty()
    yield from track(names, "reading", console=terminal, disable=quiet, transient=True)
