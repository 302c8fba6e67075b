"""Files that appear whole or not at all, and are never written through a link."""

import contextlib
import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tenfold.errors import WriteError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# Errors of the operating system that a user can mend; any other is a bug.
MENDABLE = DISK_FULL.union(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EFBIG),
    (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP),
)


def write_atomically(path: Path, data: bytes | str) -> Path:
    """Write `data` under a temporary name in the same folder, sync it, then rename.

    The folder is synced too, so that the new name survives a power cut.

    Raises:
        WriteError: the disk is full or the folder cannot be written, or `path` is there and no
            regular file: a folder, a device, a link.
    """
    if isinstance(data, str):  # a name in it may have bytes that are not UTF-8
        data = data.encode(errors="backslashreplace")
    writer = f"{os.getpid()}.{threading.get_native_id()}"  # another may write the same file
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise WriteError(f"{path}: is a link, a folder or a device; name another file")
        temporary = path.with_name(f".{path.name}.{writer}.tmp")
        try:
            temporary.unlink(missing_ok=True)
            with temporary.open("xb") as file:  # "x" follows no link
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    return path


def append_durably(path: Path, data: bytes) -> int:
    """Add `data` to the end of a file and sync it; return where it begins.

    Raises:
        WriteError: it cannot be written.
    """
    with writing(path), path.open("ab") as file:
        place = file.tell()
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return place


def drop_unfinished_line(path: Path) -> None:
    """Cut a file of lines back to its last whole one: a killed process may have left a part.

    Raises:
        WriteError: it is missing, or cannot be written.
    """
    with writing(path), path.open("rb+") as file:
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))


@contextlib.contextmanager
def writing(name: object) -> Iterator[None]:
    """Turn an error of the operating system into one line that begins with `name`.

    Raises:
        WriteError: a file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(f"{name}: cannot be written ({error.strerror}); {_fix(error)}") from error


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `path` if the `with` ends without an error.

    Messages of a `WriteError` name `path` in place of that folder.

    Raises:
        WriteError: `path` is there and no empty folder, or cannot be written.
    """
    with writing(f"--out {path}"):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise WriteError(f"--out {path}: is not an empty folder; name a new one")
        target = path.resolve()
        if target == Path.cwd():  # it would be replaced under the feet of the shell
            raise WriteError(f"--out {path}: is the working folder; name a new one")
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
    with staging:
        folder = Path(staging.name, target.name)
        folder.mkdir()
        try:
            yield folder
        except WriteError as error:
            raise WriteError(str(error).replace(str(folder), f"--out {path}")) from error
        with writing(f"--out {path}"):
            if target.exists():
                target.rmdir()
            folder.replace(target)


@contextlib.contextmanager
def mendable_in_one_line() -> Iterator[None]:
    """Turn what a user can mend into one line, wherever it was raised.

    Raises:
        WriteError: the disk is full, or a file may not be read or written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise WriteError(f"{where}{error.strerror}; {_fix(error)}") from error


def _fix(error: OSError) -> str:
    """Return what the user can do about a file that cannot be used."""
    if error.errno in DISK_FULL:
        return "make room, then the same command continues"
    return "name another path"


def refuse_links(folder: Path) -> None:
    """Refuse a folder that holds anything but regular files and folders, at any depth.

    Somebody else's folder may hold a link that leads out, or a pipe that never answers. The
    folder itself may be a link.

    Raises:
        WriteError: there is such an entry, or a folder cannot be listed.
    """
    with writing(folder):
        if not folder.is_dir():
            return
        unseen = [folder]
        while unseen:
            with os.scandir(unseen.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        unseen.append(Path(entry.path))
                    elif not entry.is_file(follow_symlinks=False):
                        raise WriteError(
                            f"{entry.path}: is a link or a device; put a file or folder in its "
                            "place, or name another folder"
                        )


def is_temporary(path: Path) -> bool:
    """Tell whether a file is what `write_atomically` leaves behind when its process is killed."""
    return path.name.startswith(".") and path.suffix == ".tmp"
