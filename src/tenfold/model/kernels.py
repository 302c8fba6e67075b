"""Fast paths on a CPU, each with a reference in plain PyTorch that gives the same results.

The compiled code (`_kernels.c`) is optional. It is called through ctypes, which lets go of
the interpreter lock and needs no torch headers, and registered as `torch.library` operators,
so that autograd, `torch.compile` and export know what it computes. TENFOLD_KERNELS chooses:
avx512, avx2, generic, or off.
"""

import ctypes
import os
from functools import cache
from importlib import machinery
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.model.pooling import SHARES, PoolKind, pool

VARIANTS = ("generic", "avx2", "avx512")
_DTYPES = (torch.float32, torch.bfloat16)
_CHANNELS_LAST = torch.channels_last


@cache
def _load() -> tuple[ctypes.CDLL | None, int, str]:
    """Return the library, the variant in use, and why there is none."""
    wanted = os.environ.get("TENFOLD_KERNELS", "")
    if wanted == "off":
        return None, 0, "TENFOLD_KERNELS=off"
    folder = Path(__file__).parent
    names = (folder / f"_kernels{suffix}" for suffix in machinery.EXTENSION_SUFFIXES)
    path = next((name for name in names if name.exists()), None)
    if path is None:
        return None, 0, "not compiled (no C compiler when tenfold was installed)"
    try:
        library = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
        best = int(library.tenfold_variant())
    except (OSError, AttributeError) as error:
        return None, 0, f"cannot be loaded ({error})"
    if wanted in VARIANTS[: best + 1]:
        best = VARIANTS.index(wanted)
    return library, best, ""


def available() -> str | None:
    """Return the instruction set that the kernels use, or None without kernels."""
    library, variant, _ = _load()
    return VARIANTS[variant] if library else None


def why_not() -> str:
    """Say in one line why there are no kernels, and what that costs; empty if there are."""
    reason = _load()[2]
    return reason and f"fast kernels {reason}: pooling and Adam take the slower PyTorch path"


def relu_pool(x: Tensor, kind: PoolKind, slope: float = 0.0) -> Tensor:
    """Apply (leaky) ReLU, then 2×2 SAME pooling: [n, c, h, w] → [n, c, ⌈h/2⌉, ⌈w/2⌉]."""
    if slope == 0 and _fits(x):
        pooled: Tensor = torch.ops.tenfold.relu_pool(x, *SHARES[kind])[0]
        return pooled
    return pool(F.leaky_relu(x, slope), kind)


def batch_norm_relu_pool(
    x: Tensor, norm: nn.BatchNorm2d, kind: PoolKind, slope: float = 0.0
) -> Tensor:
    """Apply batch norm (Ioffe & Szegedy 2015), (leaky) ReLU, then 2×2 SAME pooling.

    In training, `norm`'s running statistics move as in `nn.BatchNorm2d`.
    """
    if slope != 0 or not _fits(x) or not (norm.training or not torch.is_grad_enabled()):
        return pool(F.leaky_relu(norm(x), slope), kind)
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
    if not norm.training:
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        inferred: Tensor = torch.ops.tenfold.affine_relu_pool(x, scale, shift, *SHARES[kind])
        return inferred
    pooled, _, mean, variance = torch.ops.tenfold.norm_relu_pool(
        x, norm.weight, norm.bias, norm.eps, *SHARES[kind]
    )
    count = x.numel() // x.shape[1]
    with torch.no_grad():
        assert norm.momentum is not None  # noqa: S101 - tenfold never asks for cumulative averages
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / max(count - 1, 1)), norm.momentum)
        norm.num_batches_tracked += 1  # type: ignore[operator] - a tensor unless tracking is off
    trained: Tensor = pooled
    return trained


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
    `step` counts from 1. With a copy, the gradient is bfloat16 too; else it is float32.
    """
    library, variant, _ = _load()
    beta1, beta2 = betas
    if library and master.device.type == "cpu":
        numbers = (learning_rate, beta1, beta2, epsilon, l2, weight_decay)
        library.tenfold_adam(
            variant,
            int(copy is not None),
            *map(_pointer, (master, first, second, gradient, copy)),
            ctypes.c_long(master.numel()),
            ctypes.c_long(step),
            *map(ctypes.c_float, numbers),
        )
        return
    gradient = gradient.float()
    if l2:
        gradient = gradient.add(master, alpha=l2)
    if weight_decay:
        master.mul_(1 - learning_rate * weight_decay)
    first.lerp_(gradient, 1 - beta1)
    second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = second.div(1 - beta2**step).sqrt_().add_(epsilon)
    master.addcdiv_(first, root, value=-learning_rate / (1 - beta1**step))
    if copy is not None:
        copy.copy_(master)


def tune_allocator() -> None:
    """Keep freed blocks in the process (glibc): else each step maps and faults them in anew.

    Page faults took up to a third of a training step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, 2**31 - 1)
    mallopt(m_top_pad, 64 * 2**20)


def _fits(x: Tensor) -> bool:
    """Whether the compiled kernels take this tensor."""
    return (
        x.device.type == "cpu"
        and x.dtype in _DTYPES
        and x.ndim == 4  # noqa: PLR2004 - n, c, h, w
        and x.shape[1] <= 1024  # noqa: PLR2004 - MAX_CHANNELS of _kernels.c
        and _load()[0] is not None
    )


def _pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr() if tensor is not None else None)


def _call(
    name: str, x: Tensor, tensors: tuple[Tensor | None, ...], shape: torch.Size, *numbers: float
) -> None:
    """Call a kernel on tensors, the shape of the activations before pooling, and numbers."""
    library, variant, _ = _load()
    assert library is not None  # noqa: S101 - operators are only reached with kernels
    n, c, h, w = shape
    function = getattr(library, f"tenfold_{name}")
    failed = function(
        variant,
        int(x.dtype == torch.bfloat16),
        *map(_pointer, tensors),
        *map(ctypes.c_long, (n, h, w, c)),
        *map(ctypes.c_float, numbers),
    )
    if name.startswith("norm") and failed:
        raise MemoryError(f"no memory for {name}")


def _pooled(x: Tensor) -> Tensor:
    """Return an empty tensor for what is left of `x` after pooling."""
    n, c, h, w = x.shape
    shape = (n, c, (h + 1) // 2, (w + 1) // 2)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=_CHANNELS_LAST)


def _codes(pooled: Tensor) -> Tensor:
    return torch.empty_like(pooled, dtype=torch.uint8)


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=_CHANNELS_LAST)


@torch.library.custom_op("tenfold::relu_pool", mutates_args=())
def _relu_pool(x: Tensor, most: float, share: float) -> tuple[Tensor, Tensor]:
    x, pooled = _dense(x), _pooled(x)
    code = _codes(pooled)
    _call("relu_pool", x, (x, None, None, pooled, code), x.shape, most, share)
    return pooled, code


@torch.library.custom_op("tenfold::relu_pool_backward", mutates_args=())
def _relu_pool_backward(
    dy: Tensor, code: Tensor, h: int, w: int, most: float, share: float
) -> Tensor:
    dy = _dense(dy)
    dx = _unpooled(dy, h, w)
    _call("relu_pool_backward", dy, (dy, code, dx), dx.shape, most, share)
    return dx


@torch.library.custom_op("tenfold::affine_relu_pool", mutates_args=())
def _affine_relu_pool(
    x: Tensor, scale: Tensor, shift: Tensor, most: float, share: float
) -> Tensor:
    x, pooled = _dense(x), _pooled(x)
    _call("relu_pool", x, (x, scale, shift, pooled, _codes(pooled)), x.shape, most, share)
    return pooled


@torch.library.custom_op("tenfold::norm_relu_pool", mutates_args=())
def _norm_relu_pool(  # noqa: PLR0913
    x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, most: float, share: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, pooled = _dense(x), _pooled(x)
    code, mean, variance = _codes(pooled), torch.empty_like(weight), torch.empty_like(weight)
    scratch = torch.empty(2 * len(weight))
    tensors = (x, weight, bias, mean, variance, scratch, pooled, code)
    _call("norm_relu_pool", x, tensors, x.shape, epsilon, most, share)
    return pooled, code, mean, variance


@torch.library.custom_op("tenfold::norm_relu_pool_backward", mutates_args=())
def _norm_relu_pool_backward(  # noqa: PLR0913
    dy: Tensor,
    code: Tensor,
    x: Tensor,
    weight: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
    most: float,
    share: float,
) -> tuple[Tensor, Tensor, Tensor]:
    dy, x = _dense(dy), _dense(x)
    dx, dweight, dbias = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
    scratch = torch.empty(3 * len(weight))
    tensors = (dy, code, x, weight, mean, variance, scratch, dx, dweight, dbias)
    _call("norm_relu_pool_backward", dy, tensors, x.shape, epsilon, most, share)
    return dx, dweight, dbias


def _unpooled(dy: Tensor, h: int, w: int) -> Tensor:
    shape = (dy.shape[0], dy.shape[1], h, w)
    return torch.empty(shape, dtype=dy.dtype, device=dy.device, memory_format=_CHANNELS_LAST)


@_relu_pool.register_fake
def _(x: Tensor, most: float, share: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    pooled = _pooled(x)
    return pooled, _codes(pooled)


@_relu_pool_backward.register_fake
def _(dy: Tensor, code: Tensor, h: int, w: int, most: float, share: float) -> Tensor:  # noqa: ARG001, PLR0913
    return _unpooled(dy, h, w)


@_affine_relu_pool.register_fake
def _(x: Tensor, scale: Tensor, shift: Tensor, most: float, share: float) -> Tensor:  # noqa: ARG001
    return _pooled(x)


@_norm_relu_pool.register_fake
def _(x: Tensor, weight: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pooled = _pooled(x)
    return pooled, _codes(pooled), torch.empty_like(weight), torch.empty_like(weight)


@_norm_relu_pool_backward.register_fake
def _(
    dy: Tensor, code: Tensor, x: Tensor, weight: Tensor, *_: object  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor]:
    return _unpooled(dy, *x.shape[2:]), torch.empty_like(weight), torch.empty_like(weight)


def _save_relu_pool(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, ctx.most, ctx.share = inputs
    ctx.size = x.shape[2:]
    ctx.set_materialize_grads(False)  # the code's gradient would be a tensor of zeros
    ctx.save_for_backward(output[1])


def _differentiate_relu_pool(ctx: Any, dy: Tensor, *_: object) -> tuple[Tensor | None, ...]:
    (code,) = ctx.saved_tensors
    dx = torch.ops.tenfold.relu_pool_backward(dy, code, *ctx.size, ctx.most, ctx.share)
    return dx, None, None


def _save_norm_relu_pool(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, _, *ctx.numbers = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1], x, weight, *output[2:])


def _differentiate_norm_relu_pool(ctx: Any, dy: Tensor, *_: object) -> tuple[Tensor | None, ...]:
    gradients = torch.ops.tenfold.norm_relu_pool_backward(dy, *ctx.saved_tensors, *ctx.numbers)
    return *gradients, None, None, None


_relu_pool.register_autograd(_differentiate_relu_pool, setup_context=_save_relu_pool)
_norm_relu_pool.register_autograd(_differentiate_norm_relu_pool, setup_context=_save_norm_relu_pool)
