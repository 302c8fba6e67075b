"""What a review leaves: the table with what people said, and digits to tune a bundle with."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import cv2

from tenfold.arrays import Pixels
from tenfold.data.mnist import SIDE
from tenfold.errors import DataError
from tenfold.files import write_atomically
from tenfold.forms.review import ReviewSession
from tenfold.forms.review_folder import FieldReading, Review, cut
from tenfold.forms.sums import SUM, broken_sums, sums_of
from tenfold.forms.table import Row, field_columns, read_table, write_table
from tenfold.reading.constraints import only_digits

CORRECTIONS_FOLDER = "corrections"


def write_reviewed_table(table: Path, session: ReviewSession) -> str:
    """Write a table again, with what people said; and the digits that were read wrong.

    A field that was reviewed has the probability 1 and needs no review. What was taken back is as
    it was read. Reviews of documents that the table no longer has are left out.

    Returns:
        The name of the table.

    Raises:
        DataError: the table cannot be read.
        WriteError: it cannot be written.
    """
    with session.writing:  # a person may ask for the table while another's is written, or Ctrl-C
        columns, rows = read_table(table)
        apply_reviews(rows, session)
        write_table(table, columns, rows)
        write_corrections(session)
    return table.name


def apply_reviews(rows: Sequence[Row], session: ReviewSession) -> None:
    """Put what people said into the rows of a table."""
    by_document = {row.get("document"): row for row in rows}
    sums = sums_of(session.form) if session.form else ()
    for field in session.wrong_sums.fields():
        row = by_document.get(field.document)
        if row is not None and field.field in row:
            row |= _cells_of_sum(field, is_right=field.key in session.wrong_sums.settled)
    for key, review in list(session.log.latest.items()):
        reading, row = session.readings.get(key), by_document.get(key[0])
        if reading is not None and row is not None and key[1] in row:
            row |= _cells_of(reading, review, session)
            row |= _broken_sums(row, sums)


def _cells_of(reading: FieldReading, review: Review, session: ReviewSession) -> Row:
    """Return the columns of a field that was reviewed, or whose review was taken back."""
    value, probability, rules, doubtful = review.value, 1.0, reading.rules, False
    if value is None:
        value, probability, doubtful = reading.value, reading.probability, reading.review
    elif value != reading.value:
        rules = session.broken_rule(reading.key, value)
    return field_columns(reading.field, value, probability, rules, review=doubtful)


def _cells_of_sum(reading: FieldReading, *, is_right: bool) -> Row:
    """Return the columns of a field, before reviews, of a document with a sum that was wrong."""
    p, rules, review = reading.probability, reading.rules, reading.review
    if is_right and reading.without_sums is not None:
        p, rules, review = reading.without_sums, "", False
    return field_columns(reading.field, reading.value, p, rules, review=review)


def _broken_sums(row: Row, sums: Sequence[tuple[str, ...]]) -> Row:
    """Return the columns of broken rules of the fields that sums are about, as values are now."""
    here = [names for names in sums if all(name in row for name in names)]
    wrong = broken_sums(row, here)
    totals, concerned = {names[-1] for names in wrong}, set(chain.from_iterable(wrong))
    result = {}
    for name in chain.from_iterable(here):
        rules = row[f"{name}.rules"]
        if name in totals:
            result[f"{name}.rules"] = rules or SUM
        elif rules == SUM and name not in concerned:
            result[f"{name}.rules"] = ""
    return result


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
) -> Iterator[tuple[Pixels, str]]:
    """Yield the digits of a field that were read wrong: uint8[28, 28], and what they are."""
    read, right = (only_digits(text) for text in (reading.value, value or ""))
    if reading.digits is None or len(read) != len(right) or read == right:
        return
    try:
        strip = cut(folder, reading.picture, reading.digits)
    except DataError:
        return
    if strip.shape != (SIDE, SIDE * len(read)):
        return
    for place, (before, after) in enumerate(zip(read, right, strict=True)):
        if before != after:
            yield strip[:, SIDE * place : SIDE * (place + 1)], after
