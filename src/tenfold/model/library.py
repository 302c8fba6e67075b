"""The compiled kernels: finding, loading and calling `_kernels.c`.

Called through ctypes, which lets go of the interpreter lock and needs no torch headers.
TENFOLD_KERNELS chooses the instruction set: avx512, avx2, generic, or off.
"""

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from importlib import machinery
from pathlib import Path

import torch
from torch import Tensor

VARIANTS = ("generic", "avx2", "avx512")
DTYPES = (torch.float32, torch.bfloat16)
MAX_CHANNELS = 1024  # as in _kernels.c
MAX_SIDE = 32  # of the first layer's images


@cache
def load() -> tuple[ctypes.CDLL | None, int, str]:
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
    library, variant, _ = load()
    return VARIANTS[variant] if library else None


def why_not() -> str:
    """Say in one line why there are no kernels, and what that costs; empty if there are."""
    reason = load()[2]
    return reason and f"fast kernels {reason}: pooling and Adam take the slower PyTorch path"


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return where a tensor's data is, NULL for none."""
    return ctypes.c_void_p(tensor.data_ptr() if tensor is not None else None)


def call(
    name: str,
    dtype: torch.dtype,
    shape: Sequence[int],
    shares: tuple[float, float],
    tensors: Sequence[Tensor | None],
    *numbers: float,
) -> None:
    """Call a kernel: the shape [n, c, h, w] before pooling, tensors, numbers.

    Raises:
        TypeError: the dtype is neither float32 nor bfloat16.
        MemoryError: the kernel could not allocate its sums.
    """
    library, variant, _ = load()
    assert library is not None  # noqa: S101 - operators are only reached with kernels
    if dtype not in DTYPES:
        raise TypeError(f"{name} of {dtype}: the kernels take float32 and bfloat16")
    n, c, h, w = shape
    failed = getattr(library, f"tenfold_{name}")(
        variant,
        int(dtype == torch.bfloat16),
        *map(ctypes.c_long, (n, h, w, c)),
        *map(ctypes.c_float, shares),
        *map(pointer, tensors),
        *map(ctypes.c_float, numbers),
    )
    if failed:
        raise MemoryError(f"no memory for {name} of {tuple(shape)}")
