"""Documents: consecutive pages of a form, with what is known only of all of their fields."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from tenfold.forms.field_reader import Reading
from tenfold.forms.journal import FieldRecord, PageRecord
from tenfold.forms.sums import MISSING_PAGE, sums_of, under_sums
from tenfold.forms.template import Template
from tenfold.forms.values import EMPTY, Candidate
from tenfold.text import escape

UNIQUE = "unique"
Value = tuple[str, str]
"""A field's name and what it says."""


@dataclass(frozen=True)
class Document:
    """A filled form, or a page that is none.

    Attributes:
        name: of its first page.
        pages: of the scans.
        problems: missing pages, or why the page is none of the form.
        readings: of all fields, in the template's order; none if it is no page of the form.
        records: of the fields that were read, by name.
    """

    name: str
    pages: tuple[PageRecord, ...]
    problems: tuple[str, ...]
    readings: tuple[Reading, ...]
    records: dict[str, FieldRecord]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files, each once."""
        return tuple(dict.fromkeys(escape(page.file) for page in self.pages))


def group_pages(pages: Iterable[PageRecord]) -> Iterator[list[PageRecord]]:
    """Yield the pages of each document.

    A new one begins with page 1 of the form, or when a page is there a second time. What is no
    page of the form stands alone, and interrupts no document.
    """
    current: list[PageRecord] = []
    foreign: list[PageRecord] = []  # since the document began
    for page in pages:
        if page.form_page is None:
            foreign.append(page)
            continue
        if page.form_page == 1 or page.form_page in {p.form_page for p in current}:
            yield from _with_foreign(current, foreign)
            current, foreign = [], []
        current.append(page)
    yield from _with_foreign(current, foreign)


def count_forms(pages: Iterable[PageRecord]) -> int:
    """Return how many documents there are; pages of no form are not counted."""
    return sum(group[0].form_page is not None for group in group_pages(pages))


def _with_foreign(
    document: list[PageRecord], foreign: list[PageRecord]
) -> Iterator[list[PageRecord]]:
    if document:
        yield document
    yield from ([page] for page in foreign)


def documents(pages: Callable[[], Iterator[PageRecord]], template: Template) -> Iterator[Document]:
    """Yield the documents of a stack of scans.

    Args:
        pages: yields the pages; it is called once more if a field must be unique.
        template: of the form.
    """
    sums = sums_of(template)
    unique = {field.name for field in template.fields if field.unique}
    counts: Counter[Value] = Counter()
    if unique:
        # Sums change nothing but their own fields.
        concerned = unique.intersection(chain.from_iterable(sums))
        for document in _documents(pages(), template, sums if concerned else ()):
            values = ((r.cell.name, r.best.value) for r in document.readings)
            counts.update(value for value in values if value[0] in unique and value[1] != EMPTY)
    for document in _documents(pages(), template, sums):
        readings = tuple(
            _repeated(r) if counts[r.cell.name, r.best.value] > 1 else r for r in document.readings
        )
        yield replace(document, readings=readings)


def _repeated(reading: Reading) -> Reading:
    best, *others = reading.candidates
    return replace(reading, candidates=(replace(best, broken=best.broken or UNIQUE), *others))


def _documents(
    pages: Iterator[PageRecord], template: Template, sums: Sequence[tuple[str, ...]]
) -> Iterator[Document]:
    for group in group_pages(pages):
        first = group[0]
        name = escape(first.file) + ("" if first.page_count == 1 else f"#{first.page}")
        if first.form_page is None:
            yield Document(name, (first,), (first.problem,), (), {})
            continue
        records = {field.name: field for page in group for field in page.fields}
        there = {page.form_page for page in group}
        missing = [n for n in range(1, len(template.pages) + 1) if n not in there]
        problems = tuple(f"page {n} is missing" for n in missing)
        readings = [
            records[cell.name].reading(cell)
            if cell.name in records
            else Reading(cell, (Candidate(EMPTY, 0.0),), MISSING_PAGE)
            for cell in template.cells
        ]
        yield Document(name, tuple(group), problems, tuple(under_sums(readings, sums)), records)
