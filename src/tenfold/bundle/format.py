"""A bundle on disk: what is shipped of a trained classifier, as a folder of three files.

    bundle.json            format, network of each member, temperature, SHA-256 of the weights
    weights.safetensors    tensors named `00.blocks.0.convolution.weight`, …
    card.md                what it is, how it was trained, what it scored

Reading one executes no code from it, and needs no torch.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from tenfold.bundle.test_time_augmentation import TestTimeAugmentation
from tenfold.errors import BundleError
from tenfold.files import write_atomically
from tenfold.model.config import NetworkConfig, tensor_shapes

BUNDLES = Path(__file__).parents[1] / "bundles"  # those that are shipped, by name
SHIPPED = BUNDLES / "field"
_SHOWN = 3  # of the reasons why weights do not fit

Weights = dict[str, npt.NDArray[np.float32]]


class BundleConfig(BaseModel):
    """The contents of `bundle.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    name: str
    members: tuple[NetworkConfig, ...] = Field(min_length=1)
    test_time_augmentation: TestTimeAugmentation = "none"
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    rejection_threshold: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="a reading whose calibrated probability is below this is rejected",
    )
    weights_sha256: str
    facts: dict[str, Any] = {}


def find_bundle(path: str | Path) -> Path:
    """Return a bundle's folder: the one named, or the shipped one of that name."""
    shipped = BUNDLES / path
    return shipped if not Path(path).exists() and shipped.is_dir() else Path(path)


def read_package(path: str | Path) -> tuple[BundleConfig, Weights]:
    """Read a bundle folder: its config, and every tensor that the config speaks of, as float32.

    Args:
        path: the folder, one file that `pack` made of it, or the name of a shipped bundle: `field`
            or `single`.

    Raises:
        BundleError: a file is missing, damaged, or does not fit the others.
    """
    folder = find_bundle(path)
    config_path, weights_path = folder / "bundle.json", folder / "weights.safetensors"
    if folder.is_file():
        config_path = weights_path = folder
    try:
        said, data = (
            _unpacked(folder)
            if folder.is_file()
            else (config_path.read_bytes(), weights_path.read_bytes())
        )
        config = BundleConfig.model_validate_json(said)
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
        return config, _weights(config, data)
    except (SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{weights_path}: does not fit bundle.json: {reason}") from error


def pack(path: str | Path) -> bytes:
    """Return a bundle as one safetensors file: `bundle.json` and the card are in its header.

    Raises:
        BundleError: see `read_package`.
    """
    read_package(path)  # is it whole?
    folder = find_bundle(path)
    if folder.is_file():
        return folder.read_bytes()
    said = {
        "bundle": (folder / "bundle.json").read_text(encoding="utf-8"),
        "card": card_of(folder),
    }
    return save(load((folder / "weights.safetensors").read_bytes()), said)


def card_of(path: str | Path) -> str:
    """Return a bundle's card, Markdown; empty if it has none."""
    bundle = find_bundle(path)
    if bundle.is_file():
        with safe_open(bundle, "np") as file:
            return str((file.metadata() or {}).get("card", ""))
    card = bundle / "card.md"
    return card.read_text(encoding="utf-8") if card.is_file() else ""


def _unpacked(path: Path) -> tuple[bytes, bytes]:
    """Return what would be `bundle.json` and the weights file of a bundle in one file.

    Raises:
        BundleError: it is no such file.
    """
    try:
        with safe_open(path, "np") as file:
            said = (file.metadata() or {})["bundle"]
        return said.encode(), save(load(path.read_bytes()))  # as in the folder: the hash is of that
    except (SafetensorError, KeyError) as error:
        raise BundleError(
            f"{path}: no bundle in one file; `tenfold export --format safetensors` writes one"
        ) from error


def member_weights(weights: Weights, index: int) -> Weights:
    """Return the tensors of one member, under the names that its network gives them."""
    prefix = f"{index:02}."
    return {
        key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)
    }


def save_bundle(  # noqa: PLR0913 - one keyword for each thing a bundle holds
    path: Path,
    *,
    name: str,
    configs: Sequence[NetworkConfig],
    states: Sequence[Mapping[str, npt.ArrayLike]],
    test_time_augmentation: TestTimeAugmentation = "none",
    temperature: float = 1.0,
    rejection_threshold: float = 0.5,
    facts: Mapping[str, Any],
    card: str,
) -> Path:
    """Write a bundle folder; `bundle.json` comes last, so that a half-written one is no bundle.

    `states` are the members' state dicts: NumPy arrays, or what NumPy reads as one, such as
    torch's tensors on the CPU.
    """
    tensors = {
        f"{index:02}.{key}": np.asarray(value, order="C")
        for index, state in enumerate(states)
        for key, value in state.items()
    }
    data = save(tensors)
    config = BundleConfig(
        name=name,
        members=tuple(configs),
        test_time_augmentation=test_time_augmentation,
        temperature=temperature,
        rejection_threshold=rejection_threshold,
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


def _weights(config: BundleConfig, data: bytes) -> Weights:
    """Read the weights file of a bundle that has this config.

    Raises:
        ValueError: tensors are missing, of another shape or of no member, or not NumPy's.
    """
    try:
        tensors = load(data)
    except KeyError as error:
        raise ValueError(f"NumPy has no numbers of type {error}") from error
    problems = list(_problems(config, tensors))
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ValueError("; ".join(problems[:_SHOWN]) + more)
    return {key: value.astype(np.float32) for key, value in tensors.items()}


def _problems(config: BundleConfig, tensors: Mapping[str, npt.NDArray[Any]]) -> Iterator[str]:
    expected = {
        f"{index:02}.{key}": shape
        for index, member in enumerate(config.members)
        for key, shape in tensor_shapes(member).items()
    }
    for key, shape in expected.items():
        if key not in tensors:
            yield f"{key} is missing"
        elif tensors[key].shape != shape:
            yield f"{key} is {list(tensors[key].shape)}, not {list(shape)}"
    for key in sorted(tensors.keys() - expected):
        yield f"{key} belongs to no member"
