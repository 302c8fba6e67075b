"""Where the kernels would be wrong they step aside; where the mean is large they stay exact."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from random_tensors import draw
from torch import Tensor, nn
from torch.nn import functional

from tenfold.model.kernels.functional import (
    adam_step,
    available,
    batch_norm_relu_pool,
    convolve_relu_pool,
    relu_pool,
    why_not,
)
from tenfold.model.pooling import pool

compiled = pytest.mark.skipif(available() is None, reason=why_not() or "there are kernels")
SETTINGS: dict[str, Any] = {"epsilon": 1e-8, "l2": 0.0, "weight_decay": 0.0}


def by_layers(x: Tensor) -> Tensor:
    """Normalise by hand in float64, then ReLU and mixed pooling."""
    x = x.double()
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
    return pool(functional.relu((x - mean) / (variance + 1e-5).sqrt()), "mixed")


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm2d(3).bfloat16(),
        lambda: nn.BatchNorm2d(3, affine=False),
        lambda: nn.BatchNorm2d(3, momentum=None),
        lambda: nn.BatchNorm2d(3, track_running_stats=False),
    ],
    ids=["bfloat16", "without weights", "cumulative", "without statistics"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_batch_norm_that_is_not_plain_float32_is_torch_s(
    make: Callable[[], nn.BatchNorm2d], dtype: torch.dtype
) -> None:
    norm, x = make(), draw(4, 3, 6, 5).to(dtype)
    if dtype == torch.float32 and norm.weight is not None:
        norm = norm.float()
    y = batch_norm_relu_pool(x, norm, "mixed")
    torch.testing.assert_close(y.double(), by_layers(x), rtol=0.02, atol=0.02)
    assert norm.num_batches_tracked is None or norm.num_batches_tracked == 1


def test_one_value_a_channel_has_no_variance() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        batch_norm_relu_pool(draw(1, 3, 1, 1), nn.BatchNorm2d(3), "mixed")


def test_bfloat16_first_filters_take_the_plain_path() -> None:
    convolution, pixels = nn.Conv2d(1, 4, 3, padding=1).bfloat16(), draw(2, 6, 6)
    y = convolve_relu_pool(pixels, convolution, None, "mixed", torch.bfloat16)
    exact = convolution.double()(pixels.double().unsqueeze(1))
    exact = pool(functional.relu(exact), "mixed")
    torch.testing.assert_close(y.double(), exact, rtol=0.02, atol=0.02)


@compiled
def test_operators_refuse_other_dtypes() -> None:
    with pytest.raises(TypeError, match=r"forward of torch\.float64"):
        torch.ops.tenfold.relu_pool(draw(1, 3, 4, 4).double(), 0.5, 0.5)


@pytest.mark.parametrize("variant", ["", "off"])
@pytest.mark.parametrize("gradient_dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("copied", [False, True])
def test_adam_takes_either_gradient_with_or_without_a_copy(
    gradient_dtype: torch.dtype,
    variant: str,
    use_kernels: Callable[[str], None],
    *,
    copied: bool,
) -> None:
    use_kernels(variant)
    w, m, v, gradient = draw(50), torch.zeros(50), torch.zeros(50), draw(50, seed=1)
    low = w.bfloat16() if copied else None
    expected = w - 0.1 * gradient.sign()  # bias correction makes the first step one of the rate
    rounded = gradient.to(gradient_dtype)
    adam_step(w, m, v, rounded, low, step=1, learning_rate=0.1, betas=(0.9, 0.99), **SETTINGS)
    torch.testing.assert_close(w, expected)
    assert low is None or torch.equal(low, w.bfloat16())


@pytest.mark.parametrize("variant", ["", "off"])
def test_an_infinite_gradient_stays_with_the_maximum(
    variant: str, use_kernels: Callable[[str], None]
) -> None:
    use_kernels(variant)
    x = torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]], requires_grad=True)
    y = relu_pool(x, "max")
    (dx,) = torch.autograd.grad(y, x, torch.full_like(y, torch.inf))
    assert dx.flatten().tolist() == [0, 0, torch.inf, 0]


@compiled
@pytest.mark.parametrize("offset", [0.0, 100.0, 3000.0])
def test_a_mean_far_above_the_deviation_keeps_the_variance(offset: float) -> None:
    x, norm = draw(8, 5, 12, 12) + offset, nn.BatchNorm2d(5, momentum=1.0)
    exact_x, exact_norm = x.double().requires_grad_(), nn.BatchNorm2d(5, momentum=1.0).double()
    y = batch_norm_relu_pool(x.requires_grad_(), norm, "average")
    exact = pool(functional.relu(exact_norm(exact_x)), "average")
    assert norm.running_var is not None
    assert exact_norm.running_var is not None
    torch.testing.assert_close(norm.running_var.double(), exact_norm.running_var, rtol=1e-5, atol=0)
    # z = scale·x + shift rounds by a unit in the last place of x / deviation.
    slack = 2e-6 + 4e-7 * offset
    torch.testing.assert_close(y.double(), exact, rtol=0, atol=slack)
    dy = draw(*y.shape, seed=3)
    (dweight,) = torch.autograd.grad(y, norm.weight, dy)
    (exact_dweight,) = torch.autograd.grad(exact, exact_norm.weight, dy.double())
    # As y is off, so is each of its terms.
    bound = slack * float(dy.abs().sum((0, 2, 3)).max())
    torch.testing.assert_close(dweight.double(), exact_dweight, rtol=0, atol=bound)
