"""Pooling against TensorFlow's SAME arithmetic, spelled out window by window in float64."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tenfold.model.config import POOLING_WEIGHTS, PoolKind
from tenfold.model.kernels.functional import relu_pool
from tenfold.model.pooling import pool

KINDS: tuple[PoolKind, ...] = ("mixed", "max", "average")
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def spans(size: int, k: int = 2, stride: int = 2) -> list[slice]:
    """Return the real pixels of each window along one axis, as TensorFlow documents SAME."""
    out = -(-size // stride)
    pad_total = max((out - 1) * stride + k - size, 0)
    starts = [i * stride - pad_total // 2 for i in range(out)]
    return [slice(max(start, 0), min(start + k, size)) for start in starts]


def same_pool(x: Array, kind: PoolKind) -> Array:
    """Pool [n, c, h, w]; padding counts neither in the maximum nor in the average."""
    rows, columns = spans(x.shape[2]), spans(x.shape[3])
    y = np.empty((*x.shape[:2], len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            window = x[:, :, row, column]
            largest, mean = window.max((2, 3)), window.mean((2, 3))
            results = {"max": largest, "average": mean, "mixed": (largest + mean) / 2}
            y[:, :, i, j] = results[kind]
    return y


def draw(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_same_windows_by_hand() -> None:
    assert spans(4) == [slice(0, 2), slice(2, 4)]
    assert spans(5) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert spans(1) == [slice(0, 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_size_is_pooled_as_same_says(kind: PoolKind) -> None:
    for h in range(1, 10):
        for w in range(1, 10):
            x = draw(2, 3, h, w)
            expected = torch.from_numpy(same_pool(x.numpy(), kind))
            torch.testing.assert_close(pool(x, kind), expected, rtol=1e-15, atol=1e-15)
            # Float64 takes the plain path of the fused function; negative pixels count as 0.
            expected = torch.from_numpy(same_pool(np.maximum(x.numpy(), 0), kind))
            torch.testing.assert_close(relu_pool(x, kind), expected, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 4), (5, 5)])
def test_the_gradient_is_the_numerical_one(kind: PoolKind, size: tuple[int, int]) -> None:
    x = draw(2, 2, *size).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pool(x, kind), (x,))
    assert torch.autograd.gradcheck(lambda x: relu_pool(x, kind), (x,))


def test_each_kind_is_a_weighted_sum_of_maximum_and_average() -> None:
    x = draw(2, 3, 6, 6)
    for kind, (max_weight, average_weight) in POOLING_WEIGHTS.items():
        combined = max_weight * pool(x, "max") + average_weight * pool(x, "average")
        torch.testing.assert_close(pool(x, kind), combined)
