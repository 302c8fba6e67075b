"""A member's journal: one JSON line for each evaluation, and what was predicted at each.

    journal.jsonl           the records
    log_probabilities.f16   float16 log p of every monitored image: [evaluations, n, 10], raw

Float16 keeps log p to 0.05 %, so that any subset of members can be averaged afterwards.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tenfold.artifacts.training import JournalRecord, TrainingRecord
from tenfold.data.mnist import CLASSES
from tenfold.errors import RunError
from tenfold.files import append_durably

R = TypeVar("R", bound=TrainingRecord)


class Journal:
    """Append-only; `truncate` drops what a killed run wrote after its last checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self.probabilities_path = folder / "log_probabilities.f16"

    def append(
        self, record: TrainingRecord, predictions_nk: npt.NDArray[np.float32] | None = None
    ) -> None:
        """Add one evaluation: a record, and predictions of the same shape each time.

        A checkpoint on the disk must not know more than the journal.
        """
        if predictions_nk is not None:
            append_durably(self.probabilities_path, predictions_nk.astype(np.float16).tobytes())
        append_durably(self.path, record.to_json().encode())

    def sizes(self) -> dict[str, int]:
        """Return the length of each file in bytes, for `truncate`."""
        return {path.name: path.stat().st_size for path in self._paths if path.exists()}

    def truncate(self, sizes: Mapping[str, int] | None = None) -> None:
        """Cut the files back to what `sizes` once returned; to nothing without it.

        Raises:
            RunError: one of them is shorter.
        """
        for path in self._paths:
            path.touch()
            size = (sizes or {}).get(path.name, 0)
            if path.stat().st_size < size:
                raise RunError(
                    f"{path}: shorter than at the last checkpoint; "
                    "delete its folder to train the member again"
                )
            os.truncate(path, size)

    def records(self) -> list[JournalRecord]:
        """Return every evaluation of a digit classifier, oldest first; see `read`."""
        return self.read(JournalRecord)

    def read(self, record: type[R]) -> list[R]:
        """Return every evaluation, oldest first.

        Args:
            record: the schema of a line.

        Raises:
            RunError: a line is not a record.
        """
        fix = "delete its folder to train the member again"
        return record.read_lines(self.path, fix)

    def log_probabilities(self, index: int, images: int) -> npt.NDArray[np.float16]:
        """Return log p float16 [n, 10] of the `index`-th evaluation over `images` images.

        Raises:
            RunError: it is not in the file.
        """
        block = images * CLASSES
        try:
            return np.fromfile(
                self.probabilities_path, np.float16, count=block, offset=index * block * 2
            ).reshape(images, CLASSES)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.probabilities_path}: evaluation {index} cannot be read; train the run again"
            ) from error

    @property
    def _paths(self) -> tuple[Path, Path]:
        return self.path, self.probabilities_path
