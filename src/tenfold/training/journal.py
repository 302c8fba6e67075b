"""A member's journal: one JSON line an evaluation, and what was predicted at each.

    journal.jsonl           the records
    log_probabilities.f16   float16 log p of every monitored image: [evaluations, n, 10], raw

Float16 keeps log p to 0.05 %, so that any subset of members can be averaged afterwards.
"""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import CLASSES
from tenfold.errors import RunError

Record = dict[str, Any]


class Journal:
    """Append-only; `keep(count)` drops what a killed run wrote after its last checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self.probabilities_path = folder / "log_probabilities.f16"

    def append(self, record: Record, log_probabilities_nk: npt.NDArray[np.float32]) -> None:
        """Add one evaluation: a flat record and log p float32 [n, 10]."""
        _append(self.probabilities_path, log_probabilities_nk.astype(np.float16).tobytes())
        _append(self.path, (json.dumps(record) + "\n").encode())

    def keep(self, count: int, images: int) -> None:
        """Cut both files back to their first `count` evaluations of `images` images.

        Raises:
            RunError: one of them holds fewer.
        """
        self.path.touch()
        self.probabilities_path.touch()
        with self.path.open("rb") as file:
            lines = list(itertools.islice(file, count))
        size = count * images * CLASSES * 2
        if len(lines) < count or self.probabilities_path.stat().st_size < size:
            raise RunError(
                f"{self.path.parent}: journal shorter than its checkpoint says; "
                "delete this folder to train the member again"
            )
        os.truncate(self.path, sum(map(len, lines)))
        os.truncate(self.probabilities_path, size)

    def records(self) -> list[Record]:
        """Return every evaluation, oldest first.

        Raises:
            RunError: a line is not JSON.
        """
        try:
            with self.path.open(encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise RunError(f"{self.path}: not a journal: {error}") from error

    def log_probabilities(self, index: int, images: int) -> npt.NDArray[np.float16]:
        """Return log p float16 [n, 10] of the `index`-th evaluation over `images` images."""
        block = images * CLASSES
        try:
            return np.fromfile(
                self.probabilities_path, np.float16, count=block, offset=index * block * 2
            ).reshape(images, CLASSES)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.probabilities_path}: evaluation {index} cannot be read; train the run again"
            ) from error


def _append(path: Path, data: bytes) -> None:
    """Add `data` and sync it: a checkpoint on disk must not know more than the journal."""
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
