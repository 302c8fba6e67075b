"""Measure how a bundle reads numbers: side by side, on fields, of many sizes, on documents.

python experiments/number_reading.py BUNDLE --out experiments/records/number-reading.json
python experiments/number_reading.py BUNDLE --sets side-by-side+0 decimals --count 100
python experiments/number_reading.py BUNDLE --data bhmsds --count 100

All pictures are rendered with test digits, by default MNIST's. The sets are those of `HELD_OUT`,
those of `PICTURE_SIZES` and `document-numbers`.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from picture_sizes import PICTURE_SIZES
from record_runs import Json, publish
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tenfold.artifacts.detection import FieldMetrics
from tenfold.bundle.format import DetectorFacts, find_network
from tenfold.data.digits import Digits, stratified_split
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import load_digits
from tenfold.evaluation.fields import measure_numbers
from tenfold.reading.reader import Reader
from tenfold.rendering.documents import number_documents
from tenfold.rendering.held_out import HELD_OUT, Labelled, render_pictures
from tenfold.training.recipe import load_recipe

DOCUMENTS = "document-numbers"
RENDERED = HELD_OUT | PICTURE_SIZES
SETS = (*RENDERED, DOCUMENTS)
# Their pictures are large or slow to render.
MOST_PICTURES = {"digits-200px": 300, "digits-600px": 100, DOCUMENTS: 500}


def validation_digits() -> Digits:
    """Return the training images that the recipe of the detector holds out."""
    held_out = load_recipe("page").data.validation
    return stratified_split(load_digits("mnist", "train"), held_out, derive_seed("validation"))[1]


def pictures_of(name: str, digits: Digits, count: int) -> Iterator[Labelled]:
    """Render the first pictures of a set."""
    if name == DOCUMENTS:
        return number_documents(digits, count)
    return render_pictures(name, RENDERED[name], digits, count)


def counted(pictures: Iterator[Labelled], done: Callable[[], None]) -> Iterator[Labelled]:
    """Yield pictures; call `done` after each."""
    for picture in pictures:
        yield picture
        done()


def table_of(rows: list[FieldMetrics]) -> Table:
    """Lay the figures out for people."""
    headings = ("pictures", "of", "exact", "95 % interval", "accepted", "accepted and wrong")
    table = Table(*headings, box=None)
    for row in rows:
        low, high = row.exact_interval
        exact, accepted, wrong = (
            f"{100 * count / row.fields:.1f} %"
            for count in (row.exact, row.accepted, row.accepted_wrong)
        )
        interval = f"{100 * low:.1f}–{100 * high:.1f} %"
        table.add_row(row.name, str(row.fields), exact, interval, accepted, wrong)
    return table


def main() -> None:
    """Read every set; print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--count", type=int, default=1_000, help="pictures of each set, at most")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, metavar="SET")
    parser.add_argument("--data", default="mnist", help="whose test digits are written")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options = parser.parse_args()
    sha256 = find_network(options.bundle, DetectorFacts)[1].sha256
    reader = Reader.load(options.bundle)
    digits = load_digits(options.data, "test")
    counts = {name: min(options.count, MOST_PICTURES.get(name, 1_000_000)) for name in options.sets}
    rows = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=sum(counts.values()))
        for name, count in counts.items():
            progress.update(task, description=name)
            pictures = counted(pictures_of(name, digits, count), lambda: progress.advance(task))
            rows.append(measure_numbers(reader, name, pictures))
    content: Json = {"detector": sha256, "rows": [row.model_dump(mode="json") for row in rows]}
    publish(options, content, table_of(rows))


if __name__ == "__main__":
    main()
