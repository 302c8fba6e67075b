"""Hardware: which device and precision to train with, and a description for the manifest."""

import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

import torch

from tenfold.artifacts.training import Hardware, Machine
from tenfold.cpu import available_cores
from tenfold.errors import RecipeError
from tenfold.model.kernels.functional import available

Precision = Literal["auto", "float32", "bfloat16"]


def choose_device(name: str = "auto") -> torch.device:
    """Return the named device; `auto` takes cuda, then mps, then cpu.

    Raises:
        RecipeError: the device is unknown or not present.
    """
    if name == "auto":
        name = next(
            (n for n, b in (("cuda", torch.cuda), ("mps", torch.backends.mps)) if b.is_available()),
            "cpu",
        )
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # fails on `meta`, which is a device without values
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RecipeError(f"--device {name}: not available here; use cpu, cuda or mps") from error
    return device


def fast_bfloat16(device: torch.device) -> bool:
    """Return whether `device` multiplies bfloat16 in hardware.

    Elsewhere bfloat16 is emulated, up to hundreds of times slower than float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # ATEN_CPU_CAPABILITY=avx2 makes torch treat this processor as an older one.
    if device.type == "cpu" and torch.backends.cpu.get_cpu_capability() not in {"DEFAULT", "AVX2"}:
        flags = torch.cpu.get_capabilities()
        return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    return False


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of convolutions and matrix multiplies in training."""
    if precision == "auto":
        precision = "bfloat16" if fast_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


class Placement(NamedTuple):
    """Where and in which precision a network is trained."""

    device: torch.device
    dtype: torch.dtype


def choose_placement(device: str = "auto", precision: Precision = "auto") -> Placement:
    """Return the device and the dtype that these names stand for on this machine.

    Raises:
        RecipeError: the device is unknown or not present.
    """
    chosen = choose_device(device)
    return Placement(chosen, choose_dtype(precision, chosen))


def describe_machine(device: torch.device) -> Machine:
    """Describe this machine, the device that it trains on, and versions of software."""
    flags = torch.cpu.get_capabilities()
    memory_gb = None
    if hasattr(os, "sysconf"):
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory_gb = round(pages / 2**30, 1)
    hardware = Hardware(
        cpu=_cpu_name(),
        cores=available_cores(),
        bfloat16="amx" if flags.get("amx_bf16") else bool(flags.get("avx512_bf16")),
        device=str(device),
        kernels=available() or "none",
        memory_gb=memory_gb,
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    )
    versions = installed_versions("tenfold", "torch", "numpy", "safetensors")
    versions |= {"python": platform.python_version(), "system": platform.platform()}
    return Machine(hardware=hardware, versions=versions)


def installed_versions(*packages: str) -> dict[str, str]:
    """Return each package's version, or "not installed"."""
    found = dict.fromkeys(packages, "not installed")
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - not a data file
            names = (
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            )
            return next(names, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()
