"""One process at a time works in a folder; it finds nothing half-written there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from tenfold.errors import RunError, WriteError
from tenfold.files import is_temporary, refuse_links, writing
from tenfold.text import is_utf8

LOCK_NAME = ".lock"
# Workers of a process that was just killed may hold its lock for a moment.
LOCK_TIMEOUT_SECONDS = 3.0


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder for the length of a `with`; make it first, and remove unfinished files.

    The operating system ends the hold with the process, however the process ends. Folders in it
    with a lock file of their own, such as the runs of a study, keep their unfinished files until
    they are held themselves: another process may be at work there.

    Raises:
        RunError: another process holds the folder.
        WriteError: it cannot be written, its name is not UTF-8, or it holds a link or a device.
    """
    if not is_utf8(str(folder)):  # safetensors and Arrow cannot open files there
        raise WriteError(f"--out {folder}: its name is not UTF-8; name another folder")
    lock = filelock.FileLock(folder / LOCK_NAME, timeout=LOCK_TIMEOUT_SECONDS)
    with writing(f"--out {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        refuse_links(folder)
        try:
            lock.acquire()
        except filelock.Timeout:  # an OSError, too
            raise RunError(
                f"{folder}: another process is at work there; wait until it ends, or stop it"
            ) from None
        others = [other.parent for other in folder.rglob(LOCK_NAME) if other.parent != folder]
        for path in folder.rglob(".*"):
            if is_temporary(path) and not any(path.is_relative_to(other) for other in others):
                path.unlink(missing_ok=True)
    try:
        yield
    finally:
        lock.release()
