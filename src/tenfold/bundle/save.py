"""Write bundles: of trained networks, of other calibration, of an older format."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json
from safetensors.numpy import save

from tenfold.bundle.format import (
    CARD_FILE,
    CONFIG_FILE,
    MAX_CONFIG_BYTES,
    MODEL_FILE,
    NETWORKS,
    WEIGHTS_FILE,
    BundleConfig,
    NetworkFacts,
    WeightType,
    find_bundle,
    parse_config,
    read_card,
    read_config,
    read_hashed,
    read_network,
)
from tenfold.bundle.graph import build_graph
from tenfold.bundle.graph_builder import Array, quantize
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.test_time_augmentation import VARIANTS
from tenfold.bundle.weights import SCALE_SUFFIX, parse_weights
from tenfold.data.mnist import SIDE
from tenfold.errors import BundleError
from tenfold.files import refuse_links, write_atomically
from tenfold.untrusted import read_bytes

# Keys of a network in format 1 that format 2 has not, and the only value that can be converted.
_REMOVED_NETWORK_KEYS: dict[str, Any] = {"convolutions": 1, "convolution_slope": 0}


def save_bundle(
    folder: Path, config: BundleConfig, states: Sequence[Mapping[str, npt.ArrayLike]], card: str
) -> None:
    """Write a bundle of trained networks.

    Args:
        folder: where its files are written.
        config: without hashes. With its `weight_type` int8 all weights of layers are rounded.
        states: the state dict of each member: NumPy arrays, or what NumPy reads as one, such as
            torch's tensors on the CPU.
        card: Markdown.

    Raises:
        BundleError: the tensors do not fit the config, or are not finite.
    """
    tensors: dict[str, Array] = {
        f"{index:02}.{key}": np.asarray(value, order="C")
        for index, state in enumerate(states)
        for key, value in state.items()
    }
    if config.weight_type == "int8":
        tensors = _rounded(parse_weights(folder / WEIGHTS_FILE, save(tensors), config))
    _write(folder, config, save(tensors), folder, card)


def _rounded(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Round the weights of layers to eight bits; each has a tensor of scales then."""
    rounded: dict[str, Array] = {}
    for key, value in tensors.items():
        if value.ndim > 1:
            rounded[key], rounded[key + SCALE_SUFFIX] = quantize(value, axis=0)
        else:
            rounded[key] = value
    return rounded


def recalibrate_bundle(folder: Path, *, temperature: float, rejection_threshold: float) -> None:
    """Give a bundle folder another temperature and rejection threshold.

    Raises:
        BundleError: the bundle is damaged.
    """
    config = read_config(folder)
    weights = read_hashed(folder / WEIGHTS_FILE, config.weights_sha256)
    found = {"temperature": temperature, "rejection_threshold": rejection_threshold}
    _write(folder, config.model_copy(update=found), weights, folder, read_card(folder))


def add_network(folder: Path, facts: NetworkFacts, model: bytes) -> None:
    """Give a bundle folder one of its networks but the classifier.

    It takes the place of the one that the bundle may have.

    Args:
        folder: of a bundle of this format.
        facts: without the hash.
        model: the bytes of its ONNX file.

    Raises:
        BundleError: the bundle is damaged.
    """
    file = facts.file_name()
    facts = facts.model_copy(update={"sha256": hashlib.sha256(model).hexdigest()})
    config = read_config(folder).model_copy(update={facts.KEY: facts})
    weights = read_hashed(folder / WEIGHTS_FILE, config.weights_sha256)
    parts = [part.strip() for part in read_card(folder).split("\n\n")]
    others = [part for part in parts if part and file not in part]
    about = (
        f"`{file}` {facts.DOES}. Trained by the recipe {facts.recipe}\n"
        f"with seed {facts.seed} on pictures rendered with the training images of\n"
        f"{facts.data or 'mnist'}. Networks averaged: {facts.members}."
    )
    write_atomically(folder / file, model)
    _write(folder, config, weights, folder, "\n\n".join([*others, about]).strip() + "\n")


def copy_bundle(path: str | Path, folder: Path, weight_type: WeightType | None = None) -> None:
    """Write a bundle of this format or of format 1 as one of this format.

    Args:
        path: the folder of the original, or the name of a shipped bundle.
        folder: where the files are written.
        weight_type: of `model.onnx`, by default the original's. A copy that will be changed has
            float32: eight bits are as fast only in a file that comes with the package.

    Raises:
        BundleError: the original is damaged, or holds a network that this version cannot compute.
    """
    original = find_bundle(path)
    data = read_bytes(original / CONFIG_FILE, BundleError, limit=MAX_CONFIG_BYTES)
    try:
        document = from_json(data)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("format") == 1:
        config = parse_config(original / CONFIG_FILE, _from_format_1(document))
    else:
        config = read_config(original)
    weights = read_hashed(original / WEIGHTS_FILE, config.weights_sha256)
    for kind in NETWORKS:
        if getattr(config, kind.KEY) and (network := read_network(original, kind)):
            write_atomically(folder / kind.file_name(), network[1])
    if weight_type:
        config = config.model_copy(update={"weight_type": weight_type})
    _write(folder, config, weights, original, read_card(original))


def _from_format_1(document: dict[str, Any]) -> dict[str, Any]:
    """Give a `bundle.json` of format 1 the keys of this format. The result is not checked."""
    converted = document | {"format": 2}
    if "accept" in converted:
        converted["rejection_threshold"] = converted.pop("accept")
    views = converted.pop("views", 1)
    names = [name for name, count in VARIANTS.items() if count == views]
    converted["test_time_augmentation"] = names[0] if names else views
    members = document.get("members")
    if isinstance(members, list):
        converted["members"] = [
            {key: v for key, v in member.items() if _REMOVED_NETWORK_KEYS.get(key, member) != v}
            for member in members
            if isinstance(member, dict)
        ]
    return converted


def _write(folder: Path, config: BundleConfig, weights: bytes, origin: Path, card: str) -> None:
    """Write all files, `bundle.json` last: a half-written bundle is none.

    The weights come from the folder `origin`.

    Raises:
        BundleError: the weights do not fit the config, or they or their probabilities are not
            finite.
        WriteError: a file cannot be written.
    """
    tensors = parse_weights(origin / WEIGHTS_FILE, weights, config)
    with np.errstate(all="ignore"):
        model = build_graph(config, tensors, card).SerializeToString()
    # Finite weights, such as a negative variance, may still give no numbers.
    classifier = OnnxClassifier(config, model, name=str(origin / WEIGHTS_FILE))
    classifier.probabilities(np.zeros((1, SIDE, SIDE), np.uint8))
    config = config.model_copy(
        update={
            "model_sha256": hashlib.sha256(model).hexdigest(),
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
        }
    )
    refuse_links(folder)
    write_atomically(folder / WEIGHTS_FILE, weights)
    write_atomically(folder / MODEL_FILE, model)
    write_atomically(folder / CARD_FILE, card)
    write_atomically(folder / CONFIG_FILE, config.to_json())
