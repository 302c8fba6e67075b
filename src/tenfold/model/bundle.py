"""A bundle: what is shipped of a trained classifier, as a folder of three files.

    bundle.json            format, network of each member, temperature, SHA-256 of the weights
    weights.safetensors    tensors named `00.blocks.0.convolution.weight`, …
    card.md                what it is, how it was trained, what it scored

Loading one executes no code from it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from tenfold.errors import BundleError
from tenfold.files import write_atomically
from tenfold.model.network import CLASSES, DigitNetwork, NetworkConfig

BATCH = 500
SHIPPED = Path(__file__).parents[1] / "bundles" / "single"
SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))  # pixels down and right: the views


class BundleConfig(BaseModel):
    """The contents of `bundle.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    members: tuple[NetworkConfig, ...] = Field(min_length=1)
    views: Literal[1, 5] = 1
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    weights_sha256: str
    facts: dict[str, Any] = {}


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
        folder = Path(path)
        config_path, weights_path = folder / "bundle.json", folder / "weights.safetensors"
        try:
            config = BundleConfig.model_validate_json(config_path.read_bytes())
            data = weights_path.read_bytes()
        except OSError as error:
            raise BundleError(
                f"{error.filename}: cannot be read ({error.strerror}); name a bundle folder"
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "bundle.json"
            newer = "; a newer tenfold may read it" if field == "format" else ""
            raise BundleError(f"{config_path}: {field}: {first['msg']}{newer}") from error
        actual = hashlib.sha256(data).hexdigest()
        if actual != config.weights_sha256:
            raise BundleError(
                f"{weights_path}: expected SHA-256 {config.weights_sha256}, found {actual}"
            )
        try:
            return cls(config, _networks(config, load(data)))
        except (SafetensorError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise BundleError(f"{weights_path}: does not fit bundle.json: {reason}") from error

    def member_log_probabilities(self, images_nhw: torch.Tensor) -> npt.NDArray[np.float32]:
        """Map uint8 images [n, 28, 28] to log p float32 [members, n, 10], averaged over views."""
        device = next(self.networks[0].parameters()).device
        shifts = SHIFTS[: self.config.views]
        with torch.inference_mode():
            chunks = []
            for chunk in torch.split(images_nhw, BATCH):
                pixels = chunk.to(device).float() / 255
                views = torch.cat([shift(pixels, dy, dx) for dy, dx in shifts])
                logits = torch.stack([network(views) for network in self.networks]).cpu()
                shape = (len(logits), len(shifts), len(chunk), CLASSES)
                log_p = logits.log_softmax(dim=2).view(shape)
                chunks.append(log_p.logsumexp(dim=1) - np.log(len(shifts)))
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

    def to(self, device: torch.device) -> "Bundle":
        """Move the networks to `device`."""
        for network in self.networks:
            network.to(device)
        return self


def save_bundle(  # noqa: PLR0913 - one keyword for each thing a bundle holds
    path: Path,
    *,
    name: str,
    configs: Sequence[NetworkConfig],
    states: Sequence[Mapping[str, torch.Tensor]],
    views: Literal[1, 5] = 1,
    temperature: float = 1.0,
    facts: Mapping[str, Any],
    card: str,
) -> Path:
    """Write a bundle folder; `bundle.json` comes last, so that a half-written one is no bundle."""
    tensors = {
        f"{index:02}.{key}": value.detach().cpu().contiguous()
        for index, state in enumerate(states)
        for key, value in state.items()
    }
    data = save(tensors)
    config = BundleConfig(
        name=name,
        members=tuple(configs),
        views=views,
        temperature=temperature,
        weights_sha256=hashlib.sha256(data).hexdigest(),
        facts=dict(facts),
    )
    write_atomically(path / "weights.safetensors", data)
    write_atomically(path / "card.md", card)
    save_config(path, config)
    return path


def save_config(path: Path, config: BundleConfig) -> None:
    """Write `bundle.json`, the word on what the other files of a bundle folder are."""
    write_atomically(path / "bundle.json", json.dumps(config.model_dump(), indent=2) + "\n")


def shift(images_nhw: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Move images by whole pixels; what leaves the frame is lost, zeros come in."""
    _, h, w = images_nhw.shape
    padding = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    padded = torch.nn.functional.pad(images_nhw, padding)
    return padded[:, max(-down, 0) :, max(-right, 0) :][:, :h, :w]


def _networks(
    config: BundleConfig, tensors: Mapping[str, torch.Tensor]
) -> tuple[DigitNetwork, ...]:
    states: dict[str, dict[str, torch.Tensor]] = {f"{i:02}": {} for i in range(len(config.members))}
    for key, value in tensors.items():
        member, _, name = key.partition(".")
        if member not in states:
            raise ValueError(f"{key} belongs to no member")
        states[member][name] = value
    networks = []
    for network_config, state in zip(config.members, states.values(), strict=True):
        with torch.device("meta"):  # nothing is drawn, or even allocated, to be overwritten
            network = DigitNetwork(network_config)
        network.to_empty(device="cpu").load_state_dict(state)
        networks.append(network.eval())
    return tuple(networks)
