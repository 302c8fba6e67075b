"""Measuring a reader on labelled pictures: single digits, numbers, grids and non-digits."""

from collections.abc import Callable, Sequence

from tenfold.artifacts.evaluation import MisreadPicture, PictureSet, ReaderEvaluation
from tenfold.data.pictures import Pictures
from tenfold.errors import DataError
from tenfold.evaluation.metrics import wilson
from tenfold.reading.crops import Layout
from tenfold.reading.reader import Reader, Reading

BLANK = "."
LAYOUTS: dict[str, Layout] = {
    "single": "single",
    "number": "line",
    "grid": "grid",
    "non-digit": "single",
}


def evaluate_reader(
    reader: Reader, pictures: Pictures, on_picture: Callable[[int], None] = lambda _done: None
) -> ReaderEvaluation:
    """Read every picture and compare it with its label; see `ReaderEvaluation`.

    Args:
        reader: what is measured.
        pictures: labelled; their `kind` says how they are to be read.
        on_picture: called with the number of pictures done.
    """
    right = of = accepted = right_of_accepted = 0
    mistakes = []
    outcomes = reader.outcomes(pictures.pictures, LAYOUTS[pictures.kind])
    for index, outcome in enumerate(outcomes):
        readings = [] if isinstance(outcome, DataError) else outcome  # such as: no grid found
        label = pictures.labels[index]
        wanted, found = _compared(pictures.kind, label, readings)
        same = len(wanted) == len(found)
        good = sum(a == b for a, b in zip(wanted, found, strict=True)) if same else 0
        right, of = right + good, of + len(wanted)
        if len(readings) == 1 and not readings[0].rejected:
            accepted += 1
            right_of_accepted += good
        if good < len(wanted):
            mistakes.append(MisreadPicture(index=index, label=label, read="".join(found)))
        on_picture(index + 1)
    single = pictures.kind == "single"
    return ReaderEvaluation(
        data=PictureSet(
            name=pictures.name,
            kind=pictures.kind,
            pictures=len(pictures.pictures),
            sha256=pictures.sha256,
        ),
        right=right,
        of=of,
        accuracy=right / of if of else None,
        accuracy_interval=wilson(right, of) if of else None,
        mistakes=tuple(mistakes),
        accepted=accepted if single else None,
        right_of_accepted=right_of_accepted if single else None,
    )


def _compared(kind: str, label: str, readings: Sequence[Reading]) -> tuple[list[str], list[str]]:
    """Return what is compared of one picture, wanted and found, item by item."""
    if kind == "non-digit":
        return ["rejected"], ["rejected" if all(r.rejected for r in readings) else "accepted"]
    read = [BLANK if r.reason == "blank" else str(r.digit) for r in readings]
    if kind == "number":
        return [label], ["".join(digit for digit in read if digit != BLANK)]
    return list(label), read
