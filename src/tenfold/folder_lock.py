"""One process at a time works in a folder; it finds nothing half-written there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from tenfold.errors import RunError
from tenfold.files import is_temporary, refuse_links, writing

LOCK_NAME = ".lock"
# Workers of a process that was just killed may hold its lock for a moment.
LOCK_TIMEOUT_SECONDS = 3.0


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder for the length of a `with`; make it first, and remove unfinished files.

    The operating system ends the hold with the process, however the process ends.

    Raises:
        RunError: another process holds the folder.
        WriteError: it cannot be written, or holds a link or a device.
    """
    lock = filelock.FileLock(folder / LOCK_NAME, timeout=LOCK_TIMEOUT_SECONDS)
    with writing(f"--out {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        refuse_links(folder)
        try:
            lock.acquire()
        except filelock.Timeout:  # an OSError, too
            raise RunError(
                f"{folder}: another process is at work there; wait for it, or name another --out"
            ) from None
        for path in folder.rglob(".*"):
            if is_temporary(path):
                path.unlink(missing_ok=True)
    try:
        yield
    finally:
        lock.release()
