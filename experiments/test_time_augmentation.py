"""Compare sets of variants of an image over which a prediction can be averaged.

tenfold train single --set data.validation=10000 --set ... --out runs/trials/NAME
python experiments/test_time_augmentation.py runs/trials/* \
    --out experiments/records/test-time-augmentation-held-out.json
python experiments/test_time_augmentation.py runs/single/seed-* --test \
    --out experiments/records/test-time-augmentation-test.json

"Turned and scaled" stands for all four combinations of ± the angle and 1 ± the scaling. A row has
mistakes and nll_sum as means over the runs, at temperatures fitted on held-out images, and the
paired differences from the image with its four shifts. Without --test the images are the held-out
ones, and the figures choose. With --test four sets are measured on test images, to see what the
choice was worth, and nothing is chosen from them.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from ablations import difference_cell
from held_out import LogP, open_trials
from record_runs import write_record
from rich.progress import track

from tenfold.augmentation.batches import deskew_images
from tenfold.bundle.test_time_augmentation import RELATIVE_SCALING, ROTATION_DEGREES, SHIFTS_PX
from tenfold.data.affine import warp
from tenfold.data.digits import concatenate
from tenfold.data.sources import load_digits
from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.evaluation.statistics import paired

CHUNK_SIZE = 500  # images


class Variant(NamedTuple):
    """An image, deskewed or not, then turned, scaled, and shifted by pixels right and down."""

    degrees: float = 0
    scale: float = 1
    right: float = 0
    down: float = 0
    deskewed: bool = False


Sets = dict[str, tuple[Variant, ...]]


def turned_and_scaled(degrees: float, percent: float) -> tuple[Variant, ...]:
    """Return the four combinations of either angle and either scaling."""
    return tuple(
        Variant(turn, 1 + scaling / 100)
        for turn, scaling in itertools.product((-degrees, degrees), (-percent, percent))
    )


IMAGE = Variant()
SHIFTED = tuple(Variant(right=right, down=down) for right, down in SHIFTS_PX)
AFFINE = turned_and_scaled(ROTATION_DEGREES, 100 * RELATIVE_SCALING)
AFFINE_NAME = f"turned by {ROTATION_DEGREES}° and scaled by {100 * RELATIVE_SCALING:g} %"
SHIFTS = "image and its four shifts by a pixel"
PLAIN = f"{AFFINE_NAME}, and the four shifts"
CHOSEN = f"deskewed, {AFFINE_NAME}, and the four shifts of the image"
OF_THE_IMAGE: Sets = {
    "the image": (IMAGE,),
    SHIFTS: (IMAGE, *SHIFTED),
    "image, and turned by 9° either way": (IMAGE, Variant(9), Variant(-9)),
    "image, and scaled by 20 % either way": (IMAGE, Variant(scale=0.8), Variant(scale=1.2)),
} | {
    f"turned by {degrees}° and scaled by {percent} %": turned_and_scaled(degrees, percent)
    for degrees, percent in itertools.product((6, 9), (10, 15, 20))
}
OF_THE_IMAGE[PLAIN] = (*AFFINE, *SHIFTED)
OF_THE_IMAGE["those eight, and turned by 9° and scaled by 10 %"] = (
    *OF_THE_IMAGE[PLAIN],
    *turned_and_scaled(9, 10),
)
_DESKEWED = {variant: variant._replace(deskewed=True) for variant in OF_THE_IMAGE[PLAIN]}
WITH_DESKEWING: Sets = {
    PLAIN: OF_THE_IMAGE[PLAIN],
    "the same eight, deskewed": tuple(_DESKEWED.values()),
    CHOSEN: (*(_DESKEWED[variant] for variant in AFFINE), *SHIFTED),
    f"{AFFINE_NAME}, and the four shifts of the deskewed image": (
        *AFFINE,
        *(_DESKEWED[variant] for variant in SHIFTED),
    ),
    "all sixteen": (*OF_THE_IMAGE[PLAIN], *_DESKEWED.values()),
}
ALL_SETS = OF_THE_IMAGE | WITH_DESKEWING
ON_TEST = {name: ALL_SETS[name] for name in ("the image", SHIFTS, PLAIN, CHOSEN)}


def classify(
    network: torch.nn.Module, images: torch.Tensor, variant: Variant
) -> npt.NDArray[np.float32]:
    """Return log p [n, 10] of one variant of every image; they are deskewed already if need be."""
    degrees, scale, right, down, _ = variant
    angle, shift = np.radians(degrees), np.array([[right], [down]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    inverse = torch.from_numpy(np.hstack([turn, -turn @ shift])).float()
    log_ps = []
    with torch.inference_mode():
        for chunk in torch.split(images, CHUNK_SIZE):
            pixels = warp(chunk, inverse.expand(len(chunk), 2, 3))
            with torch.autocast("cpu", torch.bfloat16):
                log_ps.append(network(pixels).float().log_softmax(1))
    return torch.cat(log_ps).numpy()


def averaged(network: torch.nn.Module, images: torch.Tensor, sets: Sets) -> dict[str, LogP]:
    """Return log p [n, 10] averaged over each set; each variant is classified once."""
    variants = set[Variant]().union(*sets.values())
    sources = {False: images, True: deskew_images(images)}
    log_ps = {
        variant: classify(network, sources[variant.deskewed], variant) for variant in variants
    }
    return {
        name: ensemble_log_probabilities(np.stack([log_ps[variant] for variant in members]))
        for name, members in sets.items()
    }


def main() -> None:
    """Measure the sets with every network, print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = open_trials(options.runs, parser)
    if len(runs) == 1:
        parser.error("name two runs or more: differences have an interval")
    sets = ON_TEST if options.test else ALL_SETS
    held_out = runs[0].digits()[1]
    measured = load_digits("mnist", "test") if options.test else held_out
    images = concatenate([held_out, measured]).images if options.test else held_out.images
    rows: list[dict[str, Any]] = []
    for run in track(runs):
        network = run.bundle().networks[0]
        for name, log_p in averaged(network, images, sets).items():
            temperature = fit_temperature(log_p[: len(held_out)], held_out.labels.numpy())
            calibrated = apply_temperature(log_p[-len(measured) :], temperature)
            scores = measure(calibrated, measured.labels.numpy())
            row = {"variants": name, "run": run.path.name, "mistakes": scores.errors}
            rows.append(row | {"nll_sum": round(scores.nll_sum, 2)})
    for name in sets:
        cells = [name]
        for key in ("mistakes", "nll_sum"):
            own, base = ([r[key] for r in rows if r["variants"] == n] for n in (name, SHIFTS))
            cells += [f"{np.mean(own):.1f}", difference_cell(paired(base, own), 1, 1)]
        print("| " + " | ".join(cells) + " |")
    write_record(options.out, rows=rows)


if __name__ == "__main__":
    main()
