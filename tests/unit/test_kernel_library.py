"""Every way to run the kernels gives one result: instruction sets, threads, compiler, none at all.

With the optimizer's kernel against torch's own.
"""

import copy
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from random_tensors import draw
from torch import Tensor, nn

from tenfold.model.config import POOLING_WEIGHTS, NetworkConfig, PoolKind
from tenfold.model.kernels import library
from tenfold.model.kernels.functional import (
    adam_step,
    available,
    batch_norm_relu_pool,
    convolve_relu_pool,
    relu_pool,
    why_not,
)
from tenfold.model.network import DigitNetwork

KINDS: tuple[PoolKind, ...] = ("mixed", "max", "average")
DTYPES = (torch.float32, torch.bfloat16)
compiled = pytest.mark.skipif(available() is None, reason=why_not() or "there are kernels")


def differentiate(y: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(y, leaves, draw(*y.shape, seed=7).to(y.dtype), retain_graph=True)


def results(dtype: torch.dtype) -> dict[str, Tensor]:
    """Run everything once on the same inputs."""
    found: dict[str, Tensor] = {}
    for kind in KINDS:
        for channels in (16, 33):
            x = draw(5, channels, 7, 6).to(dtype).requires_grad_()
            convolution = nn.Conv2d(1, channels, 3, padding=1, bias=False)
            convolution.weight.data.copy_(draw(channels, 1, 3, 3))
            norm, pixels = nn.BatchNorm2d(channels), draw(5, 7, 6)
            norm.bias.data.copy_(draw(channels))
            pooled = relu_pool(x, kind)
            normed = batch_norm_relu_pool(x, norm, kind)
            first = convolve_relu_pool(pixels, convolution, norm, kind, dtype)
            learned = (norm.weight, norm.bias)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            tensors = {
                "exact pool": (pooled, *differentiate(pooled, x)),
                "normed": (normed, *differentiate(normed, x, *learned)),
                "first": (first, *differentiate(first, convolution.weight, *learned)),
                "statistics": (norm.running_mean, norm.running_var),
            }
            for name, several in tensors.items():
                for index, tensor in enumerate(several):
                    found[f"{name} {kind} {channels} {index}"] = tensor.detach()
    low = dtype == torch.bfloat16
    for name, tensor in zip("wmvc", adam(100_003, steps=2, low=low), strict=False):
        found[f"exact adam {name}"] = tensor
    return found


def hashes(tensors: dict[str, Tensor]) -> dict[str, str]:
    data = {name: tensor.contiguous().view(torch.uint8) for name, tensor in tensors.items()}
    return {name: hashlib.sha256(raw.numpy().tobytes()).hexdigest() for name, raw in data.items()}


@compiled
@pytest.mark.parametrize("variant", library.INSTRUCTION_SETS)
def test_every_instruction_set_gives_the_same_bits(
    variant: str, use_kernels: Callable[[str], None]
) -> None:
    if variant not in library.supported():
        pytest.skip(f"this processor has no {variant}")
    found = []
    for chosen in (variant, "generic"):
        use_kernels(chosen)
        assert available() == chosen
        both = [hashes(results(dtype)) for dtype in DTYPES]
        code = torch.ops.tenfold.relu_pool(draw(2, 33, 5, 5), 0.5, 0.5)[1]
        moments = torch.ops.tenfold.patch_moments(draw(3, 28, 28))
        found.append((both, hashes({"code": code, "moments": moments})))
    assert found[0] == found[1]


@compiled
def test_without_kernels_the_results_are_close(use_kernels: Callable[[str], None]) -> None:
    fused = results(torch.float32)
    use_kernels("off")
    assert available() is None
    plain = results(torch.float32)
    assert fused.keys() == plain.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(fused[name], tensor, rtol=1e-4, atol=2e-4, msg=name)


@compiled
@pytest.mark.parametrize("count", [2, 7])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_number_of_threads_changes_nothing_but_the_order_of_sums(
    count: int, dtype: torch.dtype
) -> None:
    alone = results(dtype)
    torch.set_num_threads(count)  # 7 threads have fewer images than they are
    together = results(dtype)
    for name, tensor in alone.items():
        if name.startswith("exact"):
            assert torch.equal(together[name], tensor), name
        else:
            tolerance = 1e-5 if dtype == torch.float32 else 2**-7  # a unit in the last place
            torch.testing.assert_close(together[name], tensor, rtol=tolerance, atol=1e-5, msg=name)


def adam(size: int, *, steps: int = 3, low: bool = False, **settings: Any) -> list[Tensor]:
    """Run our Adam; return weights, moments and, if `low`, the bfloat16 copy."""
    w, m, v = draw(size), torch.zeros(size), torch.zeros(size)
    low_copy = w.bfloat16() if low else None
    numbers = {"learning_rate": 0.01, "betas": (0.9, 0.99), "epsilon": 1e-8, "l2": 0.0}
    numbers |= {"weight_decay": 0.0} | settings
    for step in range(1, steps + 1):
        gradient = draw(size, seed=step).bfloat16()
        gradient = gradient if low else gradient.float()
        adam_step(w, m, v, gradient, low_copy, step=step, **numbers)  # type: ignore[arg-type]
    return [w, m, v] if low_copy is None else [w, m, v, low_copy]


@pytest.mark.parametrize("variant", ["", "off"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 20_003])
def test_adam_is_torch_s(
    size: int, dtype: torch.dtype, variant: str, use_kernels: Callable[[str], None], *, low: bool
) -> None:
    use_kernels(variant)
    for l2, decay in ((0.0, 0.0), (0.01, 0.0), (0.0, 0.1), (0.01, 0.1)):
        w, m, v, *low_copy = adam(size, low=low, l2=l2, weight_decay=decay)
        expected = draw(size).to(dtype).requires_grad_()
        settings: dict[str, Any] = {"lr": 0.01, "betas": (0.9, 0.99)}
        adam_w = torch.optim.AdamW([expected], weight_decay=decay, **settings)
        coupled = torch.optim.Adam([expected], weight_decay=l2, **settings)
        optimizer = adam_w if decay else coupled
        for step in range(1, 4):
            gradient = draw(size, seed=step).bfloat16().to(dtype)
            expected.grad = gradient + l2 * expected.detach() if decay else gradient
            optimizer.step()
        state = optimizer.state[expected]
        for actual, one in ((w, expected), (m, state["exp_avg"]), (v, state["exp_avg_sq"])):
            torch.testing.assert_close(actual.to(dtype), one.detach(), rtol=1e-5, atol=2e-6)
        if low:
            assert torch.equal(low_copy[0], w.bfloat16())


def test_a_nan_weight_is_nan_in_the_copy_too() -> None:
    # All its bits are ones: rounded like a number, it would overflow into -0.
    w = torch.full((20,), 2**31 - 1, dtype=torch.int32).view(torch.float32)
    m, v, gradient = torch.zeros(20), torch.zeros(20), torch.zeros(20).bfloat16()
    low = torch.zeros(20).bfloat16()
    settings: dict[str, Any] = {"betas": (0.9, 0.99), "epsilon": 1e-8, "l2": 0.0}
    settings |= {"step": 1, "learning_rate": 0.01, "weight_decay": 0.0}
    adam_step(w, m, v, gradient, low, **settings)
    assert bool(w.isnan().all())
    assert bool(low.isnan().all())


def operator_arguments() -> dict[str, tuple[Any, ...]]:
    x, weight, bias = draw(2, 5, 5, 4), draw(5), draw(5, seed=1)
    pixels, filters, shares = draw(2, 5, 4), draw(9, 5), POOLING_WEIGHTS["mixed"]
    pooled = draw(2, 5, 3, 2).contiguous(memory_format=torch.channels_last)
    code = torch.full_like(pooled, 0b111101, dtype=torch.uint8)
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias, filters)]
    return {
        "relu_pool": (leaves[0], *shares),
        "relu_pool_backward": (pooled, code, 5, 4, *shares),
        "affine_relu_pool": (x, weight, bias, *shares),
        "norm_relu_pool": (*leaves[:3], 1e-5, *shares),
        "norm_relu_pool_backward": (pooled, code, x, weight, bias, bias.abs(), 1e-5, *shares),
        "convolve_relu_pool": (pixels, leaves[3], leaves[2], False, *shares),
        "convolve_relu_pool_backward": (pooled, code, pixels, *shares),
        "patch_moments": (pixels,),
    }


@compiled
@pytest.mark.parametrize("name", operator_arguments())
def test_operators_are_what_they_say_to_autograd_and_the_compiler(name: str) -> None:
    operator = getattr(torch.ops.tenfold, name).default
    found = torch.library.opcheck(operator, operator_arguments()[name])
    assert set(found.values()) == {"SUCCESS"}


@pytest.mark.parametrize("variant", ["", "off"])
@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_a_network_compiles_as_one_graph(
    normalisation: Any, variant: str, use_kernels: Callable[[str], None]
) -> None:
    use_kernels(variant)
    torch.compiler.reset()
    config = NetworkConfig(
        widths=(4, 5), fully_connected=(8,), normalisation=normalisation, dropout=0
    )
    network = DigitNetwork(config).initialise(torch.Generator().manual_seed(0))
    twin, pixels = copy.deepcopy(network), draw(3, 28, 28)
    logits = torch.compile(network, backend="eager", fullgraph=True)(pixels)
    expected = twin(pixels)
    assert torch.equal(logits, expected)
    logits.square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)
    for moved, expected in zip(network.buffers(), twin.buffers(), strict=True):
        assert torch.equal(moved, expected)


def test_why_there_are_no_kernels(
    use_kernels: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_kernels("off")
    assert why_not() == (
        "fast kernels TENFOLD_KERNELS=off: pooling and Adam take the slower PyTorch path"
    )
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    use_kernels("")
    assert available() is None
    assert "not compiled" in why_not()
    damaged = tmp_path / f"kernels_generic{library.LIBRARY_SUFFIX}"
    damaged.write_bytes(b"not a library")
    use_kernels("")
    assert available() is None
    assert "cannot be loaded" in why_not()
    assert "\n" not in why_not()


@compiled
def test_with_kernels_there_is_nothing_to_explain(use_kernels: Callable[[str], None]) -> None:
    use_kernels("")
    assert why_not() == ""
    assert available() in library.INSTRUCTION_SETS


PROCESS = """
import json, resource, torch
from pathlib import Path
from tenfold.model.kernels.functional import relu_pool, tune_process

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.empty(10_000_000).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

relu_pool(torch.ones(8, 16, 28, 28), "mixed")
maps = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
runtimes = [path for path in maps if "gomp" in path or "libomp" in path or "libiomp" in path]
before = faults()
tune_process()
for _ in range(3):  # until the heap has its shape
    faults()
print(json.dumps({"runtimes": runtimes, "before": before, "after": faults()}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
def test_one_openmp_runtime_and_few_page_faults_in_a_process_of_its_own() -> None:
    answer = subprocess.run([sys.executable, "-c", PROCESS], check=True, capture_output=True)
    found = json.loads(answer.stdout)
    assert len(found["runtimes"]) == 1
    assert found["after"] * 10 <= found["before"]
