"""Fast CPU kernels, each with a plain PyTorch path that gives the same results."""

import ctypes
import math
import os

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.config import POOLING_WEIGHTS, PoolKind
from tenfold.model.kernels import first_layer, operators  # noqa: F401 - they register torch.ops
from tenfold.model.kernels.library import (
    DTYPES,
    MAX_CHANNELS,
    MAX_FIRST_LAYER_SIDE_PX,
    available,
    run,
    why_not,
)
from tenfold.model.pooling import pool

__all__ = [
    "adam_step",
    "available",
    "batch_norm_relu_pool",
    "convolve_relu_pool",
    "relu_pool",
    "tune_process",
    "why_not",
]

SINGLE_THREAD_MAX_WEIGHTS = 16_384
"""Waking other threads takes longer than Adam's step of so few weights."""

# A constant to torch.compile, which cannot trace the search for the library. (What
# `torch.compiler.assume_constant_result` does, without importing the compiler.)
available._dynamo_marked_constant = True  # type: ignore[attr-defined]  # noqa: SLF001


def relu_pool(x: Tensor, kind: PoolKind) -> Tensor:
    """Apply ReLU, then 2×2 SAME pooling: [n, c, h, w] → [n, c, ⌈h/2⌉, ⌈w/2⌉]."""
    if _supports(x):
        pooled: Tensor = torch.ops.tenfold.relu_pool(x, *POOLING_WEIGHTS[kind])[0]
        return pooled
    return pool(F.relu(x), kind)


def batch_norm_relu_pool(x: Tensor, norm: nn.BatchNorm2d, kind: PoolKind) -> Tensor:
    """Apply batch norm (Ioffe & Szegedy 2015), ReLU, then 2×2 SAME pooling.

    In training, `norm`'s running statistics move as in `nn.BatchNorm2d`.
    """
    supported = _supports(x) and _supports_norm(norm, x.numel())
    if not supported or (torch.is_grad_enabled() and not norm.training):
        return pool(F.relu(norm(x)), kind)
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
    if not norm.training:
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        weights = POOLING_WEIGHTS[kind]
        inferred: Tensor = torch.ops.tenfold.affine_relu_pool(x, scale, shift, *weights)
        return inferred
    pooled, _, mean, variance = torch.ops.tenfold.norm_relu_pool(
        x, norm.weight, norm.bias, norm.eps, *POOLING_WEIGHTS[kind]
    )
    _track(norm, mean, variance, x.numel() // x.shape[1])
    trained: Tensor = pooled
    return trained


def convolve_relu_pool(
    pixels: Tensor,
    convolution: nn.Conv2d,
    norm: nn.BatchNorm2d | None,
    kind: PoolKind,
    dtype: torch.dtype,
) -> Tensor:
    """Apply the first block to float32 pixels [n, h, w]; the result is of `dtype`, channels last.

    3×3 SAME convolution of one channel, (batch norm), ReLU, 2×2 SAME pooling. The
    full-size activations are never stored. Batch norm's statistics follow from the patches'
    moments, since x = Wp for a patch p: mean x = W·mean p, var x = diag(W·cov p·Wᵀ); the
    filters that are convolved include its scale.
    """
    supported = _supports_first(pixels, convolution, dtype)
    if not supported or (
        norm is not None and not _supports_norm(norm, pixels.numel() * norm.num_features)
    ):
        x = convolve(pixels, convolution, dtype)
        if norm is None:
            return relu_pool(x, kind)
        return batch_norm_relu_pool(x, norm, kind)
    filters, bias = convolution.weight.flatten(1).T, convolution.bias
    if norm is not None:
        filters, bias = _fold(filters, norm, pixels)
    assert bias is not None  # noqa: S101 - without norm there is one
    pooled: Tensor = torch.ops.tenfold.convolve_relu_pool(
        pixels, filters, bias, dtype == torch.bfloat16, *POOLING_WEIGHTS[kind]
    )[0]
    return pooled


def convolve(pixels: Tensor, convolution: nn.Conv2d, dtype: torch.dtype) -> Tensor:
    """Convolve float pixels [n, h, w] in `dtype`: [n, c, h, w], channels last."""
    x = pixels.to(dtype).unsqueeze(3).permute(0, 3, 1, 2)  # channels-last strides
    bias = None if convolution.bias is None else convolution.bias.to(dtype)
    return F.conv2d(x, convolution.weight.to(dtype), bias, padding=1)


def _fold(filters: Tensor, norm: nn.BatchNorm2d, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Fold batch norm into filters [9, c] and a bias [c], differentiably."""
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
    if norm.training:
        moments = torch.ops.tenfold.patch_moments(pixels) / pixels.numel()
        patch_mean = moments[-1, :-1]
        covariance = moments[:-1, :-1] - patch_mean.outer(patch_mean)
        exact = filters.double()
        mean = (patch_mean @ exact).float()
        variance = ((covariance @ exact) * exact).sum(0).clamp_min(0).float()
        _track(norm, mean.detach(), variance.detach(), pixels.numel())
    else:
        mean, variance = norm.running_mean, norm.running_var
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return filters * scale, norm.bias - mean * scale


def _track(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update running statistics as `nn.BatchNorm2d` does, with the unbiased variance."""
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
    assert norm.momentum is not None  # noqa: S101 - tenfold never asks for cumulative averages
    with torch.no_grad():
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / max(count - 1, 1)), norm.momentum)
        norm.num_batches_tracked += 1  # type: ignore[operator,assignment]  # a tensor while tracking


def adam_step(  # noqa: PLR0913 - Adam has that many terms
    master: Tensor,
    first: Tensor,
    second: Tensor,
    gradient: Tensor,
    copy: Tensor | None,
    *,
    step: int,
    learning_rate: float,
    betas: tuple[float, float],
    epsilon: float,
    l2: float,
    weight_decay: float,
) -> None:
    """Advance flat float32 weights and moments in place, and their bfloat16 copy if there is one.

    g ← gradient + l2·w; m, v as in Adam; w ← (1 - rate·decay)·w - rate·m̂/(√v̂ + ε).
    `step` counts from 1. The gradient is float32 or bfloat16.
    """
    beta1, beta2 = betas
    factors = {
        "weight_scale": 1 - learning_rate * weight_decay,
        "step_size": learning_rate / (1 - beta1**step),
        "variance_correction": 1 / math.sqrt(1 - beta2**step),
        "l2": l2,
    }
    if available() and master.device.type == "cpu":
        numbers = {**factors, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        threads = 1 if (n := master.numel()) <= SINGLE_THREAD_MAX_WEIGHTS else 0
        tensors = {"master": master, "first": first, "second": second, "gradient": gradient}
        run("adam", gradient.dtype, threads=threads, n=n, copy=copy, **tensors, **numbers)
        return
    _adam_step_in_torch(master, first, second, gradient, betas=betas, epsilon=epsilon, **factors)
    if copy is not None:
        copy.copy_(master)


def _adam_step_in_torch(  # noqa: PLR0913 - Adam has that many terms
    master: Tensor,
    first: Tensor,
    second: Tensor,
    gradient: Tensor,
    *,
    betas: tuple[float, float],
    epsilon: float,
    weight_scale: float,
    step_size: float,
    variance_correction: float,
    l2: float,
) -> None:
    gradient = gradient.float()
    if l2:
        gradient = gradient.add(master, alpha=l2)
    if weight_scale != 1:
        master.mul_(weight_scale)
    first.lerp_(gradient, 1 - betas[0])
    second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    master.addcdiv_(first, second.sqrt().mul_(variance_correction).add_(epsilon), value=-step_size)


def tune_process() -> None:
    """Set this process up for training; call it before torch computes anything.

    glibc keeps freed blocks in the process: mapping and faulting them in again takes up to a third
    of a step. oneDNN's caches keep few primitives: each new batch size makes some 12 MB of them,
    and a ramp of batch sizes has hundreds.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    os.environ.setdefault("LRU_CACHE_CAPACITY", "16")  # those of torch's own oneDNN layer
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, 2**31 - 1)
    mallopt(m_top_pad, 64 * 2**20)


def _supports(x: Tensor) -> bool:
    """Whether the compiled kernels take this tensor."""
    return (
        x.device.type == "cpu"
        and x.dtype in DTYPES
        and x.ndim == 4  # noqa: PLR2004 - n, c, h, w
        and x.shape[1] <= MAX_CHANNELS
        and available() is not None
    )


def _supports_norm(norm: nn.BatchNorm2d, count: int) -> bool:
    """Whether the kernels take this batch norm of `count` values; torch refuses one a channel."""
    held = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return (
        all(tensor is not None and tensor.dtype == torch.float32 for tensor in held)
        and norm.momentum is not None
        and (count > norm.num_features or not norm.training)
    )


def _supports_first(pixels: Tensor, convolution: nn.Conv2d, dtype: torch.dtype) -> bool:
    """Whether the fused first block takes these pixels and filters."""
    return (
        pixels.device.type == "cpu"
        and pixels.dtype == convolution.weight.dtype == torch.float32
        and not pixels.requires_grad
        and dtype in DTYPES
        and max(pixels.shape[1:]) <= MAX_FIRST_LAYER_SIDE_PX
        and available() is not None
    )
