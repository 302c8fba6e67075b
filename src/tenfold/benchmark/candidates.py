"""The candidates in PyTorch: tenfold's own step, and how others write the same.

Each candidate trains the report's network on the same batches, from uint8 images in memory:
index, scale, forward, backward, Adam. The report's weight term, c · Σ mean(w²), is in all.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.cpu import available_cores
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.model.config import NetworkConfig
from tenfold.model.kernels.functional import tune_process
from tenfold.training.digits import digit_task
from tenfold.training.hardware import choose_dtype, fast_bfloat16
from tenfold.training.recipe import load_recipe
from tenfold.training.trainer import Trainer

PACKAGES = ("torch",)
CPU = torch.device("cpu")
L2_COEFFICIENT = 100.0
LEARNING_RATE = 2e-4
RECIPE = "report-4-two-stage"
# Sides of the square matrices whose product gives the peak; one takes a tenth of a second.
PEAK_SIZES = {torch.float32: (1024, 2048), torch.bfloat16: (2048, 4096)}
# Operators by the start of their names; the first match counts.
GROUPS = {
    "first convolution, fused": ("tenfold::convolve", "GeneratedBackwardFor_tenfold_convolve"),
    "ReLU and pooling, fused": ("tenfold::", "GeneratedBackwardFor_tenfold"),
    "convolution, backward": ("aten::convolution_backward", "aten::mkldnn_convolution_backward"),
    "convolution, forward": ("aten::mkldnn_convolution", "aten::conv", "aten::_conv"),
    "matrix multiply": ("aten::addmm", "aten::mm", "aten::linear", "aten::mkldnn_linear"),
    "leaky ReLU": ("aten::leaky_relu",),
    "dropout": ("aten::random_", "aten::ge", "aten::mul"),
    "copies and casts": ("aten::copy_",),
    "Adam": ("adam",),
}

Run = Callable[[int], dict[str, Any] | None]


def build(key: str, folder: Path, batch: int) -> Run:
    """Return a function that runs some steps of a candidate; see `worker.py`."""
    torch.set_num_threads(available_cores())
    if key not in {"tenfold", "phases", "stock", "peak"} and not fast_bfloat16(CPU):
        raise SystemExit("this processor does not multiply bfloat16 in hardware")
    builders: dict[str, Callable[[Path, int], Run]] = {
        "tenfold": tenfold_steps,
        "phases": _phases,
        "stock": stock_steps,
        "tuned": tuned_steps,
        "compiled": lambda folder, batch: tuned_steps(folder, batch, compiled=True),
        "peak": _peak,
    }
    return builders[key](folder, batch)


def tenfold_steps(folder: Path, batch: int, device: torch.device = CPU) -> Run:
    """Return tenfold's own step, in the precision that it chooses for the device."""
    trainer = _trainer(folder, batch, device)

    def run(steps: int) -> None:
        for _ in range(steps):
            trainer.step_count %= trainer.schedule.iterations
            trainer.step()

    return run


def _trainer(folder: Path, batch: int, device: torch.device = CPU) -> Trainer:
    tune_process()
    stages = len(load_recipe(RECIPE).training.stages)
    overrides = [f"training.stages.{stage}.batch_size={batch}" for stage in range(stages)]
    digits = Digits(_read(folder, "images"), _read(folder, "labels"), "bench", str(folder))
    recipe = load_recipe(RECIPE, overrides)
    task = digit_task(recipe, 0, digits, device=device)
    return Trainer(task, recipe.training, recipe.ema, choose_dtype("auto", device))


def _read(folder: Path, name: str) -> Tensor:
    return torch.from_numpy(np.load(folder / f"{name}.npy"))


class Batches:
    """Shuffled images in memory, drawn a batch at a time, from the start again at the end."""

    def __init__(self, folder: Path, batch: int, device: torch.device = CPU) -> None:
        self.images, self.labels, self.order = (
            _read(folder, name).to(device) for name in ("images", "labels", "order")
        )
        self.positions = torch.arange(batch, device=device)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return pixels float32 [n, 1, 28, 28] in [0, 1] and labels int64 [n]."""
        indices = self.order[self.positions % len(self.order)]
        self.positions += len(self.positions)
        return self.images[indices].unsqueeze(1).float() / 255, self.labels[indices]


class StockNetwork(nn.Module):
    """The report's network as PyTorch's own layers."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((1, *config.widths))
        )
        side = SIDE
        for _ in config.widths:
            side = -(-side // 2)
        units = (side * side * config.widths[-1], *config.fully_connected)
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(units))
        self.output = nn.Linear(units[-1], CLASSES)
        self.activation = nn.LeakyReLU(config.fully_connected_slope)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map pixels [n, 1, 28, 28] to logits [n, 10]."""
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
            highest = F.max_pool2d(x, 2, ceil_mode=True)
            x = (highest + F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)) / 2
        x = x.flatten(1)
        for dense in self.dense:
            x = self.dropout(self.activation(dense(x)))
        logits: Tensor = self.output(x)
        return logits

    def penalised(self) -> list[nn.Parameter]:
        """Return the weights in the report's mean-square term."""
        return [layer.weight for layer in (*self.convolutions, *self.dense)]


def stock_steps(folder: Path, batch: int, device: torch.device = CPU) -> Run:
    """Float32, eager, defaults throughout, the loss written down as the report has it."""
    batches, network = Batches(folder, batch, device), StockNetwork(NetworkConfig()).to(device)
    weights = network.penalised()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)

    def run(steps: int) -> None:
        for _ in range(steps):
            pixels, labels = batches.draw()
            loss = F.cross_entropy(network(pixels), labels, reduction="sum")
            loss = loss + L2_COEFFICIENT * sum(weight.square().mean() for weight in weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return run


def tuned_steps(
    folder: Path, batch: int, device: torch.device = CPU, *, compiled: bool = False
) -> Run:
    """bfloat16 autocast, channels last, fused Adam, the weight term as its weight decay.

    `weight_decay` d adds d·w to a gradient: 2c / numel makes it that of c · mean(w²).
    """
    batches, network = Batches(folder, batch, device), StockNetwork(NetworkConfig()).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub lacks it
    optimizer = torch.optim.Adam(_decayed(network), LEARNING_RATE, fused=True)
    forward = network.__call__
    if compiled:
        compiler = os.environ.get("CXX", "g++")
        if shutil.which(compiler) is None:
            raise SystemExit(f"torch.compile needs a C++ compiler; {compiler} is not there")
        forward = torch.compile(network, dynamic=False)

    def run(steps: int) -> None:
        for _ in range(steps):
            pixels, labels = batches.draw()
            with torch.autocast(device.type, torch.bfloat16):
                logits = forward(pixels.to(memory_format=torch.channels_last))
                loss = F.cross_entropy(logits, labels, reduction="sum")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return run


def _decayed(network: StockNetwork) -> list[dict[str, Any]]:
    weights = network.penalised()
    known = {id(weight) for weight in weights}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
    return [
        {"params": rest},
        *({"params": [w], "weight_decay": 2 * L2_COEFFICIENT / w.numel()} for w in weights),
    ]


def _peak(_folder: Path, _batch: int) -> Run:
    """Square matrix multiplies: the most arithmetic a second that PyTorch gets from this CPU."""
    dtypes = [torch.float32, torch.bfloat16] if fast_bfloat16(CPU) else [torch.float32]

    def run(steps: int) -> dict[str, Any]:
        found = {}
        for dtype in dtypes:
            name = str(dtype).removeprefix("torch.")
            found[f"{name}_gflops"] = max(_multiply(n, dtype, steps) for n in PEAK_SIZES[dtype])
        return found

    return run


def _multiply(n: int, dtype: torch.dtype, times: int) -> float:
    """Return GFLOP/s of the fastest of some n × n products, each 2n³ operations."""
    a, b = torch.randn(2, n, n).to(dtype)
    fastest = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        torch.mm(a, b)
        fastest = min(fastest, time.perf_counter() - begun)
    return 2 * n**3 / fastest / 1e9


def _phases(folder: Path, batch: int) -> Run:
    """Milliseconds a step of tenfold: by phase from time stamps, by operator from the profiler."""
    trainer = _trainer(folder, batch)
    stamps: list[float] = []

    def stamp(*_: object) -> None:
        stamps.append(time.perf_counter())

    update = trainer.optimizer.step

    def stamped_update(*arguments: Any) -> None:  # noqa: ANN401 - passed on as they are
        stamp()
        with torch.profiler.record_function("adam"):
            update(*arguments)
        stamp()

    trainer.network.register_forward_pre_hook(stamp)
    trainer.network.register_forward_hook(stamp)
    trainer.optimizer.step = stamped_update  # type: ignore[method-assign, assignment]

    def run(steps: int) -> dict[str, Any]:
        spans = []
        for _ in range(steps):
            stamps.clear()
            stamp()
            trainer.step()
            stamp()
            spans.append(np.diff(stamps) * 1e3)
        names = ("batch and augmentation", "forward", "loss and backward", "Adam", "EMA")
        phases = dict(zip(names, np.median(spans, axis=0).tolist(), strict=True))
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for _ in range(steps):
                trainer.step()
        return {"phases": phases, "operators": _grouped(profile.key_averages(), steps)}

    return run


def _grouped(events: Iterable[Any], steps: int) -> dict[str, float]:
    """Add the operators' own time up by group, in milliseconds a step."""
    sums = dict.fromkeys([*GROUPS, "other"], 0.0)
    for event in events:
        group = next((g for g, starts in GROUPS.items() if event.key.startswith(starts)), "other")
        sums[group] += event.self_cpu_time_total / 1e3 / steps
    return sums
