"""Do networks of other kinds read what `single` misreads?

python experiments/other_networks.py runs/out-of-fold --out experiments/records/other-networks.json

On the first of the five folds of `out_of_fold.py`, each network is trained on 40,000 images (one of
them on half) and classifies the 10,000 others, alone and averaged with `single`. The last row has
the images that all of them misread. The test set is not looked at.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from out_of_fold import CHANGES, Change, networks, split, table
from record_runs import write_record
from test_time_augmentation import CHOSEN, OF_THE_IMAGE, PLAIN, WITH_DESKEWING, averaged
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.data.mnist import CLASSES, SIDE
from tenfold.evaluation.metrics import ensemble_log_probabilities
from tenfold.model.config import NetworkConfig
from tenfold.model.network import ConvolutionBlock, DigitNetwork

FILTER_SIDE = 5
M5_WIDTHS = (32, 64, 96, 128, 160)


class LargeFilters(DigitNetwork):
    """`single` with 5×5 filters in all blocks but the first."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        for block in list(convolution_blocks(self))[1:]:
            enlarge_filters(block, padding=FILTER_SIDE // 2)


class M5(DigitNetwork):
    """Five 5×5 convolutions without padding or pooling, then the output (An et al. 2020, "M5")."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.blocks = nn.ModuleList(
            ConvolutionBlock(a, b, config) for a, b in pairwise((1, *M5_WIDTHS))
        )
        for block in convolution_blocks(self):
            enlarge_filters(block, padding=0)
        side = SIDE - (FILTER_SIDE - 1) * len(M5_WIDTHS)
        self.dense = nn.ModuleList()
        self.output = nn.Linear(M5_WIDTHS[-1] * side * side, CLASSES)

    def forward(self, pixels_nhw: Tensor) -> Tensor:
        """Map float pixels [n, 28, 28] in [0, 1] to float32 logits [n, 10]."""
        x = (pixels_nhw - self.config.input_mean) / self.config.input_std
        x = x.to(self.compute_dtype).unsqueeze(3).permute(0, 3, 1, 2)  # channels-last strides
        for block in convolution_blocks(self):
            x = F.conv2d(x, block.convolution.weight.to(self.compute_dtype))
            x = F.relu(block.norm(x) if block.norm else x)
        logits: Tensor = self.output(x.permute(0, 2, 3, 1).flatten(1).float())
        return logits


def convolution_blocks(network: DigitNetwork) -> Iterator[ConvolutionBlock]:
    """Yield a network's convolution blocks."""
    return (block for block in network.blocks if isinstance(block, ConvolutionBlock))


def enlarge_filters(block: ConvolutionBlock, padding: int) -> None:
    """Give a block filters of 5×5 in place of 3×3."""
    old = block.convolution
    block.convolution = nn.Conv2d(
        old.in_channels, old.out_channels, FILTER_SIDE, padding=padding, bias=False
    )


TRAINED_WITH_DESKEWING = {
    "single": CHANGES["single"],
    "4,000 iterations": Change(["training.stages.1.iterations=3920"]),
    "half of the images": Change(every_nth_image=2),
    "5×5 filters": Change(network=LargeFilters),
    "5×5 filters, no pooling": Change(network=M5),
}


def main() -> None:
    """Train what is missing, print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder for the networks")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    training, _ = split()
    alone = {}
    for name, change in (TRAINED_WITH_DESKEWING | CHANGES).items():
        network, unseen, indices = next(networks(name, change, training, options.root))
        deskewing = name in TRAINED_WITH_DESKEWING
        variants = WITH_DESKEWING[CHOSEN] if deskewing else OF_THE_IMAGE[PLAIN]
        alone[name] = averaged(network, unseen.images, {name: variants})[name]
    with_single = {
        f"{name}, and single": ensemble_log_probabilities(np.stack([alone["single"], log_p]))
        for name, log_p in alone.items()
        if name != "single"
    }
    rows: list[dict[str, Any]] = list(table(alone | with_single, indices, training))
    misread = set.intersection(*(set(row["misread"]) for row in rows[: len(alone)]))
    rows.append({"name": "misread by all", "misread": sorted(misread)})
    print(f"misread by all: {len(misread)}")
    write_record(options.out, rows=rows)


if __name__ == "__main__":
    main()
