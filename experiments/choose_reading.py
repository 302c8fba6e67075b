"""Choose the constants with which numbers are read, on pictures of validation digits.

python experiments/choose_reading.py BUNDLE --out experiments/records/reading-constants.json

A coordinate search: one constant after the other takes the value that scores best, if it is better
than the value before by more than a standard error; all constants `--passes` times. The score is
the mean negative log likelihood of the pictures' texts, with the calibration of confidence that
fits these pictures. The network looks at a picture and size once. At the end, the values chosen are
compared with today's on pictures that did not choose them. The test images are not looked at.
"""

import argparse
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from number_reading import MOST_PICTURES, SETS, pictures_of, validation_digits
from reading_constants import VALUES, Values, configured, todays_values
from record_runs import Json, write_record
from rich.progress import track

from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.bundle.format import read_detector
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.evaluation.fields import fit_calibration
from tenfold.reading.number_reader import NumberReader, calibrated
from tenfold.reading.page import Number
from tenfold.rendering.held_out import Labelled

LEAST_OBJECTNESS = min(VALUES["pyramid.min_objectness"])
MIN_TEXT_PROBABILITY = 1e-3
# A difference of scores that is smaller than so many standard errors is none.
STANDARD_ERRORS = 2.0

Floats = npt.NDArray[np.float64]
Networks = tuple[OnnxDetector, OnnxClassifier]


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
    """How pictures are read: negative log likelihood float64[n], and bool[n]."""

    nll: Floats
    exact: npt.NDArray[np.bool_]

    def to_dict(self) -> dict[str, float]:
        """Return the means."""
        return {
            "nll": round(self.nll.mean().item(), 5),
            "exact": round(self.exact.mean().item(), 5),
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


def score(networks: Networks, pictures: Sequence[Labelled], values: Values) -> Score:
    """Read the pictures with these values."""
    reader = NumberReader(*networks, configured(values))
    pages = [reader.read(pixels).numbers for pixels, _ in pictures]
    texts = [text for _, text in pictures]
    exact = np.array(
        [" ".join(n.value for n in page) == text for page, text in zip(pages, texts, strict=True)]
    )
    p = np.array([math.prod(number.probability for number in page) for page in pages])
    some = np.array([len(page) > 0 for page in pages])
    line = fit_calibration(p[some], exact[some])
    found = [text_probability(page, text, line) for page, text in zip(pages, texts, strict=True)]
    return Score(-np.log(found), exact)


def search(
    networks: Networks,
    pictures: Sequence[Labelled],
    values: Values,
    names: Sequence[str],
    passes: int,
) -> tuple[Values, list[Json]]:
    """Return the best values of constants, and what the last pass found for each."""
    rows: list[Json] = []
    known: dict[tuple[float, ...], Score] = {}
    for number in range(passes):
        rows = []
        for name in track(names, f"pass {number + 1} of {passes}"):
            scores = {}
            for value in sorted({*VALUES[name], values[name]}):
                candidate = values | {name: value}
                key = tuple(candidate[constant] for constant in VALUES)
                if key not in known:
                    known[key] = score(networks, pictures, candidate)
                scores[value] = known[key]
            best = min(scores, key=lambda value: scores[value].nll.mean())
            if not exceeds_noise(scores[values[name]].nll - scores[best].nll, 1.0):
                best = values[name]
            values = values | {name: best}
            rows.append(row_of(name, scores, best))
            print(name, rows[-1])
    return values, rows


def exceeds_noise(gaps: Floats, standard_errors: float) -> bool:
    """Return whether the mean of float64[n] is above 0 by more than so many standard errors."""
    return bool(gaps.mean() > standard_errors * gaps.std() / math.sqrt(len(gaps)))


def row_of(name: str, scores: Mapping[float, Score], best: float) -> Json:
    """Describe what the values of a constant score, and whether it matters which one it has."""
    return {
        "constant": name,
        "chosen": best,
        "matters": any(
            exceeds_noise(found.nll - scores[best].nll, STANDARD_ERRORS)
            for found in scores.values()
        ),
        "tried": [{"value": value} | found.to_dict() for value, found in scores.items()],
    }


def main() -> None:
    """Search, compare with today's values, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--count", type=int, default=30, help="pictures of each set")
    parser.add_argument("--constants", nargs="+", choices=VALUES, default=list(VALUES))
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = read_detector(options.bundle)
    if found is None:
        parser.error(f"{options.bundle}: has no detector")
    digits = validation_digits()
    choosing: list[Labelled] = []
    confirming: list[Labelled] = []
    for name in SETS:
        count = max(1, min(options.count, MOST_PICTURES.get(name, 10 * options.count) // 10))
        pictures = list(pictures_of(name, digits, 2 * count))
        choosing += pictures[:count]
        confirming += pictures[count:]
    today = todays_values()
    networks = CachingDetector(found[1]), OnnxClassifier.load(options.bundle)
    chosen, rows = search(networks, choosing, today, options.constants, options.passes)
    fresh = {"today": score(networks, confirming, today)}
    fresh["chosen"] = score(networks, confirming, chosen)
    record = {
        "detector": found[0].sha256,
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
