"""Laws that ReLU and pooling keep together, compiled or not."""

import random

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from tenfold.model.config import PoolKind
from tenfold.model.kernels.functional import relu_pool

shapes = st.tuples(*[st.integers(1, side) for side in (3, 20, 7, 7)])
dtypes = st.sampled_from([torch.float32, torch.bfloat16])
kinds: st.SearchStrategy[PoolKind] = st.sampled_from(["mixed", "max", "average"])
laws = settings(deadline=None, max_examples=40)


def activations(low: float) -> st.SearchStrategy[Tensor]:
    """Draw [n, c, h, w] from a coarse grid, so that there are ties, from `low` to 64."""
    steps = hnp.arrays(np.int64, shapes, elements=st.integers(round(low * 32), 64 * 32))
    return st.builds(lambda values: torch.from_numpy(values).float() / 32, steps)


anything, positive = activations(-64), activations(1 / 32)


@laws
@given(anything, dtypes)
def test_average_is_below_mixed_is_below_maximum(x: Tensor, dtype: torch.dtype) -> None:
    x = x.to(dtype)
    average, mixed, largest = (relu_pool(x, kind) for kind in ("average", "mixed", "max"))
    assert bool((average >= 0).all())
    assert bool((average <= mixed).all())
    assert bool((mixed <= largest).all())
    assert largest.max() == x.clamp_min(0).max()


@laws
@given(anything, dtypes, kinds, st.randoms(use_true_random=False))
def test_channels_and_images_do_not_mix(
    x: Tensor, dtype: torch.dtype, kind: PoolKind, chance: random.Random
) -> None:
    x = x.to(dtype)
    y = relu_pool(x, kind)
    n, c = x.shape[:2]
    images, channels = list(range(n)), list(range(c))
    chance.shuffle(images)
    chance.shuffle(channels)
    assert torch.equal(relu_pool(x[images][:, channels], kind), y[images][:, channels])
    assert torch.equal(relu_pool(x[:1, -1:], kind), y[:1, -1:])


@laws
@given(anything, dtypes, kinds, st.integers(-40, 40))
def test_scaling_by_a_power_of_two_is_exact(
    x: Tensor, dtype: torch.dtype, kind: PoolKind, power: int
) -> None:
    x = x.to(dtype)
    assert torch.equal(relu_pool(x * 2.0**power, kind), relu_pool(x, kind) * 2.0**power)


@laws
@given(positive, kinds, st.integers(0, 2**31))
def test_a_window_of_positive_pixels_shares_out_the_whole_gradient(
    x: Tensor, kind: PoolKind, seed: int
) -> None:
    x = x.requires_grad_()
    y = relu_pool(x, kind)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))
    (dx,) = torch.autograd.grad(y, x, dy)
    h, w = x.shape[2:]
    even = torch.nn.functional.pad(dx, (0, w % 2, 0, h % 2))
    sums = even.unfold(2, 2, 2).unfold(3, 2, 2).sum((4, 5))
    torch.testing.assert_close(sums, dy, rtol=1e-6, atol=1e-6)


@laws
@given(anything, kinds)
def test_pixels_at_or_below_zero_get_no_gradient(x: Tensor, kind: PoolKind) -> None:
    x = x.requires_grad_()
    y = relu_pool(x, kind)
    (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert not dx[x.detach() <= 0].any()
    assert bool((dx >= 0).all())
