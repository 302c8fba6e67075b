"""Pooling against TensorFlow's SAME arithmetic, spelled out window by window in float64."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tenfold.model.config import SHARES, PoolKind
from tenfold.model.kernels.functional import relu_pool
from tenfold.model.pooling import LearnedPool, MixedPool, pool

pytestmark = pytest.mark.usefixtures("one_thread")

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
def test_leaky_relu_comes_before_pooling(kind: PoolKind) -> None:
    x = draw(2, 3, 5, 4)
    leaky = np.where(x.numpy() > 0, x.numpy(), 0.2 * x.numpy())
    expected = torch.from_numpy(same_pool(leaky, kind))
    torch.testing.assert_close(relu_pool(x, kind, 0.2), expected, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 4), (5, 5)])
def test_the_gradient_is_the_numerical_one(kind: PoolKind, size: tuple[int, int]) -> None:
    x = draw(2, 2, *size).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pool(x, kind), (x,))
    assert torch.autograd.gradcheck(lambda x: relu_pool(x, kind, 0.2), (x,))


def test_the_module_is_mixed_pooling_without_parameters() -> None:
    x = draw(1, 2, 7, 3)
    module = MixedPool()
    assert torch.equal(module(x), pool(x, "mixed"))
    assert not module.state_dict()


def test_shares_say_what_each_kind_takes_of_maximum_and_average() -> None:
    x = draw(2, 3, 6, 6)
    for kind, (most, share) in SHARES.items():
        combined = most * pool(x, "max") + share * pool(x, "average")
        torch.testing.assert_close(pool(x, kind), combined)


def test_a_learned_pool_starts_as_the_mixed_one_and_can_become_either() -> None:
    x, learned = torch.randn(2, 3, 5, 4), LearnedPool(3)
    torch.testing.assert_close(learned(x), pool(x, "mixed"))
    with torch.no_grad():
        learned.gate.copy_(torch.tensor([50.0, -50.0, 0.0]))
    kinds: tuple[PoolKind, ...] = ("max", "average", "mixed")
    expected = torch.stack([pool(x, kind)[:, c] for c, kind in enumerate(kinds)], 1)
    torch.testing.assert_close(learned(x), expected)


def test_a_learned_pool_s_gradient_is_the_numerical_one() -> None:
    learned = LearnedPool(2).double()
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)

    def through(x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = torch.func.functional_call(learned, {"gate": gate}, (x,))
        return pooled

    gate = torch.tensor([0.3, -1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(through, (x, gate))
