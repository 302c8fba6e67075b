"""What was read on each page of the scans, an append-only file: a killed command continues.

plan.json      what template and bundle the pages were read with
pages.jsonl    a line for each page that is finished; its picture was on the disk before
"""

import hashlib
import json
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from tenfold.errors import DataError
from tenfold.files import append_durably, drop_unfinished_line, write_atomically
from tenfold.forms.field_reader import Reading
from tenfold.forms.review_folder import FileName, Rectangle
from tenfold.forms.template import Cell
from tenfold.forms.values import Candidate
from tenfold.untrusted import Frozen, read_bytes

PLAN_FILE, PAGES_FILE, CROPS_FOLDER = "plan.json", "pages.jsonl", "crops"
FORMAT = 2

PageKey = tuple[str, int, int, int]
"""Name of a file, number of its page, and size and time of change of the file."""


class FieldRecord(Frozen):
    """What was read in a field, before other fields were considered.

    Attributes:
        name: the column of the table.
        candidates: value, probability and broken rule of each.
        reason: why it needs review whatever its probability.
        crop: where the field is in the picture of the page.
        digits: where the digits of the first candidate are in it; None if there are none.
    """

    name: str
    candidates: tuple[tuple[str, float, str], ...] = Field(min_length=1)
    reason: str = ""
    crop: Rectangle | None = None
    digits: Rectangle | None = None

    def reading(self, cell: Cell) -> Reading:
        """Return it as a reading without pictures."""
        candidates = tuple(Candidate(value, p, broken) for value, p, broken in self.candidates)
        return Reading(cell, candidates, self.reason)


class PageRecord(Frozen):
    """A page of the scans.

    Attributes:
        file: its name.
        page: in the file, from 1.
        page_count: of the file.
        size: of the file in bytes.
        modified: when the file was changed, ns.
        form_page: which page of the form it shows; None if none.
        problem: why not; "" if it does.
        picture: of its fields, a path in the folder; "" for none.
        fields: what was read.
    """

    file: str
    page: int
    page_count: int
    size: int
    modified: int
    form_page: int | None = None
    problem: str = ""
    picture: FileName = ""
    fields: tuple[FieldRecord, ...] = ()

    @property
    def key(self) -> PageKey:
        """What identifies the page."""
        return self.file, self.page, self.size, self.modified


class Journal:
    """The pages that are finished, in a folder that no other process writes.

    A line that a killed process has not finished is dropped.

    Args:
        folder: see `tenfold.forms.review_folder`.
        plan: template and bundle, see `plan_of`.

    Raises:
        DataError: the folder is of another template or bundle, or damaged.
        WriteError: it cannot be written.
    """

    def __init__(self, folder: Path, plan: str) -> None:
        self.folder = folder
        self.path = folder / PAGES_FILE
        plan_file = folder / PLAN_FILE
        if not plan_file.exists() or plan_file.read_bytes() != plan.encode():
            if self.path.exists():
                raise DataError(
                    f"{folder}: was read with another template, blank form, bundle or version of "
                    f"tenfold; name another table, or remove {self.path} to read all pages again"
                )
            write_atomically(plan_file, plan)
        self._places: dict[PageKey, int] = {}
        if self.path.exists():
            drop_unfinished_line(self.path)
            self._index()

    def _index(self) -> None:
        """Find the lines that are there."""
        place = 0
        with self.path.open("rb") as file:
            for line in file:
                self._places[self._parsed(line).key] = place
                place += len(line)

    def _parsed(self, line: bytes) -> PageRecord:
        try:
            return PageRecord.model_validate_json(line)
        except ValidationError as error:
            raise DataError(f"{self.path}: is damaged; remove it to read all again") from error

    def __contains__(self, key: PageKey) -> bool:
        """Return whether a page is finished."""
        return key in self._places

    def other_pages(self, files: Container[str]) -> list[PageRecord]:
        """Return the pages of other files, each as it was read last, in the order of names."""
        last = {key[:2]: key for key in self._places if key[0] not in files}
        return list(self.pages(last[page] for page in sorted(last)))

    def append(self, record: PageRecord, png: bytes) -> None:
        """Add a page.

        Args:
            record: what was read; it is on the disk when this returns.
            png: its picture; nothing if it has none.

        Raises:
            WriteError: it cannot be written.
        """
        if record.picture:
            write_atomically(self.folder / record.picture, png)
        line = record.model_dump_json().encode() + b"\n"
        self._places[record.key] = append_durably(self.path, line)

    def pages(self, keys: Iterable[PageKey]) -> Iterator[PageRecord]:
        """Yield finished pages in the order of their keys."""
        with self.path.open("rb") as file:
            for key in keys:
                file.seek(self._places[key])
                yield self._parsed(file.readline())


def plan_of(template_json: str, blank: Path | None, bundle: Iterable[Path]) -> str:
    """Return a text that identifies a template, its blank form and a bundle's files."""
    digest = hashlib.sha256(template_json.encode())
    for path in (*([blank] if blank else []), *bundle):
        digest.update(hashlib.sha256(read_bytes(path, DataError)).digest())
    return json.dumps({"format": FORMAT, "sha256": digest.hexdigest()}) + "\n"


def picture_of(key: PageKey) -> str:
    """Return the path of a page's picture in the folder."""
    return f"{CROPS_FOLDER}/{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.png"
