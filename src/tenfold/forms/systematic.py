"""Faults that a field has on nearly every document: then its template may be wrong."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenfold.forms.field_reader import STROKES, Reading
from tenfold.forms.sums import MISSING_PAGE, SUM
from tenfold.forms.template import FormField, Template
from tenfold.forms.values import EMPTY

DOUBTFUL = "doubtful"
# What a fault is, where it is more than a rule that is broken.
SAID = {
    DOUBTFUL: "is doubtful",
    STROKES: "has strokes that belong to no digit",
    "required": "is empty, though required,",
}
# Keys of the template that may be the cause, where they are not the box and the rule's own key.
CAUSES = {
    DOUBTFUL: "box and kind",
    STROKES: "box and kind",
    "required": "box, page and required",
    "number": "box and kind",
    "date": "box and format",
    "range": "box, decimals, min and max",
    SUM: "sum_of and the boxes of its parts",
}


@dataclass(frozen=True, kw_only=True)
class SystematicConfig:
    """When a fault is taken to come from the template.

    Attributes:
        min_documents: that have the page of the field; fewer say too little.
        min_share: of these, that have the fault.
        max_fields: that are named.
    """

    min_documents: int = 10
    min_share: float = 0.9
    max_fields: int = 5


CONFIG = SystematicConfig()


class FaultCounts:
    """Counts on how many documents each field has which fault.

    Args:
        template: of the form.
    """

    def __init__(self, template: Template) -> None:
        self.template = template
        self._documents: Counter[str] = Counter()
        self._faults: dict[str, Counter[str]] = {field.name: Counter() for field in template.fields}

    def add(self, readings: Sequence[Reading]) -> None:
        """Count the fields of a document, in the template's order; those of a missing page not."""
        there = (reading for reading in readings if reading.reason != MISSING_PAGE)
        for name, cells in itertools.groupby(there, key=lambda reading: reading.cell.field.name):
            self._documents[name] += 1
            self._faults[name].update(_faults(list(cells), self.template.min_probability))

    def questions(self) -> Iterator[str]:
        """Yield a line for each field that has one fault on nearly every document."""
        lines = (self._question(field) for field in self.template.fields)
        yield from itertools.islice((line for line in lines if line), CONFIG.max_fields)

    def _question(self, field: FormField) -> str:
        """Return a line about the fault that a field has most often; "" if that is not often."""
        total = self._documents[field.name]
        if total < CONFIG.min_documents:
            return ""
        for fault, count in self._faults[field.name].most_common():
            if count < CONFIG.min_share * total:
                break
            if fault == SUM and not field.sum_of:
                continue  # of a wrong sum its total is named, not the parts
            said = SAID.get(fault, f"breaks the rule {fault!r}")
            return (
                f"is the template right? Field {field.name!r} {said} on {count:,} of {total:,} "
                f"documents ({100 * count / total:.0f} %); look at its "
                f"{CAUSES.get(fault, f'box and {fault}')}"
            )
        return ""


def _faults(cells: Sequence[Reading], min_probability: float) -> set[str]:
    """Return the faults of a field: of a grid, those of most cells that are not just empty."""
    of_cells = [(_faults_of_cell(cell, min_probability), cell.best.value) for cell in cells]
    written = [faults for faults, value in of_cells if faults or value != EMPTY]
    counts = Counter(itertools.chain.from_iterable(written))
    return {fault for fault, n in counts.items() if 2 * n > len(written)}


def _faults_of_cell(reading: Reading, min_probability: float) -> set[str]:
    """Return the rule that is broken, and why else a value needs review."""
    best = reading.best
    strokes = {STROKES} & {reading.reason}  # other reasons are the fault of another field
    if faults := {best.broken} - {""} | strokes:
        return faults
    return {DOUBTFUL} if best.probability < min_probability else set()
