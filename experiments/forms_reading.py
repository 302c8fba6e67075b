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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path

import cv2
from forms_figures import IMPROBABLE, Measured, Outcome, content_of, table_of
from number_reading import validation_digits
from record_runs import publish
from rendered_forms.forms import FilledForm, FormRenderer, write_form
from rich.console import Console
from rich.progress import track

from tenfold.arrays import Pixels
from tenfold.bundle.detector_runtime import Detections
from tenfold.data.sources import load_digits
from tenfold.errors import DataError
from tenfold.forms.field_reader import FieldReader, Reading
from tenfold.forms.registration import Registrar
from tenfold.forms.sums import sums_of, under_sums
from tenfold.forms.template import Template
from tenfold.forms.template_parsing import load_template
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.reader import load_number_reader

SEED, VALIDATION_SEED = 0, 11
RULES = ("min", "max", "values", "pattern", "check", "unique", "sum_of")


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
