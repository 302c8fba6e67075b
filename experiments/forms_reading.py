"""Measure how a bundle reads filled forms, and what rules and a person's review are worth.

python experiments/forms_reading.py BUNDLE --out experiments/records/forms-reading.json

Forms are rendered with MNIST's test digits: scanned at 150 and 300 dpi, and photographed. Each page
is read twice, with the rules of its template and without them. A reviewed field counts as right.

With --validation the digits are training digits that no network has learned from, and the forms
are others. `by_min_probability` says what each threshold would review and leave wrong; the default
of a template was chosen by it.
"""

import argparse
import functools
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path

import cv2
import numpy as np
from number_reading import validation_digits
from record_runs import Json, publish
from rendered_forms.forms import FilledForm, FormRenderer, write_form
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tenfold.arrays import Pixels
from tenfold.bundle.detector_runtime import Detections
from tenfold.bundle.format import find_detector
from tenfold.data.sources import load_digits
from tenfold.errors import DataError
from tenfold.evaluation.metrics import wilson
from tenfold.forms.field_reader import FieldReader, Reading
from tenfold.forms.registration import Registrar
from tenfold.forms.sums import sums_of, under_sums
from tenfold.forms.template import Template, load_template
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.reader import load_number_reader

SEED, VALIDATION_SEED = 0, 11
RULES = ("min", "max", "values", "pattern", "check", "unique", "sum_of")
PERCENTILE = 95
REVIEW_SHARES = (0.02, 0.04, 0.06, 0.08, 0.1)
THRESHOLDS = (0.9, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995)
IMPROBABLE = "probability"  # why a field is reviewed that nothing else speaks against


@dataclass(frozen=True)
class Outcome:
    """What became of a field.

    Attributes:
        place: number of the form, of the copy, and the field's name.
        groups: what the field is counted under: how the picture was taken, and so on.
        truth: what is written.
        value: what was read; "?" if the page was not found.
        why: it needs review; "" if it does not.
        probability: of the value.
        checked: by a check digit or a sum.
    """

    place: tuple[int, int, str]
    groups: tuple[str, ...]
    truth: str
    value: str
    why: str
    probability: float
    checked: bool

    @property
    def right(self) -> bool:
        """Whether the value is what is written."""
        return self.value == self.truth

    @property
    def review(self) -> bool:
        """Whether a person should look at it."""
        return bool(self.why)


@dataclass
class Measured:
    """What was measured of all pages."""

    with_rules: list[Outcome] = field(default_factory=list)
    without_rules: list[Outcome] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    not_found: list[tuple[int, int]] = field(default_factory=list)


class RememberingReader(NumberReader):
    """Remembers the digits of each picture until it is told to forget them."""

    def __init__(self, reader: NumberReader) -> None:
        super().__init__(
            reader.detector,
            reader.classifier,
            reader.config,
            reader.recogniser,
            reader.crop_classifier,
        )
        self._found: dict[bytes, Detections] = {}

    def detect(self, grey: Pixels) -> Detections:
        """Find the digits and marks in uint8[h, w]."""
        key = grey.tobytes()
        if key not in self._found:
            self._found[key] = super().detect(grey)
        return self._found[key]

    def forget(self) -> None:
        """Forget all pictures."""
        self._found.clear()


class FormUnderTest:
    """A form, read with the rules of its template and without them."""

    def __init__(self, path: Path, numbers: NumberReader) -> None:
        template = load_template(path)
        self.registrar = Registrar(template)
        pages = self.registrar.pages
        self.kinds = {cell.name: cell.field.kind for cell in template.cells}
        sums = {name for names in sums_of(template) for name in names}
        self.checked = sums | {cell.name for cell in template.cells if cell.field.check}
        self.templates = (template, without_rules(template))
        self.numbers = RememberingReader(numbers)
        self.readers = [FieldReader(self.numbers, one, pages) for one in self.templates]

    def measure(self, index: int, copy: int, filled: FilledForm, measured: Measured) -> None:
        """Read a copy."""
        self.numbers.forget()
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            page = self.registrar.register(filled.pixels)
        except DataError:
            page = None
            measured.not_found.append((index, copy))
        for number, outcomes in enumerate((measured.with_rules, measured.without_rules)):
            template = self.templates[number]
            readings = {}
            if page is not None:
                found = under_sums(self.readers[number].read(page), sums_of(template))
                readings = {reading.cell.name: reading for reading in found}
            if number == 0:
                measured.seconds.append(time.perf_counter() - begun)
                measured.cpu_seconds.append(time.process_time() - cpu)
            for name, truth in filled.values.items():
                reading = readings.get(name)
                outcomes.append(
                    Outcome(
                        (index, copy, name),
                        (filled.capture, template.registration, self.kinds[name]),
                        truth,
                        value=reading.best.value if reading else "?",
                        why=why_reviewed(reading, template) if reading else "page not found",
                        probability=reading.best.probability if reading else 0.0,
                        checked=name in self.checked,
                    )
                )


def why_reviewed(reading: Reading, template: Template) -> str:
    """Return why a field needs review; "" if it does not."""
    if not reading.needs_review(template.min_probability):
        return ""
    return reading.reason or reading.best.broken or IMPROBABLE


def without_rules(template: Template) -> Template:
    """Return a template whose fields have no rules but their length and shape."""
    fields = tuple(
        one.model_copy(update={key: type(one).model_fields[key].default for key in RULES})
        for one in template.fields
    )
    return template.model_copy(update={"fields": fields})


@functools.cache
def tools(bundle: str, *, validation: bool) -> tuple[FormRenderer, NumberReader]:
    """Return what renders forms and what reads them, of this process."""
    cv2.setNumThreads(1)
    digits = validation_digits() if validation else load_digits("mnist", "test")
    renderer = FormRenderer(digits, VALIDATION_SEED if validation else SEED)
    return renderer, load_number_reader(bundle)


def measure_form(bundle: str, copies: int, index: int, *, validation: bool) -> Measured:
    """Render and read so many copies of a form."""
    renderer, numbers = tools(bundle, validation=validation)
    measured, layout = Measured(), renderer.layout(index)
    with tempfile.TemporaryDirectory() as folder:
        form = FormUnderTest(write_form(layout, Path(folder, str(index))), numbers)
        for copy in range(copies):
            form.measure(index, copy, renderer.render(index, copy, layout), measured)
    return measured


def measure(options: argparse.Namespace) -> Measured:
    """Measure all forms, with some processes."""
    measured = Measured()
    job = functools.partial(
        measure_form, options.bundle, options.copies, validation=options.validation
    )
    with ProcessPoolExecutor(options.workers) as pool:
        forms = pool.map(job, range(options.forms))
        console = Console(stderr=True)
        for form in track(forms, total=options.forms, console=console, transient=True):
            for part in fields(Measured):
                getattr(measured, part.name).extend(getattr(form, part.name))
    return measured


def row_of(name: str, outcomes: Sequence[Outcome]) -> Json:
    """Return the figures of some fields."""
    accepted_wrong = sum(not one.right and not one.review for one in outcomes)
    return {
        "name": name,
        "fields": len(outcomes),
        "right": sum(one.right for one in outcomes),
        "reviewed": sum(one.review for one in outcomes),
        "accepted_wrong": accepted_wrong,
        "accepted_wrong_interval": [round(x, 6) for x in wilson(accepted_wrong, len(outcomes))],
    }


def rows_of(outcomes: Sequence[Outcome]) -> Iterator[Json]:
    """Yield the figures of all fields, and of each group."""
    yield row_of("all", outcomes)
    for place in range(len(outcomes[0].groups)):
        for name in sorted({one.groups[place] for one in outcomes}):
            yield row_of(name, [one for one in outcomes if one.groups[place] == name])


def accepted_wrong_after(outcomes: Iterable[Outcome], reviewed: int) -> int:
    """Count the wrong fields that are left when so many are reviewed.

    First those that something speaks against, then the least probable ones.
    """
    order = sorted(outcomes, key=lambda one: (one.why in {"", IMPROBABLE}, one.probability))
    return sum(not one.right for one in order[reviewed:])


def at_equal_review(with_rules: Sequence[Outcome], without_rules: Sequence[Outcome]) -> Json:
    """Compare what is wrong and accepted with rules and without, of the same fields."""
    reviewed = sum(one.review for one in with_rules)
    return {
        "fields": len(with_rules),
        "reviewed": reviewed,
        "with_rules": accepted_wrong_after(with_rules, reviewed),
        "without_rules": accepted_wrong_after(without_rules, reviewed),
    }


def at_threshold(outcomes: Sequence[Outcome], min_probability: float) -> tuple[int, int]:
    """Return how many fields a threshold reviews, and how many wrong ones it accepts."""
    accepted = [
        one
        for one in outcomes
        if one.why in {"", IMPROBABLE} and one.probability >= min_probability
    ]
    return len(outcomes) - len(accepted), sum(not one.right for one in accepted)


def seconds_of(seconds: Sequence[float]) -> Json:
    """Return mean and a percentile of the time of pages."""
    high = round(float(np.percentile(seconds, PERCENTILE)), 3)
    return {"mean": round(float(np.mean(seconds)), 3), f"percentile_{PERCENTILE}": high}


def content_of(measured: Measured, bundle: str) -> Json:
    """Return the record's content."""
    both = (measured.with_rules, measured.without_rules)
    checked = ([one for one in outcomes if one.checked] for outcomes in both)
    return {
        "detector": find_detector(bundle)[1].sha256,
        "pages": len(measured.seconds),
        "pages_not_found": measured.not_found,
        "seconds_a_page": seconds_of(measured.seconds),
        "cpu_seconds_a_page": seconds_of(measured.cpu_seconds),
        "reviewed_because_of": Counter(one.why for one in measured.with_rules if one.review),
        "wrong_by_review_share": {
            str(share): accepted_wrong_after(
                measured.with_rules, round(share * len(measured.with_rules))
            )
            for share in REVIEW_SHARES
        },
        "by_min_probability": {
            str(p): dict(
                zip(
                    ("reviewed", "accepted_wrong"),
                    at_threshold(measured.with_rules, p),
                    strict=True,
                )
            )
            for p in THRESHOLDS
        },
        "accepted_wrong_at_equal_review": {
            "all": at_equal_review(*both),
            "checked by a check digit or a sum": at_equal_review(*checked),
        },
        "accepted_wrong": [
            [*one.place, one.truth, one.value, round(one.probability, 4)]
            for one in measured.with_rules
            if not one.right and not one.review
        ],
        "rows": list(rows_of(measured.with_rules)),
        "rows_without_rules": list(rows_of(measured.without_rules)),
    }


def table_of(content: Json) -> Table:
    """Lay the figures out for people."""
    headings = ("fields", "of", "right", "reviewed", "right after", "accepted and wrong")
    table = Table(*headings, box=None)
    for row in content["rows"]:
        n = row["fields"]
        after = n - row["accepted_wrong"]
        counts = (row["right"], row["reviewed"], after, row["accepted_wrong"])
        table.add_row(row["name"], str(n), *(f"{100 * count / n:.2f} %" for count in counts))
    return table


def main() -> None:
    """Read every copy of every form; print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--forms", type=int, default=24)
    parser.add_argument("--copies", type=int, default=100, help="filled copies of each form")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--validation", action="store_true", help="choose a threshold")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options = parser.parse_args()
    content = content_of(measure(options), options.bundle)
    publish(options, content, table_of(content))
    if not options.json:
        Console().print_json(data={k: v for k, v in content.items() if not k.startswith("rows")})


if __name__ == "__main__":
    main()
