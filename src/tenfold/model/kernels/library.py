"""The compiled kernels: finding, loading and running `kernels.c`.

They are called through ctypes, which releases the interpreter lock and needs no torch headers.
TENFOLD_KERNELS chooses the instruction set: avx512, avx2, generic, or off.
"""

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

LIBRARY_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
INSTRUCTION_SETS = ("generic", "avx2", "avx512")
DTYPES = (torch.float32, torch.bfloat16)
# As in kernels.c:
MAX_CHANNELS = 1024
MAX_FIRST_LAYER_SIDE_PX = 32
_KERNELS = ("forward", "backward", "sums", "moments", "convolve", "gradient", "patches", "adam")
_COUNTS = "what bf16 threads n h w c rows"
_POINTERS = "x dy gradient y dx copy code scale shift offset filters bias sums master first second"
_NUMBERS = (
    "max_weight average_weight weight_scale step_size beta1 beta2 variance_correction epsilon l2"
)


class Job(ctypes.Structure):
    """The same as `struct job` in kernels.c."""

    _fields_ = (
        *((name, ctypes.c_long) for name in _COUNTS.split()),
        *((name, ctypes.c_void_p) for name in _POINTERS.split()),
        *((name, ctypes.c_float) for name in _NUMBERS.split()),
    )


def supported() -> tuple[str, ...]:
    """Return the instruction sets that this processor has, the fastest last."""
    best = {"AVX2": 2, "AVX512": 3}.get(torch.backends.cpu.get_cpu_capability(), 1)
    return INSTRUCTION_SETS[:best]


@cache
def load() -> tuple[ctypes.CDLL | None, str, str]:
    """Return the library and its instruction set, or why there is none."""
    wanted = os.environ.get("TENFOLD_KERNELS", "")
    if wanted == "off":
        return None, "", "TENFOLD_KERNELS=off"
    reason = "not compiled (no C compiler when tenfold was installed)"
    for instruction_set in (wanted,) if wanted in supported() else reversed(supported()):
        path = Path(__file__).with_name(f"kernels_{instruction_set}{LIBRARY_SUFFIX}")
        if not path.exists():
            continue
        try:
            library = ctypes.CDLL(str(path))
            library.tenfold_run.restype = None
        except (OSError, AttributeError) as error:
            reason = f"cannot be loaded ({error})"
        else:
            return library, instruction_set, ""
    return None, "", reason


def available() -> str | None:
    """Return the instruction set that the kernels use, or None without kernels."""
    library, instruction_set, _ = load()
    return instruction_set if library else None


def why_not() -> str:
    """Return one line: why there are no kernels and what that costs; empty if there are."""
    reason = load()[2]
    return reason and f"fast kernels {reason}: pooling and Adam take the slower PyTorch path"


def run(
    kind: str, dtype: torch.dtype, *, threads: int = 0, **fields: float | Tensor | None
) -> None:
    """Run a kernel on contiguous tensors, named as in `struct job`.

    Raises:
        TypeError: the dtype is neither float32 nor bfloat16.
    """
    library, _, _ = load()
    assert library is not None  # noqa: S101 - operators are only reached with kernels
    if dtype not in DTYPES:
        raise TypeError(f"{kind} of {dtype}: the kernels take float32 and bfloat16")
    plain = {
        name: value.data_ptr() if isinstance(value, Tensor) else value
        for name, value in fields.items()
    }
    job = Job(
        what=_KERNELS.index(kind),
        bf16=int(dtype == torch.bfloat16),
        threads=threads or torch.get_num_threads(),
        **plain,
    )
    library.tenfold_run(ctypes.byref(job))


def run_sums(kind: str, dtype: torch.dtype, rows: int, c: int, **fields: float | Tensor) -> Tensor:
    """Run a kernel that sums up; return the sums of all threads: float64 [rows, c]."""
    sums = torch.zeros(torch.get_num_threads(), rows, c, dtype=torch.float64)
    run(kind, dtype, threads=len(sums), rows=rows, c=c, sums=sums, **fields)
    return sums.sum(0)
