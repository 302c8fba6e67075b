"""A zip of a folder of images, such as the page's corrections, in place of the folder."""

import contextlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tenfold.data.folder import is_of_system
from tenfold.errors import DataError

try:
    from lzma import LZMAError
except ImportError:  # Python was built without it, and zipfile refuses what it packed
    LZMAError = zlib.error  # type: ignore[assignment,misc]

MAX_ENTRIES = 100_000
MAX_UNPACKED_BYTES = 512 * 2**20


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give the folder `path`, or the contents of the zip `path` as a temporary folder.

    If the zip holds one folder and nothing else, as one from a file manager does, that folder is
    given.
    Messages of a `DataError` name the zip in place of the temporary folder.

    Raises:
        DataError: the zip is damaged, encrypted or too large.
    """
    is_zip = path.suffix.lower() == ".zip" or (path.is_file() and zipfile.is_zipfile(path))
    if path.is_dir() or not is_zip:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tenfold-") as folder:
        _unpack(path, Path(folder))
        try:
            yield _inner_folder(Path(folder))
        except DataError as error:
            raise DataError(str(error).replace(folder, str(path))) from error


def _inner_folder(folder: Path) -> Path:
    """Return the only folder in a folder, unless it is named like a label, or the folder itself."""
    packed = [entry for entry in folder.iterdir() if not is_of_system(entry)]
    (only, *others) = packed or [folder]
    is_label = only.name.isdecimal() or only.name == "none"
    return only if only.is_dir() and not others and not is_label else folder


def _unpack(path: Path, folder: Path) -> None:
    """Unpack a zip; names that lead out of the folder are cut by `zipfile`."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise DataError(f"{path}: more than {MAX_ENTRIES:,} files; divide it")
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                raise DataError(f"{path}: more than {MAX_UNPACKED_BYTES:,} bytes; divide it")
            archive.extractall(folder)
    except OSError as error:  # without strerror it is of bz2, or a name in it is no file name
        reason = error.strerror or str(error)
        raise DataError(f"{path}: cannot be read ({reason}); name a folder or a zip") from error
    except (zipfile.BadZipFile, zlib.error, LZMAError, RuntimeError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable zip ({error}); name a folder or a zip") from error
