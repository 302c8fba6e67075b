"""Checkpoints: exact, atomic, and refused when a bit of them is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tenfold.errors import RunError, WriteError
from tenfold.training.checkpoint import load_checkpoint, save_checkpoint

VALUES: dict[str, Any] = {"step": 3, "seconds": 0.1 + 0.2, "best": {"score": -1e-17}, "none": None}


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(5, 3, generator=generator)
    return {
        "weights": weights,
        "transposed": weights.T,
        "bfloat16": weights.bfloat16(),
        "double": torch.tensor(torch.pi, dtype=torch.float64),
        "count": torch.tensor(7),
        "special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "empty": torch.empty(0),
    }


def test_tensors_and_values_come_back_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, tensors(), VALUES)
    back, values = load_checkpoint(path)
    assert values == VALUES
    assert back.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        raw = [t.contiguous().reshape(-1).view(torch.uint8) for t in (back[name], tensor)]
        assert torch.equal(*raw)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, tensors(), VALUES)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for position in generator.choice(len(content), 200, replace=False):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        try:
            back, values = load_checkpoint(path)
        except RunError as error:
            assert str(error).startswith(f"{path}: damaged checkpoint (")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
        else:  # what still loads must be what was saved: a flip in unread padding
            assert values == VALUES
            assert back.keys() == tensors().keys()


@pytest.mark.parametrize("size", [0, 7, 8, 100, -1])
def test_a_truncated_checkpoint_is_refused(size: int, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, tensors(), VALUES)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunError, match=r"damaged checkpoint .*; delete it to train this member"):
        load_checkpoint(path)


def test_another_file_or_none_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(RunError, match="damaged checkpoint"):
        load_checkpoint(path)
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(RunError, match="damaged checkpoint"):
        load_checkpoint(path)


def test_the_old_checkpoint_stays_when_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, tensors(), VALUES)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match="No space left on device"):
        save_checkpoint(path, {"weights": torch.ones(9)}, {"step": 4})
    assert load_checkpoint(path)[1] == VALUES
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
