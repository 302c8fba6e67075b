"""A bundle in torch: trained networks, their probabilities averaged and calibrated.

`format.py` has the folder that it is read from.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from tenfold.bundle.format import SHIPPED, BundleConfig
from tenfold.bundle.test_time_augmentation import (
    VARIANTS,
    TestTimeAugmentation,
    interpolation_weights,
)
from tenfold.bundle.weights import Weights, member_weights, read_weights
from tenfold.data.deskew import deskewed
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.model.config import NetworkConfig
from tenfold.model.network import DigitNetwork

BATCH = 500


@dataclass(frozen=True)
class Bundle:
    """Trained networks whose softmax outputs are averaged."""

    config: BundleConfig
    networks: tuple[DigitNetwork, ...]

    @classmethod
    def load(cls, path: str | Path = SHIPPED) -> "Bundle":
        """Read a bundle folder, by default the one that is shipped; weights become float32.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
        """
        config, weights = read_weights(path)
        networks = (
            _network(member, member_weights(weights, index))
            for index, member in enumerate(config.members)
        )
        return cls(config, tuple(networks))

    def member_log_probabilities(self, images_nhw: torch.Tensor) -> npt.NDArray[np.float32]:
        """Map uint8 images [n, 28, 28] to log p float32 [members, n, 10].

        Probabilities are averaged over the variants of test-time augmentation.
        """
        with torch.inference_mode():
            count = VARIANTS[self.config.test_time_augmentation]
            chunks = []
            for chunk in torch.split(images_nhw, BATCH):
                pixels = chunk.float() / 255
                variants = image_variants(pixels, self.config.test_time_augmentation)
                logits = torch.stack([network(variants) for network in self.networks])
                shape = (len(logits), count, len(chunk), CLASSES)
                log_p = logits.log_softmax(dim=2).view(shape)
                chunks.append(log_p.logsumexp(dim=1) - np.log(count))
        every = torch.cat([torch.empty(len(self.networks), 0, CLASSES), *chunks], dim=1)
        found: npt.NDArray[np.float32] = every.numpy()
        return found

    def combine(self, members_mnk: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Average members' probabilities and apply the temperature: log p float32 [n, 10]."""
        members = torch.from_numpy(members_mnk)
        log_mean = members.logsumexp(dim=0) - np.log(len(members))
        combined: npt.NDArray[np.float32] = (
            (log_mean / self.config.temperature).log_softmax(dim=1).numpy()
        )
        return combined

    def probabilities(self, images_nhw: torch.Tensor) -> npt.NDArray[np.float32]:
        """Map uint8 images [n, 28, 28] to calibrated probabilities float32 [n, 10]."""
        combined: npt.NDArray[np.float32] = np.exp(
            self.combine(self.member_log_probabilities(images_nhw))
        )
        return combined


def image_variants(pixels_nhw: torch.Tensor, augmentation: TestTimeAugmentation) -> torch.Tensor:
    """Return the v variants of images float32[n, 28, 28], in [0, 1]: [v·n, 28, 28].

    The n of the first variant come first.
    """
    if augmentation == "none":
        return pixels_nhw
    index, weight = map(torch.from_numpy, interpolation_weights())
    straight = torch.from_numpy(deskewed(pixels_nhw.numpy()))
    variants = (torch.cat([pixels_nhw, straight], 1).flatten(1)[:, index] * weight).sum(2)
    return variants.transpose(0, 1).reshape(-1, SIDE, SIDE)


def _network(config: NetworkConfig, weights: Weights) -> DigitNetwork:
    with torch.device("meta"):  # nothing is drawn, or even allocated, to be replaced
        network = DigitNetwork(config)
    state = {key: torch.from_numpy(value) for key, value in weights.items()}
    network.load_state_dict(state, assign=True)
    return network.eval()
