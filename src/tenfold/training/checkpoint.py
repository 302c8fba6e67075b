"""Checkpoints: tensors and plain values in one safetensors file, so that one rename is atomic."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tenfold.errors import RunError
from tenfold.files import write_atomically


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write tensors and JSON-ready values; the old file stays until the new one is on disk."""
    host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(values)
    # One entry: safetensors writes several in random order; equal runs must have equal bytes.
    entry = json.dumps({"sha256": _digest(host, text), "values": text})
    write_atomically(path, save(host, metadata={"checkpoint": entry}))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote, to the CPU.

    Raises:
        RunError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            entry = json.loads(file.metadata()["checkpoint"])
        if entry["sha256"] != _digest(tensors, entry["values"]):
            raise ValueError("its SHA-256 differs")  # noqa: TRY301 - reported like the others
        return tensors, json.loads(entry["values"])
    except (SafetensorError, LookupError, TypeError, ValueError, RecursionError, OSError) as error:
        raise RunError(
            f"{path}: damaged checkpoint ({error}); delete it to train this member again"
        ) from error


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the SHA-256 of the values, and of each tensor's name, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
