"""Measure the reader on pictures that are not MNIST's, beside what MNIST demos usually do.

tenfold train swift --out runs/plain
python benchmarks/foreign.py runs/plain --out benchmarks/records/foreign.json

The baseline is a plain MNIST network with the usual preparation: grey, inverted if the border is
light, resized to 28 × 28. It takes every picture for one digit. Prints a Markdown table. Where a
figure has chosen anything, the page that quotes it says so.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from measurement import save

from tenfold.bundle.format import SHIPPED
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.folder import to_mnist_size
from tenfold.data.pictures import Pictures
from tenfold.evaluation.reader import evaluate_reader
from tenfold.reading.reader import Reader
from tenfold.rendering.picture_sets import load_pictures, picture_sets


def baseline_accuracy(classifier: OnnxClassifier, pictures: Pictures) -> float | None:
    """Return the share of single digits that the usual preparation reads right.

    None for sets of anything but single digits.
    """
    if pictures.kind != "single":
        return None
    images = np.stack([to_mnist_size(p) for p in pictures.pictures])
    predictions = classifier.probabilities(images).argmax(axis=1)
    return float(np.mean(predictions == np.array([int(label) for label in pictures.labels])))


def table_row(name: str, result: dict[str, Any]) -> str:
    """Return a set's line of the table."""
    low, high = result["accuracy_interval"]
    cells = [f"`{name}`", picture_sets()[name], f"{100 * result['accuracy']:.2f} %"]
    cells += [f"{100 * low:.1f}–{100 * high:.1f} %"]
    cells += ["–" if result["baseline"] is None else f"{100 * result['baseline']:.1f} %"]
    wrong = result["accepted"] - result["right_of_accepted"]
    cells += [f"{100 * count / result['of']:.2f} %" for count in (result["accepted"], wrong)]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure every set, print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("baseline", type=Path, help="run folder of a plain MNIST network")
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=list(picture_sets()))
    options = parser.parse_args()
    reader = Reader.load(options.bundle)
    baseline = OnnxClassifier.load(options.baseline / "bundle")
    results: dict[str, Any] = {}
    print(
        "| set | what | right | 95 % interval | usual preparation | accepted | accepted and wrong |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in options.sets:
        pictures = load_pictures(name)
        result = evaluate_reader(reader, pictures).model_dump()
        mistakes = result["mistakes"]
        results[name] = result | {
            "mistakes": {key: [m[key] for m in mistakes] for key in ("index", "label", "read")},
            "baseline": baseline_accuracy(baseline, pictures),
        }
        print(table_row(name, results[name]), flush=True)
    bundle = reader.classifier.config.model_dump(mode="json")
    save(options.out, bundle=bundle, sets=results)


if __name__ == "__main__":
    main()
