"""The folder beside a table in which its fields are reviewed.

    fields.jsonl     a line for each field: what was read
    crops/           a PNG file for each page: the pictures of its fields
    template.json    the form's template, with which they were read
    reviews.jsonl    append-only: what people say is written there

A table is made of the first and the last file; the last review of a field counts that was not taken
back.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field, StringConstraints, ValidationError

from tenfold.arrays import Pixels
from tenfold.data.decoding import decode
from tenfold.errors import DataError, ReviewError
from tenfold.files import append_durably, drop_unfinished_line
from tenfold.forms.template import Kind, Template
from tenfold.reading.foreground import to_grey
from tenfold.untrusted import Frozen, fault_line, read_bytes

FIELDS_FILE, TEMPLATE_FILE, REVIEWS_FILE = "fields.jsonl", "template.json", "reviews.jsonl"
_FIX = "write it with `tenfold forms read`"
_FIX_REVIEWS = "remove the damaged line, or restore a copy of the file"
MAX_VALUE_CHARACTERS, MAX_NAME_CHARACTERS = 100, 60
MAX_FILE_BYTES = 2**30
TICKED, UNTICKED = "true", "false"
Value = Annotated[
    str,
    Field(max_length=MAX_VALUE_CHARACTERS, pattern=rf"^([-+0-9.,:/ ]*|{TICKED}|{UNTICKED})$"),
]
"""What a person may enter."""

Key = tuple[str, str]
"""A document and one of its fields."""
Record = TypeVar("Record", bound="_Record")
# A path that stays in the folder, or nothing.
FileName = Annotated[str, StringConstraints(pattern=r"^$|^[\w-][\w. -]*(/[\w-][\w. -]*)*$")]
_Place = Annotated[int, Field(ge=0, le=2**16)]
_Side = Annotated[int, Field(ge=1, le=2**16)]
Rectangle = tuple[_Place, _Place, _Side, _Side]
"""Left, top, width and height in the pixels of a picture."""


class _Record(Frozen):
    document: str
    field: str

    @property
    def key(self) -> Key:
        """The document and the field."""
        return self.document, self.field


class FieldReading(_Record):
    """What was read of a field of a document.

    Attributes:
        document: as in the table.
        field: the column of the table.
        kind: of the field.
        value: what was read; "" for an empty field, "true" or "false" for a box to tick.
        probability: that all of it is right.
        rules: the rule that it violates, or "".
        review: whether a person should look at it.
        without_sums: of a field that needs review only because of a sum: its probability if no sum
            is considered.
        alternatives: other texts, the most probable first.
        picture: of the fields of its page, a path in the folder; "" for none.
        crop: where the field is in it; None if it is nowhere.
        digits: where in it the digits of the value are, 28 x 28 pixels each and side by side, as
            the classifier saw them; None if they are nowhere.
    """

    kind: Kind = "digits"
    value: str
    probability: float = Field(ge=0, le=1)
    rules: str = ""
    review: bool
    without_sums: float | None = Field(default=None, ge=0, le=1)
    alternatives: tuple[str, ...] = ()
    picture: FileName = ""
    crop: Rectangle | None = None
    digits: Rectangle | None = None


class Review(_Record):
    """What somebody says is written in a field.

    Attributes:
        value: None if somebody takes back the own last one of the field; the one before it counts.
        who: the person's name.
        when: the time, UTC.
    """

    value: Value | None
    who: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS)
    when: datetime = Field(default_factory=lambda: datetime.now(UTC))


def review_folder(table: Path) -> Path:
    """Return the folder in which a table is reviewed."""
    return table.with_name(f"{table.name}.review")


def find_review(table: Path) -> Path:
    """Return the folder in which a table is reviewed.

    Raises:
        ReviewError: there is none.
    """
    folder = review_folder(table)
    if not (folder / FIELDS_FILE).is_file():
        raise ReviewError(f"{table}: there is no {folder / FIELDS_FILE}; {_FIX}")
    return folder


def load_form(folder: Path) -> Template | None:
    """Return the template with which fields were read; None if it is not there.

    Raises:
        ReviewError: the file is damaged.
    """
    path = folder / TEMPLATE_FILE
    if not path.exists():
        return None
    try:
        return Template.model_validate_json(read_bytes(path, ReviewError, _FIX))
    except ValidationError as error:
        raise ReviewError(f"{path}: is damaged; {_FIX} again") from error


def read_fields(folder: Path) -> Iterator[FieldReading]:
    """Yield what was read, in the order of the table.

    Raises:
        ReviewError: the file is missing, or a line of it is not what it should be.
    """
    return _records(folder / FIELDS_FILE, FieldReading)


def cut(folder: Path, picture: str, place: Rectangle) -> Pixels:
    """Return a part of a picture in the folder: uint8[h, w].

    Raises:
        DataError: the picture is missing, damaged, or too small.
    """
    left, top, width, height = place
    part = to_grey(decode(folder / picture))[top : top + height, left : left + width]
    if part.shape != (height, width):
        raise DataError(f"{folder / picture}: is smaller than {FIELDS_FILE} says; {_FIX} again")
    return np.asarray(part, np.uint8)


class ReviewLog:
    """The reviews of a folder.

    A line that a killed process has not finished is dropped.

    Raises:
        ReviewError: a line is not what it should be.
        WriteError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / REVIEWS_FILE
        self.latest: dict[Key, Review] = {}  # what counts
        self._said: dict[Key, list[Review]] = defaultdict(list)  # and was not taken back
        if self.path.exists():
            drop_unfinished_line(self.path)
            for review in _records(self.path, Review):
                self._take(review)

    def append(self, review: Review) -> None:
        """Add a review; it is on the disk when this returns.

        Raises:
            WriteError: it cannot be written.
        """
        append_durably(self.path, review.model_dump_json().encode() + b"\n")
        self._take(review)

    def value(self, key: Key) -> str | None:
        """Return what the last review says; None if there is none."""
        review = self.latest.get(key)
        return None if review is None else review.value

    def _take(self, review: Review) -> None:
        said = self._said[review.key]
        if review.value is not None:
            said.append(review)
        elif own := [index for index, one in enumerate(said) if one.who == review.who]:
            del said[own[-1]]
        self.latest.pop(review.key, None)  # the order is that of the last reviews
        self.latest[review.key] = said[-1] if said else review


def _records(path: Path, kind: type[Record]) -> Iterator[Record]:
    fix = _FIX_REVIEWS if path.name == REVIEWS_FILE else _FIX
    lines = read_bytes(path, ReviewError, fix, MAX_FILE_BYTES).splitlines()
    for number, line in enumerate(lines, 1):
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            raise ReviewError(f"{path}:{number}: {fault_line(error)}; {fix}") from error
