"""Compare how much the crop classifier should say about pictures of one digit.

python experiments/single_digit_weights.py --out experiments/records/single-digit-weights.json

No picture is of a test set: MNIST's validation digits as they are and photographed, and the digits,
letters and symbols of Polish hands that networks have learned from.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from number_reading import validation_digits
from record_runs import Json, write_record

from tenfold.arrays import Floats, Pixels
from tenfold.bundle.format import SHIPPED
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.sources import load_digits, load_symbols
from tenfold.reading.classification import SingleDigitConfig, judge_singles
from tenfold.reading.reader import load_number_reader
from tenfold.reading.single_digit import crop_digit
from tenfold.rendering.documents import digit_documents

DOCUMENTS = 2000
CONFIGS = (
    SingleDigitConfig(digit_weight=1, crop_weight=0, objectness_weight=0),
    SingleDigitConfig(digit_weight=0.9, crop_weight=0.1, objectness_weight=0),
    SingleDigitConfig(objectness_weight=0),
    SingleDigitConfig(digit_weight=0.7, crop_weight=0.3, objectness_weight=0),
    SingleDigitConfig(digit_weight=0.5, crop_weight=0.5, objectness_weight=0),
    SingleDigitConfig(digit_weight=0.8, crop_weight=0.4, objectness_weight=0),
    SingleDigitConfig(objectness_weight=0.05),
    SingleDigitConfig(),
    SingleDigitConfig(objectness_weight=0.2),
    SingleDigitConfig(sure_probability=0.98),
    SingleDigitConfig(sure_probability=1.1),
)

Images = tuple[Pixels, npt.NDArray[np.int64]]


def normalised(pictures: Iterable[tuple[Pixels, int]]) -> Images:
    """Return the digits of pictures as the classifier sees them, uint8[n, 28, 28], and labels."""
    crops = [(crop_digit(picture).image, label) for picture, label in pictures]
    return np.stack([image for image, _ in crops]), np.array([label for _, label in crops])


def sets() -> dict[str, Images]:
    """Return the images of each set, and labels: -1 where there is no digit."""
    digits, polish, symbols = validation_digits(), load_digits("bhmsds", "train"), load_symbols()
    photographed = ((p, int(label)) for p, label in digit_documents(digits, DOCUMENTS))
    return {
        "MNIST": normalised(zip(digits.images.numpy(), digits.labels.tolist(), strict=True)),
        "photographed": normalised(photographed),
        "Polish": normalised(zip(255 - polish.images.numpy(), polish.labels.tolist(), strict=True)),
        "Polish symbols": normalised((255 - symbol, -1) for symbol in symbols),
    }


def counts(p: Floats, labels: npt.NDArray[np.int64], threshold: float) -> Json:
    """Count what is misread and what is accepted."""
    accepted, wrong = p.max(axis=1) >= threshold, p.argmax(axis=1) != labels
    return {
        "misread": int(wrong.sum()),
        "accepted": int(accepted.sum()),
        "accepted_and_wrong": int((accepted & wrong).sum()),
    }


def main() -> None:
    """Measure each config on each set and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    classifier = OnnxClassifier.load(SHIPPED)
    judge = load_number_reader(SHIPPED, classifier=classifier).crop_classifier
    if judge is None:
        parser.error(f"{SHIPPED}: has no crop classifier")
    rows: list[Json] = [{"config": asdict(config), "sets": {}} for config in CONFIGS]
    sizes = {}
    for name, (images, labels) in sets().items():
        sizes[name] = len(labels)
        probabilities = classifier.probabilities(images)
        for config, row in zip(CONFIGS, rows, strict=True):
            judged = judge_singles(judge, images, probabilities, config)
            row["sets"][name] = counts(judged, labels, classifier.config.rejection_threshold)
    write_record(options.out, images=sizes, configs=rows)


if __name__ == "__main__":
    main()
