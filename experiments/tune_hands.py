"""Measure what `tenfold tune` is worth to hands whose 1s and 7s are misread.

python experiments/tune_hands.py --out experiments/records/tune-hands.json

A hand writes every digit in one form, with its own proportions, slant and pen. Its 1 has a long
upstroke; its 7 is hooked or crossed. Hands are drawn until ten are found of whose 1s and 7s the
bundle misreads a fifth. Each corrects 20 digits that were misread, and is measured on 1,000 others.
Tuning is that of `tenfold tune` without its cross-validation.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from record_runs import write_record

from tenfold.artifacts.studies import MAX_LOSS_POINTS
from tenfold.bundle.format import SHIPPED, read_config
from tenfold.bundle.save import copy_bundle, save_bundle
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.data.normalization import normalize_digit
from tenfold.data.seeds import derive_seed
from tenfold.evaluation.reader import evaluate_reader
from tenfold.evaluation.statistics import spread
from tenfold.model.kernels.functional import tune_process
from tenfold.reading.reader import Reader
from tenfold.rendering.picture_sets import load_pictures
from tenfold.rendering.strokes import (
    CANVAS_SIDE_PX,
    STROKE_TEMPLATES,
    UNIT_BOX_PX,
    Strokes,
    catmull_rom,
    draw_polylines,
    jitter_points,
    parse_template,
)
from tenfold.studies.tune import FOREIGN_SETS
from tenfold.training.fine_tuning import FineTuning, Rehearsal, fine_tune, recipe_of, rehearsal

MISREAD_FORMS = {
    1: ("0,32 62,0 62,0 58,100", "0,45 66,0 66,0 55,100"),
    7: (
        "5,45 8,2 8,2 45,14 92,0 92,0 62,50 45,100 / 20,52 92,48",
        "0,50 15,8 15,8 50,14 90,2 90,2 62,50 50,100",
        "12,40 12,5 12,5 88,5 88,5 70,50 62,100 / 40,55 98,50",
    ),
}
FORMS = {digit: MISREAD_FORMS.get(digit, forms) for digit, forms in STROKE_TEMPLATES.items()}
PROBES = 120  # 1s and 7s that are read to see whether a hand is misread
MIN_MISREAD = 24
CORRECTIONS = 20
TEST_DIGITS = 1_000
MNIST_IMAGES, FOREIGN_PICTURES = 10_000, 1_797 + 1_960 + 1_042
WOBBLE = 0.02  # of the unit box: how two digits of one hand differ


@dataclass(frozen=True)
class Hand:
    """How one person writes: the strokes of each digit, slant and width, and the pen in pixels."""

    strokes: dict[int, Strokes]
    shape: npt.NDArray[np.float64]
    slant: float
    pen_px: int

    def draw(self, digit: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Write a digit: uint8[28, 28], normalised as MNIST's are."""
        lines = []
        for points in self.strokes[digit]:
            moved = points + random.normal(0, WOBBLE, points.shape)
            corner = np.flatnonzero((np.diff(points, axis=0) == 0).all(axis=1))
            moved[corner + 1] = moved[corner]
            slant = self.slant + random.normal(0, 0.04)
            moved = catmull_rom(moved) * self.shape
            moved += np.outer(0.5 - moved[:, 1], [slant, 0])
            lines.append(moved * UNIT_BOX_PX + (CANVAS_SIDE_PX - UNIT_BOX_PX) / 2)
        canvas = draw_polylines(lines, (CANVAS_SIDE_PX, CANVAS_SIDE_PX), self.pen_px)
        return normalize_digit(np.divide(canvas, 255, dtype=np.float32))


def sample_hand(random: np.random.Generator) -> Hand:
    """Draw how a person writes."""
    strokes = {}
    for digit, forms in FORMS.items():
        strokes[digit] = parse_template(forms[random.integers(len(forms))])
        for _ in range(2 if digit in MISREAD_FORMS else 1):
            strokes[digit] = [jitter_points(points, random) for points in strokes[digit]]
    shape = np.array([random.uniform(0.5, 0.95), 1.0])
    return Hand(strokes, shape, random.normal(0, 0.15), int(random.integers(4, 9)))


def write(hand: Hand, digits: npt.NDArray[np.int64], random: np.random.Generator) -> Digits:
    """Write some digits."""
    images = np.stack([hand.draw(int(digit), random) for digit in digits])
    return Digits(torch.from_numpy(images), torch.from_numpy(digits), "hand", "rendered")


def misread(reader: Reader, digits: Digits) -> npt.NDArray[np.bool_]:
    """Tell which digits are misread: bool[n]."""
    pages = reader.read_all(list(digits.images.numpy()), "single")
    read = [page.numbers[0].value if page.numbers else "" for page in pages]
    wrong: npt.NDArray[np.bool_] = np.array(read) != digits.labels.numpy().astype(str)
    return wrong


def find_hands(reader: Reader, first: int, count: int) -> Iterator[tuple[int, Digits, Digits]]:
    """Yield hands that are misread: their number, 20 corrections, and digits to measure."""
    number, found = first, 0
    while found < count:
        random = np.random.default_rng(derive_seed(number, "hand"))
        hand = sample_hand(random)
        tried = write(hand, np.tile(list(MISREAD_FORMS), PROBES // 2), random)
        wrong = np.flatnonzero(misread(reader, tried))
        if len(wrong) >= MIN_MISREAD:
            found += 1
            digits = np.repeat(np.arange(10), TEST_DIGITS // 10)
            yield number, tried.subset(wrong[:CORRECTIONS].tolist()), write(hand, digits, random)
        number += 1


class Elsewhere:
    """Counts what a bundle reads wrongly elsewhere; the pictures are made once."""

    def __init__(self) -> None:
        self.sets = {"mnist": load_pictures("mnist-pictures")}
        self.sets |= {name: load_pictures(name) for name in FOREIGN_SETS}

    def errors(self, bundle: Path) -> dict[str, int]:
        """Count the mistakes on MNIST's test images and on the foreign sets, each by its name."""
        reader = Reader.load(bundle)
        results = {name: evaluate_reader(reader, pictures) for name, pictures in self.sets.items()}
        return {name: result.of - result.right for name, result in results.items()}


def tune_to(corrections: Digits, bundle: Bundle, known: Rehearsal, folder: Path) -> None:
    """Write the bundle that `tenfold tune` would write."""
    network = fine_tune(bundle.networks[0], corrections, known, FineTuning(), seed=0)
    copy_bundle(SHIPPED, folder, "float32")
    save_bundle(folder, read_config(folder), [network.state_dict()], "")


def is_written(lost: dict[str, int]) -> bool:
    """Tell whether `tenfold tune` writes a bundle that lost so many pictures of each set."""
    foreign = sum(lost[name] for name in FOREIGN_SETS)
    losses = (lost["mnist"] / MNIST_IMAGES, foreign / FOREIGN_PICTURES)
    return all(100 * loss <= MAX_LOSS_POINTS for loss in losses)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over the hands, each with the half-width of its 95 % interval."""

    def described(values: list[float]) -> dict[str, float]:
        found = spread(values)
        half = 0.0 if found.high is None else found.high - found.mean
        return {"mean": round(found.mean, 3), "half": round(half, 3)}

    remaining = [row["errors_after"] / row["errors_before"] for row in rows]
    return {
        "errors_remaining": described(remaining),
        "halved": sum(2 * row["errors_after"] <= row["errors_before"] for row in rows),
        "written": sum(is_written(row["lost"]) for row in rows),
        "lost": {name: described([row["lost"][name] for row in rows]) for name in rows[0]["lost"]},
    }


def main() -> None:
    """Tune to every hand; print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hands", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first that is drawn")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tune_process()
    bundle, reader, elsewhere = Bundle.load(), Reader.load(), Elsewhere()
    known = rehearsal(recipe_of(SHIPPED), FineTuning(), seed=0)
    before = elsewhere.errors(SHIPPED)
    rows: list[dict[str, Any]] = []
    for number, corrections, unseen in find_hands(reader, options.first, options.hands):
        with TemporaryDirectory() as folder:
            path, begun = Path(folder, "tuned"), time.process_time()
            tune_to(corrections, bundle, known, path)
            seconds = round(time.process_time() - begun, 1)
            after = elsewhere.errors(path)
            errors_after = int(misread(Reader.load(path), unseen).sum())
        row = {
            "hand": number,
            "cpu_seconds": seconds,
            "errors_before": int(misread(reader, unseen).sum()),
            "errors_after": errors_after,
            "lost": {name: after[name] - before[name] for name in before},
        }
        rows.append(row)
        print(row, flush=True)
    if options.out:
        content = {"bundle": bundle.config.model_dump(mode="json"), "errors_elsewhere": before}
        write_record(options.out, **content, hands=rows, summary=summary(rows))
    print(summary(rows))


if __name__ == "__main__":
    main()
