"""Sums that were read wrong, and which fields a person need not see once such a sum is right."""

import itertools
from collections.abc import Callable, Iterable, Iterator

from tenfold.forms.review_folder import FieldReading, Key
from tenfold.forms.sums import SUM, broken_sums, sums_of
from tenfold.forms.template import Template


class WrongSums:
    """The documents of a table in which a sum was read wrong.

    Attributes:
        settled: fields that needed review only because of sums which are right by now.

    Args:
        form: the template; None if there is none.
        said: returns what somebody said last about a field; None if nobody did.
    """

    def __init__(self, form: Template | None, said: Callable[[Key], str | None]) -> None:
        self.settled: set[Key] = set()
        self._sums = sums_of(form) if form else ()
        self._said = said
        self._documents: dict[str, list[FieldReading]] = {}

    def watched(self, readings: Iterable[FieldReading]) -> Iterator[FieldReading]:
        """Yield the fields of a table, and keep those of documents with a wrong sum."""
        for document, group in itertools.groupby(readings, key=lambda reading: reading.document):
            found = list(group)
            if self._sums and any(reading.rules == SUM for reading in found):
                self._documents[document] = found
                self.update(document)
            yield from found

    def settled_in(self, document: str) -> list[Key]:
        """Return what is settled in a document."""
        readings = self._documents.get(document, ())
        return [reading.key for reading in readings if reading.key in self.settled]

    def update(self, document: str) -> None:
        """Look at the sums of a document again."""
        readings = self._documents.get(document, ())
        read = {reading.field: reading.value for reading in readings}
        said = {name: self._said((document, name)) for name in read}
        now = read | {name: value for name, value in said.items() if value is not None}
        sums = [names for names in self._sums if all(name in read for name in names)]
        were_wrong, are_wrong = (
            set(itertools.chain.from_iterable(broken_sums(values, sums))) for values in (read, now)
        )
        self.settled -= {reading.key for reading in readings}
        self.settled |= {
            reading.key
            for reading in readings
            if reading.without_sums is not None and reading.field in were_wrong - are_wrong
        }

    def fields(self) -> Iterator[FieldReading]:
        """Yield the fields of documents in which a sum was read wrong."""
        return itertools.chain.from_iterable(self._documents.values())
