"""Measuring a reader on labelled pictures: single digits, numbers, grids, tables and non-digits."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tenfold.artifacts.evaluation import (
    MisreadPicture,
    OperatingPoint,
    PictureSet,
    ReaderEvaluation,
)
from tenfold.data.pictures import Kind, Pictures
from tenfold.errors import DataError
from tenfold.evaluation.metrics import wilson
from tenfold.evaluation.risk_coverage import aurc_interval, measure_risk_coverage
from tenfold.reading.page import Number, Page
from tenfold.reading.reader import Layout, Reader

BLANK = "."
LAYOUTS: dict[Kind, Layout] = {
    "single": "single",
    "number": "numbers",
    "grid": "grid",
    "table": "table",
    "non-digit": "single",
}


class Item(NamedTuple):
    """What is compared: a picture, or a cell.

    Attributes:
        wanted: what the label says.
        read: the most probable text.
        accepted: whether all of it was accepted.
        confidence: the least probability of its numbers; None if there is none.
    """

    wanted: str
    read: str
    accepted: bool
    confidence: float | None = None

    @property
    def is_right(self) -> bool:
        """Whether the text is the label."""
        return self.wanted == self.read


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
        if not all(item.is_right for item in compared):
            between = "," if pictures.kind == "table" else ""
            read = between.join(item.read for item in compared)
            mistakes.append(MisreadPicture(index=index, label=label, read=read))
        on_picture(index + 1)
    right = sum(item.is_right for item in items)
    accepted = [item for item in items if item.accepted]
    right_of_accepted = sum(item.is_right for item in accepted)
    wrong = len(accepted) - right_of_accepted
    chosen = OperatingPoint(confidence=None, accepted=len(accepted), wrong=wrong)
    curve = [] if pictures.kind == "non-digit" else _of_curve(items)
    confidence = np.array([item.confidence or 0.0 for item in curve])
    is_wrong = np.array([not item.is_right for item in curve], bool)
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
        accepted=len(accepted),
        right_of_accepted=right_of_accepted,
        accepted_wrong_interval=wilson(wrong, len(items)) if items else None,
        risk_coverage=measure_risk_coverage(confidence, is_wrong, chosen) if curve else None,
        aurc_interval=aurc_interval(confidence, is_wrong),
    )


def _of_curve(items: Sequence[Item]) -> list[Item]:
    """Leave out where nothing stands and nothing was read: there is nothing to accept."""
    return [item for item in items if item.confidence is not None or item.wanted not in {"", BLANK}]


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
            return [Item(wanted, "", accepted=False) for wanted in expected]
        return [
            _item(wanted, [cell] if cell else [], blank=BLANK)
            for wanted, cell in zip(expected, cells, strict=True)
        ]
    item = _item(label, page.numbers)
    if kind == "non-digit":
        read = "accepted" if item.accepted else "rejected"
        return [item._replace(wanted="rejected", read=read)]
    return [item]


def _item(wanted: str, numbers: Sequence[Number], blank: str = "") -> Item:
    return Item(
        wanted,
        " ".join(number.value for number in numbers) or blank,
        accepted=bool(numbers) and all(number.accepted for number in numbers),
        confidence=min((number.probability for number in numbers), default=None),
    )
