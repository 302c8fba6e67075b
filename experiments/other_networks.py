"""Do networks of other kinds read what `single` misreads?

python experiments/other_networks.py runs/out-of-fold --out experiments/records/other-networks.json

On the first of the five folds of `out_of_fold.py`: each network is trained on 40,000 images, one on
half of them, and reads 10,000 others, alone and averaged with `single`. The last line has what all
of them misread. The test set is not looked at.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from out_of_fold import VARIANTS, Variant, networks, split, table
from record_runs import write_record
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects
from views import CHOSEN, DESKEWED, PLAIN, SETS, averaged

from tenfold.data.mnist import CLASSES, SIDE
from tenfold.evaluation.metrics import ensemble_log_probabilities
from tenfold.model.config import NetworkConfig
from tenfold.model.network import ConvolutionBlock, DigitNetwork

FILTER = 5
WIDTHS = (32, 64, 96, 128, 160)


class Larger(DigitNetwork):
    """`single` with 5×5 filters in all blocks but the first."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        for block in self.blocks[1:]:
            enlarge(block, padding=FILTER // 2)


class Unpooled(DigitNetwork):
    """Five 5×5 convolutions without padding or pooling, then the output (An et al. 2020, "M5")."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.blocks = nn.ModuleList(
            ConvolutionBlock(a, b, config) for a, b in pairwise((1, *WIDTHS))
        )
        for block in self.blocks:
            enlarge(block, padding=0)
        side = SIDE - (FILTER - 1) * len(WIDTHS)
        self.dense = nn.ModuleList()
        self.output = nn.Linear(WIDTHS[-1] * side * side, CLASSES)

    def forward(self, pixels_nhw: Tensor) -> Tensor:
        """Map float pixels [n, 28, 28] in [0, 1] to float32 logits [n, 10]."""
        x = (pixels_nhw - self.config.input_mean) / self.config.input_std
        x = x.to(self.compute_dtype).unsqueeze(3).permute(0, 3, 1, 2)  # channels-last strides
        for block in self.blocks:
            x = F.conv2d(x, block.convolution.weight.to(self.compute_dtype))
            x = F.relu(block.norm(x))
        logits: Tensor = self.output(x.permute(0, 2, 3, 1).flatten(1).float())
        return logits


def enlarge(block: nn.Module, padding: int) -> None:
    """Give a block filters of 5×5 in place of 3×3."""
    old = block.convolution
    block.convolution = nn.Conv2d(
        old.in_channels, old.out_channels, FILTER, padding=padding, bias=False
    )


UPRIGHT = {  # know deskewed images; the other variants do not
    "single": VARIANTS["single"],
    "4,000 iterations": Variant(["training.stages.1.iterations=3920"]),
    "half of the images": Variant(every=2),
    "5×5 filters": Variant(network=Larger),
    "5×5 filters, no pooling": Variant(network=Unpooled),
}


def main() -> None:
    """Train what is missing; print the table and keep its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    training, _ = split()
    readings = {}
    for name, variant in (UPRIGHT | VARIANTS).items():
        network, unseen, own = next(networks(name, variant, training, given.root))
        views = DESKEWED[CHOSEN] if name in UPRIGHT else SETS[PLAIN]
        readings[name] = averaged(network, unseen.images, {name: views})[name]
    both = {
        f"{name}, and single": ensemble_log_probabilities(np.stack([readings["single"], log_p]))
        for name, log_p in readings.items()
        if name != "single"
    }
    rows: list[dict[str, Any]] = list(table(readings | both, own, training))
    alone = [set(row["misread"]) for row in rows[: len(readings)]]
    rows.append({"name": "misread by all", "misread": sorted(set.intersection(*alone))})
    print(f"misread by all: {len(rows[-1]['misread'])}")
    write_record(given.out, rows=rows)


if __name__ == "__main__":
    main()
