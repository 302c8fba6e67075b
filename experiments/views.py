"""Which views of an image a prediction should average over.

tenfold train single --set data.validation=10000 --set ... --out runs/trials/NAME
python experiments/views.py runs/trials/* --out experiments/records/views-held-out.json
python experiments/views.py runs/single/seed-* --test --out experiments/records/views-test.json

Turned and scaled views are all four combinations of ± the angle and 1 ± the stretch; deskewed ones
are so beforehand, as half of the images that `single` learns from. A line has
mistakes and nll_sum at temperatures fitted on held-out images, means over the runs, and what they
differ from the shifts' by, paired. Without --test it is measured on the held-out images, and
chooses. With it, four rows are measured on test images, to see what the choice was worth; nothing
is chosen from them.
"""

import argparse
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from ablations import difference
from held_out import open_trials
from record_runs import write_record
from tqdm import tqdm

from tenfold.augmentation.batches import deskew_images
from tenfold.augmentation.geometric import warp
from tenfold.bundle.test_time_augmentation import RELATIVE_SCALING as STRETCH
from tenfold.bundle.test_time_augmentation import ROTATION_DEGREES as DEGREES
from tenfold.bundle.test_time_augmentation import SHIFTS_PX as PIXELS
from tenfold.data.digits import concatenate
from tenfold.data.sources import load_digits
from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.evaluation.statistics import paired
from tenfold.model.network import DigitNetwork


class View(NamedTuple):
    """An image deskewed or not, turned by degrees, scaled, shifted by pixels right and down."""

    degrees: float = 0
    scale: float = 1
    right: float = 0
    down: float = 0
    deskewed: bool = False


IMAGE = View()
SHIFTED = tuple(View(right=right, down=down) for right, down in PIXELS)
SHIFTS = "it and its four shifts by a pixel"
FAR = f"turned by {DEGREES}° and scaled by {100 * STRETCH:g} %"
PLAIN = f"{FAR}, and the four shifts"
CHOSEN = f"deskewed, {FAR}, and the four shifts of the image"
SETS: dict[str, tuple[View, ...]] = {
    "the image": (IMAGE,),
    SHIFTS: (IMAGE, *SHIFTED),
    "it, and turned by 9° either way": (IMAGE, View(9), View(-9)),
    "it, and scaled by 20 % either way": (IMAGE, View(scale=0.8), View(scale=1.2)),
} | {
    f"turned by {degrees}° and scaled by {percent} %": tuple(
        View(turn, 1 + stretch / 100)
        for turn, stretch in itertools.product((-degrees, degrees), (-percent, percent))
    )
    for degrees, percent in itertools.product((6, 9), (10, 15, 20))
}
SETS[PLAIN] = (*SETS[FAR], *SHIFTED)
SETS["those eight, and turned by 9° and scaled by 10 %"] = (
    *SETS[PLAIN],
    *SETS["turned by 9° and scaled by 10 %"],
)
_UPRIGHT = {view: view._replace(deskewed=True) for view in SETS[PLAIN]}
DESKEWED: dict[str, tuple[View, ...]] = {
    PLAIN: SETS[PLAIN],
    "the same eight, deskewed": tuple(_UPRIGHT.values()),
    CHOSEN: (*(_UPRIGHT[view] for view in SETS[FAR]), *SHIFTED),
    f"{FAR}, and the four shifts of the deskewed image": (
        *SETS[FAR],
        *(_UPRIGHT[view] for view in SHIFTED),
    ),
    "all sixteen": (*SETS[PLAIN], *_UPRIGHT.values()),
}
ON_TEST = {name: (SETS | DESKEWED)[name] for name in ("the image", SHIFTS, PLAIN, CHOSEN)}


def read(network: DigitNetwork, images: torch.Tensor, view: View) -> npt.NDArray[np.float32]:
    """Return log p [n, 10] of one view of every image; those of a deskewed view are upright."""
    degrees, scale, right, down, _ = view
    angle, shift = np.radians(degrees), np.array([[right], [down]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    inverse = torch.from_numpy(np.hstack([turn, -turn @ shift])).float()
    log_ps = []
    with torch.inference_mode():
        for chunk in torch.split(images, 500):
            pixels = warp(chunk, inverse.expand(len(chunk), 2, 3))
            with torch.autocast("cpu", torch.bfloat16):
                log_ps.append(network(pixels).float().log_softmax(1))
    return torch.cat(log_ps).numpy()


def averaged(
    network: DigitNetwork, images: torch.Tensor, sets: dict[str, tuple[View, ...]]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return log p [n, 10] averaged over each set of views; each view is read once."""
    views = set[View]().union(*sets.values())
    shown = {
        kind: deskew_images(images) if kind else images for kind in {v.deskewed for v in views}
    }
    log_ps = {view: read(network, shown[view.deskewed], view) for view in views}
    return {
        name: ensemble_log_probabilities(np.stack([log_ps[view] for view in views]))
        for name, views in sets.items()
    }


def main() -> None:
    """Measure sets of views with every network; print a table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    runs = open_trials(given.runs, parser)
    if len(runs) == 1:
        parser.error("name two runs or more: differences have an interval")
    sets = ON_TEST if given.test else SETS | DESKEWED
    held_out = runs[0].digits()[1]
    measured = load_digits("mnist", "test") if given.test else held_out
    images = concatenate([held_out, measured]).images if given.test else held_out.images
    rows = []
    for run in tqdm(runs):
        network = run.bundle().networks[0]
        for name, log_p in averaged(network, images, sets).items():
            temperature = fit_temperature(log_p[: len(held_out)], held_out.labels.numpy())
            found = measure(
                apply_temperature(log_p[-len(measured) :], temperature), measured.labels.numpy()
            )
            row = {"views": name, "run": run.path.name, "mistakes": found.errors}
            rows.append(row | {"nll_sum": round(found.nll_sum, 2)})
    for name in sets:
        cells = [name]
        for key in ("mistakes", "nll_sum"):
            own, base = ([r[key] for r in rows if r["views"] == which] for which in (name, SHIFTS))
            cells += [f"{np.mean(own):.1f}", difference(paired(base, own), 1, 1)]
        print("| " + " | ".join(cells) + " |")
    write_record(given.out, rows=rows)


if __name__ == "__main__":
    main()
