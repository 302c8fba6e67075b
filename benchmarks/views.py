"""Which views of an image a prediction should average over, on held-out training images.

tenfold train single --set data.validation=10000 --set ... --out runs/trials/NAME
python benchmarks/views.py runs/trials/* --out benchmarks/records/views

Turned and scaled views are all four combinations of ± the angle and 1 ± the stretch. A cell is a
network's mistakes and nll_sum, its temperature fitted on the same images: these figures choose,
and flatter every row alike. The test set is not looked at. Writes results.jsonl.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from tenfold.data.augment import warp
from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.model.network import DigitNetwork
from tenfold.training.run import Run

View = tuple[float, float, float, float]  # degrees, scale, pixels right and down
IMAGE: View = (0, 1, 0, 0)
SHIFTED: tuple[View, ...] = ((0, 1, 1, 0), (0, 1, -1, 0), (0, 1, 0, 1), (0, 1, 0, -1))
SETS: dict[str, tuple[View, ...]] = {
    "the image": (IMAGE,),
    "it and its four shifts by a pixel": (IMAGE, *SHIFTED),
    "it, and turned by 9° either way": (IMAGE, (9, 1, 0, 0), (-9, 1, 0, 0)),
    "it, and scaled by 20 % either way": (IMAGE, (0, 0.8, 0, 0), (0, 1.2, 0, 0)),
} | {
    f"turned by {degrees}° and scaled by {percent} %": tuple(
        (turn, 1 + stretch / 100, 0, 0)
        for turn, stretch in itertools.product((-degrees, degrees), (-percent, percent))
    )
    for degrees, percent in itertools.product((6, 9), (10, 15, 20))
}


def read(network: DigitNetwork, images: torch.Tensor, view: View) -> npt.NDArray[np.float32]:
    """Return log p [n, 10] of one view of every image."""
    degrees, scale, right, down = view
    angle, shift = np.radians(degrees), np.array([[right], [down]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    inverse = torch.from_numpy(np.hstack([turn, -turn @ shift])).float()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        parts = [
            network(warp(chunk, inverse.expand(len(chunk), 2, 3))).log_softmax(1)
            for chunk in torch.split(images, 500)
        ]
    return torch.cat(parts).float().numpy()


def main() -> None:
    """Measure every set of views with every network; print a table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    runs = [Run.open(path) for path in given.runs]
    _, held_out = runs[0].digits()
    labels = held_out.labels.numpy()
    rows = []
    for run in tqdm(runs):
        network = run.bundle().networks[0]
        views = {view for views in SETS.values() for view in views}
        log_ps = {view: read(network, held_out.images, view) for view in views}
        for name, views_of in SETS.items():
            log_p = ensemble_log_probabilities(np.stack([log_ps[view] for view in views_of]))
            found = measure(apply_temperature(log_p, fit_temperature(log_p, labels)), labels)
            row = {"views": name, "run": run.path.name, "mistakes": found.errors}
            rows.append(row | {"nll_sum": round(found.nll_sum, 2)})
    for name in SETS:
        own = [row for row in rows if row["views"] == name]
        means = (np.mean([row[key] for row in own]) for key in ("mistakes", "nll_sum"))
        cells = [" · ".join(f"{row['mistakes']}, {row['nll_sum']:.0f}" for row in own)]
        print("| " + " | ".join([name, *(f"{mean:.1f}" for mean in means), *cells]) + " |")
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
