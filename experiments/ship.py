"""Make a run's bundle the shipped one: the same networks with float16 weights.

python experiments/ship.py RUN src/tenfold/bundles/field

Prints what the run and the shipped bundle score on MNIST's test images, which must agree.
"""

import argparse
from pathlib import Path

from tenfold.bundle.format import read_card
from tenfold.bundle.save import save_bundle
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.sources import load_digits
from tenfold.evaluation.evaluate import evaluate_bundle


def main() -> None:
    """Copy a run's bundle in float16."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    original = Bundle.load(options.run / "bundle")
    config = original.config
    float16_states = [
        {key: v.half() if v.is_floating_point() else v for key, v in network.state_dict().items()}
        for network in original.networks
    ]
    card = read_card(options.run / "bundle")
    save_bundle(options.target, config, float16_states, card)
    test = load_digits("mnist", "test")
    for name, bundle in (("run", original), ("shipped", Bundle.load(options.target))):
        headline = evaluate_bundle(bundle, test).headline
        print(f"{name}: {headline.errors} mistakes, nll_sum {headline.nll_sum:.2f}")
    print(f"{sum(file.stat().st_size for file in options.target.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
