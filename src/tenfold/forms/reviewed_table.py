"""What a review leaves: the table with what people said, and digits to tune a bundle with."""

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tenfold.data.mnist import SIDE
from tenfold.errors import ReviewError
from tenfold.files import write_atomically
from tenfold.forms.review import ReviewSession
from tenfold.forms.review_folder import FieldReading
from tenfold.reading.constraints import only_digits
from tenfold.untrusted import read_text

CORRECTIONS_FOLDER = "corrections"


def write_reviewed_table(table: Path, session: ReviewSession) -> str:
    """Write a table again, with what people said; and the digits that were read wrong.

    A field that was reviewed has the probability 1 and needs no review. What was taken back is as
    it was read.

    Returns:
        The name of the table.

    Raises:
        ReviewError: the table cannot be read, or is another one than was reviewed.
        WriteError: it cannot be written.
    """
    text = read_text(table, ReviewError, "write it with `tenfold forms read`")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    by_document = {row["document"]: row for row in rows}
    for key, review in list(session.log.latest.items()):
        reading, row = session.readings.get(key), by_document.get(key[0])
        if reading is None or row is None or key[1] not in row:
            raise ReviewError(f"{table}: has no {key[1]} of {key[0]}, which was reviewed")
        reviewed = review.value is not None
        row[key[1]] = reading.value if review.value is None else review.value
        row[f"{key[1]}.probability"] = "1" if reviewed else f"{reading.probability:.4f}"
        row[f"{key[1]}.review"] = str(not reviewed and reading.review).lower()
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, list(rows[0]) if rows else ["document"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(table, written.getvalue())
    write_corrections(session)
    return table.name


def write_corrections(session: ReviewSession) -> int:
    """Write the digits that were read wrong as `corrections/0` … `9` in the review's folder.

    `tenfold tune --data` takes it. A field whose count of digits was wrong is left out: nobody
    knows which of its digits is which.

    Returns:
        How many there are.

    Raises:
        WriteError: they cannot be written.
    """
    folder = session.folder / CORRECTIONS_FOLDER
    wanted = {}
    for reading, review in session.reviewed():
        for place, (image, digit) in enumerate(_corrected(session.folder, reading, review.value)):
            name = hashlib.sha256(repr((reading.key, place)).encode()).hexdigest()[:16]
            wanted[folder / digit / f"{name}.png"] = image
    for path in folder.glob("[0-9]/*.png"):
        if path not in wanted:
            path.unlink()
    for path, image in wanted.items():
        if not path.exists():
            write_atomically(path, cv2.imencode(".png", image)[1].tobytes())
    return len(wanted)


def _corrected(
    folder: Path, reading: FieldReading, value: str | None
) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the digits of a field that were read wrong: uint8[28, 28], and what they are."""
    read, right = (only_digits(text) for text in (reading.value, value or ""))
    if not reading.digits or len(read) != len(right) or read == right:
        return
    strip = cv2.imread(str(folder / reading.digits), cv2.IMREAD_GRAYSCALE)
    if strip is None or strip.shape != (SIDE, SIDE * len(read)):
        return
    for place, (before, after) in enumerate(zip(read, right, strict=True)):
        if before != after:
            yield np.asarray(strip[:, SIDE * place : SIDE * (place + 1)], np.uint8), after
