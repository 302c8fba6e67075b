"""The weights of a bundle, as NumPy arrays: for torch, and to write the ONNX graph from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from tenfold.bundle.format import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    BundleConfig,
    find_bundle,
    read_config,
    read_hashed,
)
from tenfold.errors import BundleError
from tenfold.model.config import tensor_shapes

Weights = dict[str, npt.NDArray[np.float32]]

SCALE_SUFFIX = ".scale"  # the tensor x.scale has what the integers of x are multiplied by
_PROBLEMS_SHOWN = 3


def read_weights(path: str | Path) -> tuple[BundleConfig, Weights]:
    """Read a bundle for torch: its config, and every tensor of its members, as float32.

    Args:
        path: see `find_bundle`.

    Raises:
        BundleError: a file is missing, damaged, or does not fit the others.
    """
    config, file = read_config(path), find_bundle(path) / WEIGHTS_FILE
    return config, parse_weights(file, read_hashed(file, config.weights_sha256), config)


def parse_weights(file: Path, data: bytes, config: BundleConfig) -> Weights:
    """Check the weights that were read from `file`.

    Raises:
        BundleError: tensors are missing, of another shape or type, of no member, or not finite.
    """
    tensors: Weights = {}
    try:
        # What is too large for float32 becomes infinite.
        with np.errstate(over="ignore", invalid="ignore"):
            tensors = {key: value.astype(np.float32) for key, value in load(data).items()}
            _multiply_by_scales(tensors)
        problems = list(_problems(config, tensors))
    except KeyError as error:
        problems = [f"NumPy has no numbers of type {error}"]
    except (SafetensorError, ValueError) as error:
        problems = [" ".join(str(error).split())]
    if problems:
        reasons = "; ".join(problems[:_PROBLEMS_SHOWN])
        if len(problems) > _PROBLEMS_SHOWN:
            reasons += f"; and {len(problems) - _PROBLEMS_SHOWN} more"
        raise BundleError(f"{file}: does not fit {CONFIG_FILE}: {reasons}")
    return tensors


def _multiply_by_scales(tensors: Weights) -> None:
    """Multiply weights by their scales, one for each output of the layer; other scales stay."""
    for name in [name for name in tensors if name.endswith(SCALE_SUFFIX)]:
        weight, scale = tensors.get(name.removesuffix(SCALE_SUFFIX)), tensors[name]
        if weight is not None and scale.shape == (*weight.shape[:1], *[1] * (weight.ndim - 1)):
            weight *= tensors.pop(name)


def member_weights(weights: Weights, index: int) -> Weights:
    """Return the tensors of one member, under the names that its network gives them."""
    prefix = f"{index:02}."
    return {
        key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)
    }


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
        elif not np.isfinite(tensors[key]).all():
            yield f"{key} holds NaN or infinity"
    for key in sorted(tensors.keys() - expected):
        yield f"{key} belongs to no member"
