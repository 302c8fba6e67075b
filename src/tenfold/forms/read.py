"""From scans to a table: every page is read once, also if the command is killed and repeated."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold.bundle.format import DetectorFacts, find_network, reading_files
from tenfold.data.file_pages import pages_of_files
from tenfold.files import write_atomically
from tenfold.folder_lock import exclusive
from tenfold.forms.documents import Document, count_forms, documents
from tenfold.forms.field_reader import Reading
from tenfold.forms.journal import Journal, plan_of
from tenfold.forms.marks import missing_marks
from tenfold.forms.page_reading import page_key, page_reader, read_page
from tenfold.forms.review import ReviewSession
from tenfold.forms.review_folder import (
    FIELDS_FILE,
    REVIEWS_FILE,
    TEMPLATE_FILE,
    FieldReading,
    review_folder,
)
from tenfold.forms.reviewed_table import apply_reviews, write_corrections
from tenfold.forms.systematic import FaultCounts
from tenfold.forms.table import columns_of, description_of, fields_of, row_of, write_table
from tenfold.ray_cluster import check_cluster
from tenfold.reading.page import ALTERNATIVES
from tenfold.reading.parallel import parallel_map


@dataclass(frozen=True)
class Summary:
    """What a table has.

    Attributes:
        documents: filled forms; rows that are no page of the form are not counted.
        unread: pages that could not be read, or are none of the form.
        fields: values of all documents.
        review: of these, how many need review.
        problems: what is wrong with which document, the first few.
        problem_count: how many there are.
        questions: about fields that have one fault on nearly every document, a line each.
    """

    documents: int
    unread: int
    fields: int
    review: int
    problems: tuple[str, ...]
    problem_count: int
    questions: tuple[str, ...]

    def __str__(self) -> str:
        """Return a line."""
        share = f" ({100 * self.review / self.fields:.1f} %)" if self.fields else ""
        return (
            f"{self.documents:,} documents, {self.fields:,} fields, "
            f"{self.review:,} need review{share}, {self.problem_count:,} problems"
        )


MAX_PROBLEMS_SHOWN = 5


class FormsReading:
    """Reads scans of a form into a table.

    Args:
        template_path: the form.toml.
        names: files of scans, in the order of the table.
        table: the file; beside it `TABLE.review/` keeps what was read.
        model: a bundle.
        workers: processes; 1 reads in this one.
        on: a Ray cluster that reads instead, see `ray_cluster.connected`.

    Attributes:
        advice: what may be wrong with the template, a line; "" if nothing is seen.
        left_out: how many documents were read before and are not among the scans, after `run`.

    Raises:
        BundleError: see `Reader.load`.
        MissingExtraError: Ray is not installed.
        TemplateError: see `load_template`, or the blank form cannot be read.
        TenfoldError: there is no such cluster.
    """

    def __init__(  # noqa: PLR0913 - each is an option of the command line
        self,
        template_path: Path,
        names: Sequence[str],
        table: Path,
        model: Path,
        *,
        workers: int = 1,
        on: str | None = None,
    ) -> None:
        if on:
            check_cluster(on)
        self.table, self.folder = table, review_folder(table)
        self._workers, self._on = workers, on
        self._read = functools.partial(read_page, template_path, model)
        # Its errors come before anything is written.
        reader = page_reader(template_path, model)
        self.template = reader.template
        self._pages = [(page, page_key(page)) for page in pages_of_files(names)]
        blanks = [page.blank for page in reader.registrar.pages if page.blank is not None]
        self.advice = missing_marks(self.template, blanks)
        # A bundle without a detector is read by the shipped one.
        bundle = reading_files(find_network(model, DetectorFacts)[0].parent)
        self._plan = plan_of(self.template.model_dump_json(), self.template.blank, bundle)

    @property
    def page_count(self) -> int:
        """How many pages there are."""
        return len(self._pages)

    def run(self) -> Iterator[int]:
        """Read what was not read before; yield how many pages are finished; write the table.

        Raises:
            DataError: the folder is of another template or bundle.
            MissingExtraError: Ray is not installed.
            RunError: another process works there.
            TenfoldError: there is no such cluster.
            WriteError: something cannot be written.
        """
        with exclusive(self.folder):
            journal = Journal(self.folder, self._plan)
            missing = [page for page, key in self._pages if key not in journal]
            done = len(self._pages) - len(missing)
            yield done
            with parallel_map(self._workers, self._on if missing else None, "forms") as run:
                for record, png in run(self._read, missing):
                    journal.append(record, png)
                    done += 1
                    yield done
            self.left_out = count_forms(journal.other_pages({key[0] for _, key in self._pages}))
            self.summary = self._write(journal)

    def documents(self) -> Iterator[dict[str, Any]]:
        """Yield the documents of the table that `run` has written, in JSON's types.

        Their keys are those of `DOCUMENT_COLUMNS`, and `fields`, see `fields_of`.
        """
        for described, row in self._written:
            yield {**described, "fields": fields_of(row, self.template)}

    def _write(self, journal: Journal) -> Summary:
        """Write table and fields."""
        rows, described, lines, problems = [], [], [], []
        documents_read, unread, review, faults = 0, 0, 0, FaultCounts(self.template)
        keys = [key for _, key in self._pages]
        for document in documents(lambda: journal.pages(keys), self.template):
            rows.append(row_of(document, self.template))
            described.append(description_of(document, self.template))
            problems += [f"{document.name}: {problem}" for problem in document.problems]
            documents_read += bool(document.readings)
            unread += not document.readings
            faults.add(document.readings)
            for reading in document.readings:
                field = _field_reading(document, reading, self.template.min_probability)
                review += field.review
                lines.append(field.model_dump_json() + "\n")
        write_atomically(
            self.folder / TEMPLATE_FILE, self.template.model_dump_json(exclude_unset=True)
        )
        write_atomically(self.folder / FIELDS_FILE, "".join(lines))
        if (self.folder / REVIEWS_FILE).exists():
            session = ReviewSession(self.folder)
            apply_reviews(rows, session)
            write_corrections(session)
        write_table(self.table, columns_of(self.template), rows)
        self._written = list(zip(described, rows, strict=True))
        shown, questions = tuple(problems[:MAX_PROBLEMS_SHOWN]), tuple(faults.questions())
        return Summary(documents_read, unread, len(lines), review, shown, len(problems), questions)


def _field_reading(document: Document, reading: Reading, min_probability: float) -> FieldReading:
    best, record = reading.best, document.records.get(reading.cell.name)
    same = record is not None and record.candidates[0][0] == best.value
    alone = record.reading(reading.cell) if record and same else None
    review = reading.needs_review(min_probability)
    only_sums = review and alone is not None and not alone.needs_review(min_probability)
    page = reading.cell.field.page
    picture = next((p.picture for p in document.pages if p.form_page == page), "")
    return FieldReading(
        document=document.name,
        field=reading.cell.name,
        kind=reading.cell.field.kind,
        value=best.value,
        probability=best.probability,
        rules=best.broken,
        review=review,
        without_sums=alone.best.probability if alone and only_sums else None,
        alternatives=tuple(c.value for c in reading.candidates[1 : ALTERNATIVES + 1]),
        picture=picture,
        crop=record.crop if record else None,
        digits=record.digits if record and same else None,
    )
