"""Put what a run trained into a shipped bundle; its other networks stay as they are.

python experiments/ship.py RUN src/tenfold/bundles/field

Weights of classifiers become float16; what the run and the bundle then score on MNIST's test images
is printed, and must agree. If the bundle reads numbers, their probabilities are calibrated anew
unless the run trained a detector of cells, which has no part in them. That takes minutes.
"""

import argparse
from pathlib import Path

from number_reading import validation_digits

from tenfold.bundle.format import (
    NETWORKS,
    CellDetectorFacts,
    CropFacts,
    DetectorFacts,
    LineFacts,
    NetworkFacts,
    read_card,
    read_config,
    read_network,
)
from tenfold.bundle.save import add_network, save_bundle
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.sources import load_digits
from tenfold.evaluation.evaluate import evaluate_bundle
from tenfold.execution.finalize_reader import calibrate_numbers
from tenfold.execution.run import Run
from tenfold.training.recipe import Recipe, load_recipe


def trained_network(recipe: Recipe) -> type[NetworkFacts] | None:
    """Return which of `NETWORKS` a recipe trains; None for classifiers."""
    if recipe.detector:
        return DetectorFacts if recipe.detector.finds == "digits" else CellDetectorFacts
    return next((kind for kind in (LineFacts, CropFacts) if getattr(recipe, kind.KEY)), None)


def ship_classifiers(run: Run, target: Path) -> None:
    """Replace the classifiers of a bundle, with their calibration and their part of the card."""
    original, name = run.bundle(), read_config(target).name
    others = [network for kind in NETWORKS if (network := read_network(target, kind))]
    float16_states = [
        {key: v.half() if v.is_floating_point() else v for key, v in network.state_dict().items()}
        for network in original.networks
    ]
    config = original.config.model_copy(update={"name": name})
    save_bundle(target, config, float16_states, read_card(run.path / "bundle"))
    for facts, model in others:
        add_network(target, facts, model)
    test = load_digits("mnist", "test")
    for name, bundle in (("run", original), ("shipped", Bundle.load(target))):
        headline = evaluate_bundle(bundle, test).headline
        print(f"{name}: {headline.errors} mistakes, nll_sum {headline.nll_sum:.2f}")


def ship(run: Run, target: Path, calibration: int) -> None:
    """Replace what a run trained in a bundle; calibrate numbers on some pictures of each kind."""
    kind = trained_network(run.recipe)
    if kind is None:
        ship_classifiers(run, target)
    elif network := read_network(run.path / "bundle", kind):
        add_network(target, *network)
    if kind is not CellDetectorFacts and read_config(target).detector:
        calibrate_numbers(target, validation_digits(), calibration)


def main() -> None:
    """Ship a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    ship(Run.open(options.run), options.target, load_recipe("page").fields.calibration)
    print(f"{sum(file.stat().st_size for file in options.target.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
