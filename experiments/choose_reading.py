"""Choose the constants with which numbers are read, on pictures of validation digits.

python experiments/choose_reading.py BUNDLE --out experiments/records/reading-constants.json

A coordinate search: one constant after the other takes the value that scores best, if it is better
than the value before by more than a standard error; all constants `--passes` times. The score is
the mean negative log likelihood of the pictures' texts, or, with `--by right_nll`, of whether the
texts that were read are right, with the calibration of confidence that fits these pictures. The
network looks at a picture and size once. At the end, the values chosen are compared with today's on
pictures that did not choose them. The test images are not looked at.
"""

import argparse
import hashlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from number_reading import MOST_PICTURES, SETS, pictures_of, validation_digits
from reading_constants import VALUES, Values, configured, todays_values
from record_runs import Json, write_record
from rich.progress import track

from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.bundle.format import DetectorFacts, find_network
from tenfold.evaluation.fields import fit_calibration, fit_min_probability
from tenfold.reading.number_reader import NumberReader, calibrated
from tenfold.reading.page import Number
from tenfold.reading.reader import load_number_reader
from tenfold.rendering.held_out import Labelled

LEAST_OBJECTNESS = min(VALUES["pyramid.min_objectness"])
MIN_TEXT_PROBABILITY = 1e-3
# A difference of scores that is smaller than so many standard errors is none.
STANDARD_ERRORS = 2.0
MAX_ACCEPTED_WRONG = 0.01

Floats = npt.NDArray[np.float64]


class CachingDetector(OnnxDetector):
    """A detector that keeps what it has found in each picture."""

    def __init__(self, model: bytes) -> None:
        super().__init__(model)
        self._found: dict[bytes, Detections] = {}

    def detect(self, grey: npt.NDArray[np.uint8], min_objectness: float) -> Detections:
        """Find digits in grey levels uint8[h, w]."""
        key = hashlib.blake2b(grey.tobytes() + repr(grey.shape).encode(), digest_size=16).digest()
        if key not in self._found:
            self._found[key] = super().detect(grey, LEAST_OBJECTNESS)
        return self._found[key].of(self._found[key].objectness >= min_objectness)


class Score(NamedTuple):
    """How pictures are read.

    Attributes:
        nll: float64[n], of the picture's text.
        right_nll: float64[n], of whether the most probable text is the picture's.
        exact: bool[n], whether it is.
        accepted: the share that may be accepted so that 1 % of all are accepted and wrong.
    """

    nll: Floats
    right_nll: Floats
    exact: npt.NDArray[np.bool_]
    accepted: float

    def to_dict(self) -> dict[str, float]:
        """Return the means."""
        return {
            "nll": round(self.nll.mean().item(), 5),
            "right_nll": round(self.right_nll.mean().item(), 5),
            "exact": round(self.exact.mean().item(), 5),
            "accepted": round(self.accepted, 5),
        }


def text_probability(numbers: Sequence[Number], text: str, line: tuple[float, float]) -> float:
    """Return the probability that a reader gives to a picture's text, calibrated by `line`."""
    found = {"": 1.0}
    for number in numbers:
        texts = ((number.value, number.probability), *number.alternatives)
        longer: dict[str, float] = {}
        for (start, p), (end, q) in itertools.product(found.items(), texts):
            joined = f"{start} {end}" if start and end else start + end
            if text.startswith(joined):
                longer[joined] = longer.get(joined, 0.0) + p * calibrated(q, line)
        found = longer
    return max(found.get(text, 0.0), MIN_TEXT_PROBABILITY)


def score(reader: NumberReader, pictures: Sequence[Labelled], values: Values) -> Score:
    """Read the pictures with these values."""
    reader = reader.configured(configured(values))
    pages = [reader.read(pixels).numbers for pixels, _ in pictures]
    texts = [text for _, text in pictures]
    exact = np.array(
        [" ".join(n.value for n in page) == text for page, text in zip(pages, texts, strict=True)]
    )
    p = np.array([math.prod(number.probability for number in page) for page in pages])
    some = np.array([len(page) > 0 for page in pages])
    line = fit_calibration(p[some], exact[some])
    found = [text_probability(page, text, line) for page, text in zip(pages, texts, strict=True)]
    sure = np.array([calibrated(q, line) for q in p])
    right = np.where(exact, sure, 1 - sure)
    threshold = fit_min_probability(sure, exact, MAX_ACCEPTED_WRONG)
    return Score(-np.log(found), -np.log(right), exact, float((sure >= threshold).mean()))


class Search:
    """A coordinate search.

    Args:
        reader: its networks; its config is changed.
        pictures: that choose.
        by: the loss that is compared, a field of `Score`.
    """

    def __init__(self, reader: NumberReader, pictures: Sequence[Labelled], by: str) -> None:
        self.reader = reader
        self.pictures = pictures
        self.by = by
        self._known: dict[tuple[float, ...], Score] = {}

    def score(self, values: Values) -> Score:
        """Read the pictures with these values, unless that was done before."""
        key = tuple(values[constant] for constant in VALUES)
        if key not in self._known:
            self._known[key] = score(self.reader, self.pictures, values)
        return self._known[key]

    def once(self, values: Values, names: Sequence[str]) -> tuple[Values, list[Json]]:
        """Return the best values of constants, one after the other, and what each one scores."""
        rows: list[Json] = []
        for name in track(names):
            tried = sorted({*VALUES[name], values[name]})
            scores = {value: self.score(values | {name: value}) for value in tried}
            losses: dict[float, Floats] = {v: getattr(s, self.by) for v, s in scores.items()}
            best = min(losses, key=lambda value: losses[value].mean())
            if not exceeds_noise(losses[values[name]] - losses[best], 1.0):
                best = values[name]
            values = values | {name: best}
            gaps = [loss - losses[best] for loss in losses.values()]
            rows.append(
                {
                    "constant": name,
                    "chosen": best,
                    "matters": any(exceeds_noise(gap, STANDARD_ERRORS) for gap in gaps),
                    "tried": [{"value": v} | found.to_dict() for v, found in scores.items()],
                }
            )
            print(name, rows[-1])
        return values, rows


def exceeds_noise(gaps: Floats, standard_errors: float) -> bool:
    """Return whether the mean of float64[n] is above 0 by more than so many standard errors."""
    return bool(gaps.mean() > standard_errors * gaps.std() / math.sqrt(len(gaps)))


def main() -> None:
    """Search, compare with today's values, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--count", type=int, default=30, help="pictures of each set")
    parser.add_argument("--constants", nargs="+", choices=VALUES, default=list(VALUES))
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--by", choices=("nll", "right_nll"), default="nll", help="what is scored")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    _, facts, model = find_network(options.bundle, DetectorFacts)
    reader = load_number_reader(options.bundle)
    reader.detector = CachingDetector(model)
    digits = validation_digits()
    choosing: list[Labelled] = []
    confirming: list[Labelled] = []
    for name in SETS:
        count = max(1, min(options.count, MOST_PICTURES.get(name, 10 * options.count) // 10))
        pictures = list(pictures_of(name, digits, 2 * count))
        choosing += pictures[:count]
        confirming += pictures[count:]
    today = todays_values()
    search = Search(reader, choosing, options.by)
    chosen: Values = today
    rows: list[Json] = []
    for _ in range(options.passes):
        chosen, rows = search.once(chosen, options.constants)
    fresh = {"today": score(reader, confirming, today)}
    fresh["chosen"] = score(reader, confirming, chosen)
    record = {
        "detector": facts.sha256,
        "pictures": len(choosing),
        "fresh_pictures": {name: s.to_dict() for name, s in fresh.items()},
        "makes_no_difference": [row["constant"] for row in rows if not row["matters"]],
        "constants": rows,
    }
    if options.out:
        write_record(options.out, **record)
    print(record["fresh_pictures"], record["makes_no_difference"])


if __name__ == "__main__":
    main()
