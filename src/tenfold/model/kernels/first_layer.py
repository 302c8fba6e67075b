"""The fused first layer as `torch.library` operators: 3×3 convolution, ReLU, 2×2 pooling.

Shapes: pixels [n, h, w]; pooled and code [n, c, ⌈h/2⌉, ⌈w/2⌉] in channels-last memory.
"""

from typing import Any

import torch
from torch import Tensor

from tenfold.model.kernels.library import run, run_sums
from tenfold.model.kernels.operators import (
    CHANNELS_LAST,
    LIBRARY,
    channels_last,
    empty_codes,
    operator,
    shape_arguments,
)

PATCH_PIXELS = 9


@operator(
    "convolve_relu_pool(Tensor pixels, Tensor filters, Tensor bias, bool low, float max_weight,"
    " float average_weight) -> (Tensor, Tensor)"
)
def _convolve_relu_pool(
    pixels: Tensor,
    filters: Tensor,
    bias: Tensor,
    low: bool,
    max_weight: float,
    average_weight: float,
) -> tuple[Tensor, Tensor]:
    """Float32 pixels [n, h, w], filters [9, c], bias [c]; bfloat16 out if `low`."""
    pixels = pixels.contiguous()
    pooled = _convolved(pixels, filters, low=low)
    code = empty_codes(pooled)
    given = {
        **shape_arguments(pixels, "nhw"),
        "c": len(bias),
        "max_weight": max_weight,
        "average_weight": average_weight,
    }
    given |= {"filters": filters.contiguous(), "bias": bias}
    run("convolve", pooled.dtype, **given, x=pixels, y=pooled, code=code)
    return pooled, code


@operator(
    "convolve_relu_pool_backward(Tensor dy, Tensor code, Tensor pixels,"
    " float max_weight, float average_weight) -> Tensor"
)
def _convolve_relu_pool_backward(
    dy: Tensor, code: Tensor, pixels: Tensor, max_weight: float, average_weight: float
) -> Tensor:
    """Return the gradient of filters and bias: float32 [10, c], the bias last."""
    dy, pixels = channels_last(dy), pixels.contiguous()
    given = {
        **shape_arguments(pixels, "nhw"),
        "c": dy.shape[1],
        "max_weight": max_weight,
        "average_weight": average_weight,
    }
    return run_sums(
        "gradient", dy.dtype, PATCH_PIXELS + 1, **given, x=pixels, dy=dy, code=code
    ).float()


@operator("patch_moments(Tensor pixels) -> Tensor")
def _patch_moments(pixels: Tensor) -> Tensor:
    """Return Σ over all 3×3 patches p (zeros outside, 1 appended) of p pᵀ: float64 [10, 10]."""
    pixels = pixels.contiguous()
    size = PATCH_PIXELS + 1
    moments = run_sums(
        "patches", torch.float32, size, c=size, **shape_arguments(pixels, "nhw"), x=pixels
    )
    return moments.triu() + moments.triu(1).T


def _convolved(pixels: Tensor, filters: Tensor, *, low: bool) -> Tensor:
    n, h, w = pixels.shape
    shape = (n, filters.shape[1], (h + 1) // 2, (w + 1) // 2)
    dtype = torch.bfloat16 if low else torch.float32
    return torch.empty(shape, dtype=dtype, device=pixels.device, memory_format=CHANNELS_LAST)


@torch.library.register_fake("tenfold::convolve_relu_pool", lib=LIBRARY)
def _(
    pixels: Tensor,
    filters: Tensor,
    bias: Tensor,
    low: bool,
    max_weight: float,
    average_weight: float,
) -> tuple[Tensor, Tensor]:
    pooled = _convolved(pixels, filters, low=low)
    return pooled, empty_codes(pooled)


@torch.library.register_fake("tenfold::convolve_relu_pool_backward", lib=LIBRARY)
def _(dy: Tensor, code: Tensor, pixels: Tensor, max_weight: float, average_weight: float) -> Tensor:
    return dy.new_empty(PATCH_PIXELS + 1, dy.shape[1], dtype=torch.float32)


@torch.library.register_fake("tenfold::patch_moments", lib=LIBRARY)
def _(pixels: Tensor) -> Tensor:
    return pixels.new_empty(PATCH_PIXELS + 1, PATCH_PIXELS + 1, dtype=torch.float64)


def _save_convolve(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    pixels, _, _, _, ctx.max_weight, ctx.average_weight = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1], pixels)


def _differentiate_convolve(ctx: Any, dy: Tensor, *_: object) -> tuple[Tensor | None, ...]:
    code, pixels = ctx.saved_tensors
    gradient = torch.ops.tenfold.convolve_relu_pool_backward(
        dy, code, pixels, ctx.max_weight, ctx.average_weight
    )
    return None, gradient[:PATCH_PIXELS], gradient[PATCH_PIXELS], None, None, None


torch.library.register_autograd(
    "tenfold::convolve_relu_pool",
    _differentiate_convolve,
    setup_context=_save_convolve,
    lib=LIBRARY,
)
