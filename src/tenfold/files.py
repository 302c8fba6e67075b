"""Files that appear whole or not at all."""

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes | str) -> Path:
    """Write `data` under a temporary name in the same folder, sync it, then rename.

    The folder is synced too, so that the new name survives a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
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


def is_temporary(path: Path) -> bool:
    """Tell whether a file is what `write_atomically` leaves behind when its process is killed."""
    return path.name.startswith(".") and path.suffix == ".tmp"
