"""The kernels as `torch.library` operators, so that autograd, compile and export know them.

Shapes: x [n, c, h, w] in channels-last memory, pooled and code [n, c, ⌈h/2⌉, ⌈w/2⌉]. Pooling is
max_weight · maximum + average_weight · average.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from tenfold.model.kernels.library import run, run_sums

# Defined one by one: `torch.library.custom_op` would import dynamo, which takes a second.
LIBRARY = torch.library.Library("tenfold", "DEF")
CHANNELS_LAST = torch.channels_last


Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def operator(schema: str) -> Callable[[Kernel], Kernel]:
    """Define an operator; the decorated function implements it on a CPU."""

    def register(kernel: Kernel) -> Kernel:
        LIBRARY.define(schema)
        LIBRARY.impl(schema.split("(", 1)[0], kernel, "CPU")
        return kernel

    return register


def _pooled(x: Tensor) -> Tensor:
    """Return an empty tensor for `x` after pooling."""
    n, c, h, w = x.shape
    shape = (n, c, (h + 1) // 2, (w + 1) // 2)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=CHANNELS_LAST)


def empty_codes(pooled: Tensor) -> Tensor:
    """Return an empty uint8 tensor, a code for each pooled value."""
    return torch.empty_like(pooled, dtype=torch.uint8)


def channels_last(x: Tensor) -> Tensor:
    """Return `x` dense in channels-last memory, copied if it is not."""
    return x.contiguous(memory_format=CHANNELS_LAST)


def shape_arguments(x: Tensor, names: str = "nchw") -> dict[str, Any]:
    """Return the sizes of `x` by name, as the kernels take them."""
    return dict(zip(names, x.shape, strict=True))


def _forward(
    x: Tensor, max_weight: float, average_weight: float, **affine: Tensor
) -> tuple[Tensor, Tensor]:
    """Apply `scale` and `shift` [c] if given, then ReLU and pooling: pooled, code."""
    x, pooled = channels_last(x), _pooled(x)
    code, given = empty_codes(pooled), {**shape_arguments(x), **affine}
    run(
        "forward",
        x.dtype,
        **given,
        x=x,
        y=pooled,
        code=code,
        max_weight=max_weight,
        average_weight=average_weight,
    )
    return pooled, code


@operator("relu_pool(Tensor x, float max_weight, float average_weight) -> (Tensor, Tensor)")
def _relu_pool(x: Tensor, max_weight: float, average_weight: float) -> tuple[Tensor, Tensor]:
    return _forward(x, max_weight, average_weight)


@operator(
    "relu_pool_backward(Tensor dy, Tensor code, int h, int w,"
    " float max_weight, float average_weight) -> Tensor"
)
def _relu_pool_backward(
    dy: Tensor, code: Tensor, h: int, w: int, max_weight: float, average_weight: float
) -> Tensor:
    dy = channels_last(dy)
    dx = _unpooled(dy, h, w)
    run(
        "backward",
        dx.dtype,
        **shape_arguments(dx),
        dy=dy,
        code=code,
        dx=dx,
        max_weight=max_weight,
        average_weight=average_weight,
    )
    return dx


@operator(
    "affine_relu_pool(Tensor x, Tensor scale, Tensor shift,"
    " float max_weight, float average_weight) -> Tensor"
)
def _affine_relu_pool(
    x: Tensor, scale: Tensor, shift: Tensor, max_weight: float, average_weight: float
) -> Tensor:
    return _forward(x, max_weight, average_weight, scale=scale, shift=shift)[0]


@operator(
    "norm_relu_pool(Tensor x, Tensor weight, Tensor bias, float epsilon,"
    " float max_weight, float average_weight) -> (Tensor, Tensor, Tensor, Tensor)"
)
def _norm_relu_pool(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
    max_weight: float,
    average_weight: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return also the mean and the biased variance over n, h, w."""
    x, count = channels_last(x), x.numel() // x.shape[1]
    # A variance that is small beside the mean is lost in squares of x, but not in those of x
    # less its first pixel.
    offset = x[0, :, 0, 0].float()
    total, squares = (
        run_sums("moments", x.dtype, 2, **shape_arguments(x), x=x, offset=offset) / count
    )
    mean, variance = offset + total, (squares - total.square()).clamp_min(0)
    scale = (weight * (variance + epsilon).rsqrt()).float()
    shift = (bias - mean * scale).float()
    pooled, code = _forward(x, max_weight, average_weight, scale=scale, shift=shift)
    return pooled, code, mean.float(), variance.float()


@operator(
    "norm_relu_pool_backward(Tensor dy, Tensor code, Tensor x, Tensor weight, Tensor mean,"
    " Tensor variance, float epsilon, float max_weight, float average_weight)"
    " -> (Tensor, Tensor, Tensor)"
)
def _norm_relu_pool_backward(
    dy: Tensor,
    code: Tensor,
    x: Tensor,
    weight: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
    max_weight: float,
    average_weight: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """With d = Σ dz·x̂: dx = weight/std · (dz - Σdz/count - x̂ · d/count)."""
    dy, x, count = channels_last(dy), channels_last(x), x.numel() // x.shape[1]
    given = {
        **shape_arguments(x),
        "x": x,
        "dy": dy,
        "code": code,
        "max_weight": max_weight,
        "average_weight": average_weight,
    }
    total, product = run_sums("sums", x.dtype, 2, **given, offset=mean)
    over = (variance.double() + epsilon).rsqrt()
    d, scale = product * over, weight * over
    slope = -scale * over * d / count
    given["scale"], given["shift"] = scale.float(), slope.float()
    given["offset"] = (-slope * mean - scale * total / count).float()
    dx = torch.empty_like(x)
    run("backward", x.dtype, **given, dx=dx)
    return dx, d.float(), total.float()


def _unpooled(dy: Tensor, h: int, w: int) -> Tensor:
    shape = (dy.shape[0], dy.shape[1], h, w)
    return torch.empty(shape, dtype=dy.dtype, device=dy.device, memory_format=CHANNELS_LAST)


@torch.library.register_fake("tenfold::relu_pool", lib=LIBRARY)
def _(x: Tensor, max_weight: float, average_weight: float) -> tuple[Tensor, Tensor]:
    pooled = _pooled(x)
    return pooled, empty_codes(pooled)


@torch.library.register_fake("tenfold::relu_pool_backward", lib=LIBRARY)
def _(dy: Tensor, code: Tensor, h: int, w: int, max_weight: float, average_weight: float) -> Tensor:
    return _unpooled(dy, h, w)


@torch.library.register_fake("tenfold::affine_relu_pool", lib=LIBRARY)
def _(x: Tensor, scale: Tensor, shift: Tensor, max_weight: float, average_weight: float) -> Tensor:
    return _pooled(x)


@torch.library.register_fake("tenfold::norm_relu_pool", lib=LIBRARY)
def _(x: Tensor, weight: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pooled = _pooled(x)
    return pooled, empty_codes(pooled), torch.empty_like(weight), torch.empty_like(weight)


@torch.library.register_fake("tenfold::norm_relu_pool_backward", lib=LIBRARY)
def _(
    dy: Tensor,
    code: Tensor,
    x: Tensor,
    weight: Tensor,
    *_: object,
) -> tuple[Tensor, Tensor, Tensor]:
    return _unpooled(dy, *x.shape[2:]), torch.empty_like(weight), torch.empty_like(weight)


def _save_relu_pool(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, ctx.max_weight, ctx.average_weight = inputs
    ctx.size = x.shape[2:]
    ctx.set_materialize_grads(False)  # the code's gradient would be a tensor of zeros
    ctx.save_for_backward(output[1])


def _differentiate_relu_pool(ctx: Any, dy: Tensor, *_: object) -> tuple[Tensor | None, ...]:
    (code,) = ctx.saved_tensors
    dx = torch.ops.tenfold.relu_pool_backward(
        dy, code, *ctx.size, ctx.max_weight, ctx.average_weight
    )
    return dx, None, None


def _save_norm_relu_pool(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, _, *ctx.numbers = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1], x, weight, *output[2:])


def _differentiate_norm_relu_pool(ctx: Any, dy: Tensor, *_: object) -> tuple[Tensor | None, ...]:
    gradients = torch.ops.tenfold.norm_relu_pool_backward(dy, *ctx.saved_tensors, *ctx.numbers)
    return *gradients, None, None, None


torch.library.register_autograd(
    "tenfold::relu_pool", _differentiate_relu_pool, setup_context=_save_relu_pool, lib=LIBRARY
)
torch.library.register_autograd(
    "tenfold::norm_relu_pool",
    _differentiate_norm_relu_pool,
    setup_context=_save_norm_relu_pool,
    lib=LIBRARY,
)
