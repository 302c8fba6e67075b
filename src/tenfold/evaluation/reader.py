"""Measuring a reader on labelled pictures: single digits, numbers, grids, tables and non-digits."""

from collections.abc import Callable, Sequence

from tenfold.artifacts.evaluation import MisreadPicture, PictureSet, ReaderEvaluation
from tenfold.data.pictures import Kind, Pictures
from tenfold.errors import DataError
from tenfold.evaluation.metrics import wilson
from tenfold.reading.page import Page
from tenfold.reading.reader import Layout, Reader

BLANK = "."
LAYOUTS: dict[Kind, Layout] = {
    "single": "single",
    "number": "numbers",
    "grid": "grid",
    "table": "table",
    "non-digit": "single",
}

Item = tuple[str, str, bool]  # what is wanted, what was read, whether it was accepted


def evaluate_reader(
    reader: Reader, pictures: Pictures, on_picture: Callable[[int], None] = lambda _done: None
) -> ReaderEvaluation:
    """Read every picture and compare it with its label; see `ReaderEvaluation`.

    Args:
        reader: what is measured.
        pictures: labelled; their `kind` says how they are to be read.
        on_picture: called with the number of pictures done.
    """
    items: list[Item] = []
    mistakes = []
    outcomes = reader.outcomes(pictures.pictures, LAYOUTS[pictures.kind])
    for index, outcome in enumerate(outcomes):
        page = Page(()) if isinstance(outcome, DataError) else outcome  # such as: no grid found
        label = pictures.labels[index]
        compared = _compared(pictures.kind, label, page)
        items += compared
        if any(wanted != read for wanted, read, _ in compared):
            between = "," if pictures.kind == "table" else ""
            read = between.join(read for _, read, _ in compared)
            mistakes.append(MisreadPicture(index=index, label=label, read=read))
        on_picture(index + 1)
    right = sum(wanted == read for wanted, read, _ in items)
    return ReaderEvaluation(
        data=PictureSet(
            name=pictures.name,
            kind=pictures.kind,
            pictures=len(pictures.pictures),
            sha256=pictures.sha256,
        ),
        right=right,
        of=len(items),
        accuracy=right / len(items) if items else None,
        accuracy_interval=wilson(right, len(items)) if items else None,
        mistakes=tuple(mistakes),
        accepted=sum(accepted for _, _, accepted in items),
        right_of_accepted=sum(wanted == read for wanted, read, accepted in items if accepted),
    )


def _compared(kind: Kind, label: str, page: Page) -> Sequence[Item]:
    """Return what is compared of one picture: one item, or one for each cell."""
    if kind in {"grid", "table"}:
        cells = [cell for row in page.cells for cell in row]
        expected = list(label)
        same_shape = len(cells) == len(expected)
        if kind == "table":
            rows = [row.split(",") for row in label.split("/")]
            expected = [text or BLANK for row in rows for text in row]
            same_shape = page.grid == (len(rows), len(rows[0]))
        if not same_shape:
            return [(wanted, "", False) for wanted in expected]
        return [
            (wanted, cell.value if cell else BLANK, bool(cell and cell.accepted))
            for wanted, cell in zip(expected, cells, strict=True)
        ]
    accepted = bool(page.numbers) and all(number.accepted for number in page.numbers)
    if kind == "non-digit":
        return [("rejected", "accepted" if accepted else "rejected", accepted)]
    return [(label, " ".join(number.value for number in page.numbers), accepted)]
