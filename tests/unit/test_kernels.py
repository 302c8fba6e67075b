"""ReLU, batch norm and pooling in one pass against float64 arithmetic of torch's own layers.

Where nothing is compiled, the same functions take their plain PyTorch path: tests of the kernels
themselves are skipped, the others hold for both.
"""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from random_tensors import draw
from torch import Tensor, nn
from torch.nn import functional

from tenfold.model.config import PoolKind
from tenfold.model.kernels.functional import (
    available,
    batch_norm_relu_pool,
    convolve_relu_pool,
    relu_pool,
    why_not,
)
from tenfold.model.pooling import pool

KINDS: tuple[PoolKind, ...] = ("mixed", "max", "average")
DTYPES = (torch.float32, torch.bfloat16)
CHANNELS = (1, 3, 10, 16, 33, 64)
SIZES = ((1, 1, 1), (1, 5, 7), (3, 8, 6), (2, 1, 9))  # images, height, width
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "channels first": lambda x: x.contiguous(),
    "strided": lambda x: torch.stack([x, -x], -1)[..., 0],
}
compiled = pytest.mark.skipif(available() is None, reason=why_not() or "there are kernels")


def assert_near(actual: Tensor, exact: Tensor, slack: float = 1e-6) -> None:
    """Allow half a unit in the last place, and `slack` for the float32 arithmetic before it."""
    assert actual.shape == exact.shape
    bits = 8 if actual.dtype == torch.bfloat16 else 24
    unit = torch.ldexp(torch.ones_like(exact), torch.frexp(exact).exponent - bits)
    error = (actual.double() - exact).abs()
    assert bool((error <= unit / 2 + slack * (1 + exact.abs())).all()), error.max()


def make_norm(channels: int, dtype: torch.dtype = torch.float32) -> nn.BatchNorm2d:
    """Return batch norm with weights of both signs and running statistics that have moved."""
    norm = nn.BatchNorm2d(channels)
    for tensor, seed in ((norm.weight, 1), (norm.bias, 2), (norm.running_mean, 3)):
        assert tensor is not None
        tensor.data.copy_(draw(channels, seed=seed))
    assert norm.running_var is not None
    norm.running_var.copy_(draw(channels, seed=4).abs() + 0.1)
    return norm.to(dtype)


def differentiate(y: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    """Pull back a random gradient that every dtype holds exactly."""
    dy = draw(*y.shape, seed=7).bfloat16().to(y.dtype)
    return torch.autograd.grad(y, leaves, dy)


@compiled
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_relu_pool_is_float64_arithmetic_rounded_once(
    kind: PoolKind, dtype: torch.dtype, layout: str
) -> None:
    for channels in CHANNELS:
        for n, h, w in SIZES:
            smooth = draw(n, channels, h, w)
            for values in (smooth, smooth.round(), torch.zeros_like(smooth)):  # the last two tie
                x = LAYOUTS[layout](values.to(dtype)).requires_grad_()
                exact_x = x.detach().double().requires_grad_()
                y, exact = relu_pool(x, kind), pool(functional.relu(exact_x), kind)
                assert y.dtype == dtype
                assert y.is_contiguous(memory_format=torch.channels_last)
                assert_near(y, exact)
                assert_near(differentiate(y, x)[0], differentiate(exact, exact_x)[0])


@compiled
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_batch_norm_relu_pool_is_torch_s_batch_norm_in_float64(
    kind: PoolKind, dtype: torch.dtype, layout: str
) -> None:
    for channels in CHANNELS:
        norm, exact_norm = make_norm(channels), make_norm(channels, torch.float64)
        for n, h, w in SIZES[1:]:
            x = LAYOUTS[layout]((draw(n, channels, h, w) + 0.5).to(dtype)).requires_grad_()
            exact_x = x.detach().double().requires_grad_()
            y = batch_norm_relu_pool(x, norm, kind)
            exact = pool(functional.relu(exact_norm(exact_x)), kind)
            assert_near(y, exact, 1e-5)
            actual = differentiate(y, x, norm.weight, norm.bias)
            expected = differentiate(exact, exact_x, exact_norm.weight, exact_norm.bias)
            for one, other in zip(actual, expected, strict=True):
                assert_near(one, other, 2e-5)
        for name, buffer in exact_norm.named_buffers():
            assert_near(norm.get_buffer(name), buffer.double())
        with torch.no_grad():
            y = batch_norm_relu_pool(x, norm.eval(), kind)
            assert_near(y, pool(functional.relu(exact_norm.eval()(exact_x)), kind), 1e-5)
        assert norm.num_batches_tracked == len(SIZES) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_inference_that_is_differentiated_takes_the_plain_path(kind: PoolKind) -> None:
    norm, x = make_norm(3).eval(), draw(2, 3, 5, 4).requires_grad_()
    with torch.no_grad():
        y = batch_norm_relu_pool(x, norm, kind)
    differentiable = batch_norm_relu_pool(x, norm, kind)
    torch.testing.assert_close(y, differentiable.detach())
    assert differentiate(differentiable, x)[0].abs().sum() > 0


def make_first_block(channels: int, *, normed: bool) -> nn.Sequential:
    convolution = nn.Conv2d(1, channels, 3, padding=1, bias=not normed)
    for seed, parameter in enumerate(convolution.parameters()):
        parameter.data.copy_(draw(*parameter.shape, seed=seed))
    return nn.Sequential(convolution, make_norm(channels)) if normed else nn.Sequential(convolution)


@compiled
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_fused_first_block_is_its_layers_in_float64(
    kind: PoolKind, dtype: torch.dtype, *, normed: bool
) -> None:
    for channels in CHANNELS:
        block = make_first_block(channels, normed=normed)
        exact_block = copy.deepcopy(block).double()
        convolution, norm = block[0], block[1] if normed else None
        assert isinstance(convolution, nn.Conv2d)
        assert norm is None or isinstance(norm, nn.BatchNorm2d)
        for n, h, w in (*SIZES[1:], (1, 32, 32)):
            for layer in (block, exact_block):
                layer.train()
            pixels = draw(n, h, w).abs()
            y = convolve_relu_pool(pixels, convolution, norm, kind, dtype)
            exact = pool(functional.relu(exact_block(pixels.double().unsqueeze(1))), kind)
            assert y.dtype == dtype
            assert_near(y, exact, 1e-5)
            actual = differentiate(y, *block.parameters())
            expected = differentiate(exact, *exact_block.parameters())
            for one, other in zip(actual, expected, strict=True):
                torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=2e-4)
            for name, buffer in exact_block.named_buffers():
                assert_near(block.get_buffer(name), buffer.double())
            for layer in (block, exact_block):
                layer.eval()
            strided = torch.stack([pixels, -pixels], -1)[..., 0]
            y = convolve_relu_pool(strided, convolution, norm, kind, dtype)
            exact = pool(functional.relu(exact_block(pixels.double().unsqueeze(1))), kind)
            assert_near(y, exact, 1e-5)


def test_a_first_block_too_wide_for_the_kernel_takes_the_plain_path() -> None:
    convolution, pixels = nn.Conv2d(1, 4, 3, padding=1), draw(2, 33, 33)
    exact = pool(functional.relu(convolution(pixels.unsqueeze(1))), "mixed")
    y = convolve_relu_pool(pixels, convolution, None, "mixed", torch.float32)
    torch.testing.assert_close(y, exact)


WINDOWS = (
    (1.0, 1.0, 1.0, 1.0),
    (-0.0, -0.0, -0.0, -0.0),
    (-0.0, 0.0, -1.0, -2.0),
    (np.inf, 1.0, -np.inf, 2.0),
    (-np.inf, -np.inf, -np.inf, -np.inf),
    (np.nan, 1.0, 2.0, 3.0),
    (3.0, np.nan, np.inf, -1.0),
    (-1.0, -2.0, -3.0, np.nan),
)


@pytest.mark.parametrize("variant", ["", "off"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_zeros_infinities_and_nan(
    dtype: torch.dtype, variant: str, use_kernels: Callable[[str], None]
) -> None:
    use_kernels(variant)
    x = torch.tensor(WINDOWS, dtype=dtype).view(-1, 1, 2, 2).expand(-1, 3, 2, 2)
    rectified = np.maximum(np.array(WINDOWS), 0)  # NumPy's maximum keeps NaN
    largest, mean = rectified.max(1), rectified.mean(1)
    cases = {"max": largest, "average": mean, "mixed": (largest + mean) / 2}
    for kind in KINDS:
        y = relu_pool(x, kind)
        for channel in y.unbind(1):
            np.testing.assert_array_equal(channel.flatten().float().numpy(), cases[kind])


@pytest.mark.parametrize("variant", ["", "off"])
def test_of_equal_pixels_the_first_takes_the_maximum_s_gradient(
    variant: str, use_kernels: Callable[[str], None]
) -> None:
    use_kernels(variant)
    x = torch.tensor([[2.0, 2, 2, 2], [-1, 3, 3, 0], [0, 0, 0, 0]]).view(3, 1, 2, 2)
    x.requires_grad_()
    cases: dict[PoolKind, list[list[float]]] = {
        "max": [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
        "mixed": [[0.625, 0.125, 0.125, 0.125], [0, 0.625, 0.125, 0], [0, 0, 0, 0]],
    }
    for kind, expected in cases.items():
        y = relu_pool(x, kind)
        (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
        assert dx.view(3, 4).tolist() == expected
