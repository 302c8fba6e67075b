"""Measuring a reader on labelled pictures: single digits, numbers, grids, and what is no digit."""

from collections.abc import Callable, Sequence
from typing import Any

from tenfold.data.pictures import Pictures
from tenfold.errors import DataError
from tenfold.evaluation.metrics import wilson
from tenfold.reading.reader import Layout, Reader, Reading

BLANK = "."
LAYOUTS: dict[str, Layout] = {
    "single": "single",
    "number": "line",
    "grid": "grid",
    "non-digit": "single",
}


def evaluate_reader(
    reader: Reader, pictures: Pictures, on_picture: Callable[[int], None] = lambda _done: None
) -> dict[str, Any]:
    """Return a JSON-ready evaluation of a reader.

    Of single digits `right` counts the pictures whose digit is read, rejected or not; of numbers,
    those read to the last digit; of grids, the cells; of non-digits, those that are rejected.
    `accepted` and `right_of_accepted` say what rejection does to single digits.

    Args:
        reader: what is measured.
        pictures: labelled; their `kind` says how they are to be read.
        on_picture: called with how many are done.
    """
    right = of = accepted = right_of_accepted = 0
    mistakes: list[dict[str, Any]] = []
    layout = LAYOUTS[pictures.kind]
    for index, outcome in enumerate(reader.outcomes(pictures.pictures, layout)):
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
            mistakes.append({"index": index, "label": label, "read": "".join(found)})
        on_picture(index + 1)
    measured: dict[str, Any] = {
        "data": {
            "name": pictures.name,
            "kind": pictures.kind,
            "pictures": len(pictures.pictures),
            "sha256": pictures.sha256,
        },
        "right": right,
        "of": of,
        "accuracy": right / of if of else None,
        "accuracy_interval": wilson(right, of) if of else None,
        "mistakes": mistakes,
    }
    if pictures.kind == "single":
        measured |= {"accepted": accepted, "right_of_accepted": right_of_accepted}
    return measured


def _compared(kind: str, label: str, readings: Sequence[Reading]) -> tuple[list[str], list[str]]:
    """Return what is compared of one picture: wanted and found, item by item."""
    if kind == "non-digit":
        return ["rejected"], ["rejected" if all(r.rejected for r in readings) else "accepted"]
    read = [BLANK if r.reason == "blank" else str(r.digit) for r in readings]
    if kind == "number":
        kept = [digit for digit in read if digit != BLANK]
        return [label], ["".join(kept)]
    return list(label), read
