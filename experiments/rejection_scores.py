"""Compare scores by which single digits may be rejected: area under the risk-coverage curve.

python experiments/rejection_scores.py --out RECORD.json

Half of the pictures choose a score, the others show what it is worth. Non-digits count as wrong at
any confidence. Documents of the first half are written with MNIST's validation digits, those of the
second with its test digits. Of the Polish digits and symbols, none that a network has learned from
is used.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from record_runs import Json, write_record
from scipy.special import entr, log_softmax, logsumexp, softmax

from tenfold.bundle.format import SHIPPED
from tenfold.bundle.test_time_augmentation import VARIANTS, TestTimeAugmentation
from tenfold.bundle.torch_bundle import Bundle, image_variants
from tenfold.data.digits import Digits, stratified_split
from tenfold.data.optical import optical_digits
from tenfold.data.pictures import Labelled
from tenfold.data.sources import load_digits
from tenfold.evaluation.risk_coverage import aurc, aurc_interval
from tenfold.model.network import DigitNetwork
from tenfold.reading.single_digit import crop_digit
from tenfold.rendering.documents import digit_documents
from tenfold.rendering.doodles import blanks_and_scribbles
from tenfold.rendering.fonts import find_fonts, font_digits, font_letters
from tenfold.rendering.picture_sets import load_pictures
from tenfold.training.digits import recipe_digits
from tenfold.training.recipe import load_recipe

DOCUMENTS = 400
SCRIBBLES = 200
FITTED_ON = 2000  # training images that distances are measured from
POLISH_SETS = ("bhmsds-pictures", "bhmsds-symbol-pictures")
BATCH = 500

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a bundle's network says of n images, over the v variants that the bundle averages.

    Attributes:
        logits: float64[v, n, 10].
        features: float64[v, n, u], what the output layer sees.
        augmented: float64[8, n, 10], logits of all variants of test-time augmentation.
        temperature: the bundle's.
    """

    logits: Floats
    features: Floats
    augmented: Floats
    temperature: float

    @property
    def p(self) -> Floats:
        """The probability of each digit as the bundle gives it, float64[n, 10]."""
        log_mean = logsumexp(log_softmax(self.logits, axis=2), axis=0)
        p: Floats = softmax(log_mean / self.temperature, axis=1)
        return p


def outputs_of(bundle: Bundle, images: npt.NDArray[np.uint8]) -> Outputs:
    """Run the network of a bundle on images uint8[n, 28, 28]."""
    (network,) = bundle.networks
    logits, features = run_on_variants(network, images, bundle.config.test_time_augmentation)
    augmented, _ = run_on_variants(network, images, "deskew-affine-shift")
    return Outputs(logits, features, augmented, bundle.config.temperature)


def run_on_variants(
    network: DigitNetwork, images: npt.NDArray[np.uint8], augmentation: TestTimeAugmentation
) -> tuple[Floats, Floats]:
    """Return logits float64[v, n, 10] and features float64[v, n, u] of v variants of n images."""
    seen: list[torch.Tensor] = []
    hook = network.output.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits, features = [], []
    for chunk in torch.split(torch.from_numpy(images), BATCH):
        shape = VARIANTS[augmentation], len(chunk), -1
        with torch.inference_mode():
            out = network(image_variants(chunk.float() / 255, augmentation))
        logits.append(out.view(shape).double().numpy())
        features.append(seen.pop().view(shape).double().numpy())
    hook.remove()
    return np.concatenate(logits, axis=1), np.concatenate(features, axis=1)


class Distance:
    """Mahalanobis' distance to the nearest class, with one covariance (Lee et al. 2018)."""

    def __init__(self, outputs: Outputs, labels: npt.NDArray[np.int64]) -> None:
        features = outputs.features.mean(axis=0)
        self.means = np.stack([features[labels == c].mean(axis=0) for c in range(10)])
        gaps = features - self.means[labels]
        self.precision = np.linalg.pinv(gaps.T @ gaps / len(gaps))

    def __call__(self, outputs: Outputs) -> Floats:
        """Return minus the distance, float64[n]."""
        features = outputs.features.mean(axis=0)
        gaps = features[:, None] - self.means
        squared = np.einsum("ncu,uv,ncv->nc", gaps, self.precision, gaps, optimize=True)
        nearest: Floats = -np.sqrt(squared.min(axis=1))
        return nearest


def margin(outputs: Outputs) -> Floats:
    """Return the two largest probabilities' difference."""
    ordered = np.sort(outputs.p, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def negative_entropy(outputs: Outputs) -> Floats:
    """Return Σ p log p."""
    return np.asarray(-entr(outputs.p).sum(axis=1))


def least_of_variants(outputs: Outputs) -> Floats:
    """Return the least probability that a variant gives to the most probable digit."""
    best = outputs.p.argmax(axis=1)
    p = softmax(outputs.augmented, axis=2)
    return np.asarray(p[:, np.arange(len(best)), best].min(axis=0))


SCORES: dict[str, Callable[[Outputs], Floats]] = {
    "maximum probability": lambda outputs: outputs.p.max(axis=1),
    "margin of two": margin,
    "entropy": negative_entropy,
    "energy": lambda outputs: logsumexp(outputs.logits, axis=2).mean(axis=0),
    "maximum logit": lambda outputs: outputs.logits.mean(axis=0).max(axis=1),
    "least probability of a variant": least_of_variants,
}


def one_half(pictures: Iterator[Labelled], half: int) -> list[Labelled]:
    """Return the first or the second half: of letters, other fonts."""
    every = list(pictures)
    middle = len(every) // 2
    return every[middle:] if half else every[:middle]


def digits_of_fonts(half: int) -> list[Labelled]:
    """Return the digits of the first or the second half of the fonts."""
    fonts = len(find_fonts())
    every = enumerate(font_digits())
    return [picture for k, picture in every if (k // 10 % fonts >= fonts // 2) == bool(half)]


def every_other(name: str, half: int) -> list[Labelled]:
    """Return the pictures of even or of odd index of a set, which has a class after the other."""
    pictures = load_pictures(name)
    return list(zip(pictures.pictures, pictures.labels, strict=True))[half::2]


def sets_of(half: int, digits: Digits) -> dict[str, list[Labelled]]:
    """Return the pictures of the first half, which chooses, or of the second."""
    scribbles = blanks_and_scribbles((1 + half) * SCRIBBLES)
    return {
        "optical": one_half(optical_digits(), half),
        "font-digits": digits_of_fonts(half),
        "documents": list(digit_documents(digits, DOCUMENTS)),
        "font-letters": one_half(font_letters(), half),
        "blanks-and-scribbles": list(islice(scribbles, half * SCRIBBLES, None)),
        **{name: every_other(name, half) for name in POLISH_SETS},
    }


def cropped(pictures: Sequence[Labelled]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images uint8[n, 28, 28] and labels int64[n], -1 for non-digits, without blank ones."""
    crops = [(crop_digit(picture), int(label or -1)) for picture, label in pictures]
    found = [(crop.image, label) for crop, label in crops if crop.box]
    return np.stack([image for image, _ in found]), np.array([label for _, label in found])


def figures_of(
    sets: dict[str, list[Labelled]],
    bundle: Bundle,
    scores: dict[str, Callable[[Outputs], Floats]],
) -> Json:
    """Return the areas of each score: over all sets together, and each digit set alone."""
    wrong: dict[str, npt.NDArray[np.bool_]] = {}
    values: dict[str, dict[str, Floats]] = {name: {} for name in scores}
    for name, pictures in sets.items():
        images, labels = cropped(pictures)
        outputs = outputs_of(bundle, images)
        wrong[name] = outputs.p.argmax(axis=1) != labels
        for score, measure in scores.items():
            values[score][name] = measure(outputs)
    every = np.concatenate(list(wrong.values()))
    result = {}
    for score, of_sets in values.items():
        confidence = np.concatenate(list(of_sets.values()))
        result[score] = {
            "all": round(aurc(confidence, every), 6),
            "interval": aurc_interval(confidence, every),
            **{
                name: round(aurc(of_sets[name], wrong[name]), 6)
                for name in sets
                if not wrong[name].all()
            },
        }
    return {"pictures": {name: len(w) for name, w in wrong.items()}, "aurc": result}


def main() -> None:
    """Measure every score on both halves; print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default=SHIPPED)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bundle = Bundle.load(options.bundle)
    training, validation = recipe_digits(load_recipe("field"))
    fitted, _ = stratified_split(training, len(training) - FITTED_ON, 0)
    distance = Distance(outputs_of(bundle, fitted.images.numpy()), fitted.labels.numpy())
    scores = SCORES | {"distance to a class": distance}
    result = {}
    halves = {"chosen on": validation, "measured on": load_digits("mnist", "test")}
    for half, (title, digits) in enumerate(halves.items()):
        result[title] = figures_of(sets_of(half, digits), bundle, scores)
        print(f"\n{title}:", result[title]["pictures"])
        for score, areas in result[title]["aurc"].items():
            shown = (
                f"{name} {100 * area:.3f}" for name, area in areas.items() if name != "interval"
            )
            print(f"{score:32}", " ".join(shown), flush=True)
    if options.out:
        write_record(options.out, **result)


if __name__ == "__main__":
    main()
