"""Time the operators of a training step of the report's network and draw a roofline plot.

python benchmarks/roofline.py docs/images/roofline.svg

Operations and memory traffic are counted, not measured: two operations for a multiply-add, each
operand read once and each result written once. Inputs are cold: each call takes another copy of
them, and all copies together are larger than the cache.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional, grad

from tenfold.model.kernels.functional import adam_step, tune_process
from tenfold.training.hardware import choose_dtype

BATCH = 400
COPIES_BYTES = 96 * 2**20
SECONDS_PER_OPERATOR = 1.0
LEAST_CALLS = 3
MakeInputs = Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Point:
    """An operator: operations, bytes of memory traffic and median seconds of a call."""

    name: str
    operations: float
    traffic: float
    seconds: float
    ours: bool


def timed(call: Callable[..., Any], make_inputs: MakeInputs) -> float:
    """Return the median seconds of a call on inputs that are not in the cache."""
    first = make_inputs()
    copies = max(2, COPIES_BYTES // sum(t.numel() * t.element_size() for t in first))
    inputs: Iterator[tuple[Tensor, ...]] = cycle(
        [first, *(make_inputs() for _ in range(copies - 1))]
    )
    for _ in range(3):
        call(*next(inputs))
    times: list[float] = []
    end = time.perf_counter() + SECONDS_PER_OPERATOR
    while time.perf_counter() < end or len(times) < LEAST_CALLS:
        arguments = next(inputs)
        start = time.perf_counter()
        call(*arguments)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def image(channels: int, side: int, dtype: torch.dtype) -> Tensor:
    """Return activations [BATCH, channels, side, side] in channels-last memory."""
    drawn = torch.randn(BATCH, channels, side, side, dtype=dtype)
    return drawn.contiguous(memory_format=torch.channels_last)


def convolution(inputs: int, outputs: int, side: int, dtype: torch.dtype) -> Iterator[Point]:
    """Time a 3×3 convolution forward and backward."""
    work = 2 * BATCH * side**2 * 9 * inputs * outputs
    size = dtype.itemsize * BATCH * side**2
    weight = torch.randn(outputs, inputs, 3, 3, dtype=dtype)
    name = f"convolution {inputs} → {outputs}"

    def forward(x: Tensor) -> Tensor:
        return functional.conv2d(x, weight, padding=1)

    def backward(dy: Tensor, x: Tensor) -> None:
        grad.conv2d_weight(x, weight.shape, dy, padding=1)  # type: ignore[no-untyped-call]
        grad.conv2d_input(x.shape, weight, dy, padding=1)  # type: ignore[no-untyped-call]

    seconds = timed(forward, lambda: (image(inputs, side, dtype),))
    yield Point(f"{name}, forward", work, size * (inputs + outputs), seconds, ours=False)
    seconds = timed(backward, lambda: (image(outputs, side, dtype), image(inputs, side, dtype)))
    traffic = size * (2 * inputs + 2 * outputs)
    yield Point(f"{name}, backward", 2 * work, traffic, seconds, ours=False)


def product(inputs: int, outputs: int, dtype: torch.dtype) -> Iterator[Point]:
    """Time a fully connected layer forward and backward."""
    work, b = 2 * BATCH * inputs * outputs, dtype.itemsize
    weights, sides = b * inputs * outputs, b * BATCH * (inputs + outputs)

    def make() -> tuple[Tensor, ...]:
        shapes = ((BATCH, inputs), (BATCH, outputs), (outputs, inputs))
        return tuple(torch.randn(shape, dtype=dtype) for shape in shapes)

    name = f"fully connected {inputs:,} → {outputs:,}"
    seconds = timed(lambda x, _, w: x @ w.T, make)
    yield Point(f"{name}, forward", work, weights + sides, seconds, ours=False)
    seconds = timed(lambda x, dy, w: (dy @ w, dy.T @ x), make)
    yield Point(f"{name}, backward", 2 * work, 2 * (weights + sides), seconds, ours=False)


def pooling(channels: int, side: int, dtype: torch.dtype) -> Iterator[Point]:
    """Time ReLU and mixed pooling in one pass; five operations an element each way."""
    elements, b = BATCH * channels * side**2, dtype.itemsize
    half = side // 2
    code = torch.ops.tenfold.relu_pool(image(channels, side, dtype), 0.5, 0.5)[1]
    forward, backward = torch.ops.tenfold.relu_pool, torch.ops.tenfold.relu_pool_backward
    traffic = elements * (b + b / 4 + 1 / 4)
    name = f"ReLU + pooling, {channels} channels"
    seconds = timed(lambda x: forward(x, 0.5, 0.5), lambda: (image(channels, side, dtype),))
    yield Point(f"{name}, forward", 5 * elements, traffic, seconds, ours=True)
    seconds = timed(
        lambda dy: backward(dy, code, side, side, 0.5, 0.5),
        lambda: (image(channels, half, dtype),),
    )
    yield Point(f"{name}, backward", 5 * elements, traffic, seconds, ours=True)


def first_block(dtype: torch.dtype) -> Iterator[Point]:
    """Time the first convolution, fused with ReLU and pooling, forward and backward."""
    channels, side = 32, 28
    work = 2 * BATCH * side**2 * 9 * channels
    traffic = BATCH * side**2 * (4 + channels / 4 * (dtype.itemsize + 1))
    filters, bias, low = torch.randn(9, channels), torch.randn(channels), dtype == torch.bfloat16
    forward = torch.ops.tenfold.convolve_relu_pool
    backward = torch.ops.tenfold.convolve_relu_pool_backward
    pixels = torch.randn(BATCH, side, side)
    code = forward(pixels, filters, bias, low, 0.5, 0.5)[1]
    seconds = timed(
        lambda x: forward(x, filters, bias, low, 0.5, 0.5),
        lambda: (torch.randn(BATCH, side, side),),
    )
    yield Point("first block, forward", work, traffic, seconds, ours=True)
    seconds = timed(
        lambda dy: backward(dy, code, pixels, 0.5, 0.5),
        lambda: (image(channels, side // 2, dtype),),
    )
    yield Point("first block, backward", work, traffic, seconds, ours=True)


def adam(weights: int, dtype: torch.dtype) -> Point:
    """Time the optimizer's pass over so many weights, with fifteen operations each."""
    settings: dict[str, Any] = {"step": 9, "learning_rate": 1e-3, "betas": (0.9, 0.999)}
    settings |= {"epsilon": 1e-8, "l2": 0.0, "weight_decay": 0.0}
    low = dtype.itemsize < torch.float32.itemsize

    def make() -> tuple[Tensor, ...]:
        moments = tuple(torch.rand(weights) for _ in range(3))
        return *moments, torch.rand(weights).to(dtype), torch.empty(weights, dtype=dtype)

    def call(w: Tensor, m: Tensor, v: Tensor, gradient: Tensor, copy: Tensor) -> None:
        adam_step(w, m, v, gradient, copy if low else None, **settings)

    traffic = weights * (24 + dtype.itemsize * (2 if low else 1))
    return Point("Adam", 15 * weights, traffic, timed(call, make), ours=True)


def roofs(dtype: torch.dtype) -> tuple[float, float]:
    """Return operations a second of a large matrix product, and bytes a second of a sum."""
    side, size = 3072, 16 * 2**20
    seconds = timed(
        lambda a, b: a @ b, lambda: tuple(torch.randn(2, side, side, dtype=dtype).unbind())
    )
    added = timed(lambda a, b: a.add_(b), lambda: (torch.rand(size), torch.rand(size)))
    return 2 * side**3 / seconds, 3 * 4 * size / added


def draw(points: list[Point], peak: float, bandwidth: float, path: Path) -> None:
    """Draw operations a second over operations a byte, with the two roofs."""
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots()
    intensities = [0.2, peak / bandwidth, 2000]
    axes.loglog(
        intensities, [min(peak, bandwidth * i) / 1e9 for i in intensities], color="#555555", lw=1.5
    )
    axes.text(12, peak / 1e9 * 1.5, f"matrix product: {peak / 1e9:,.0f} GFLOP/s")
    axes.text(0.22, bandwidth / 1e9, f"memory:\n{bandwidth / 1e9:,.0f} GB/s")
    for number, point in enumerate(points, 1):
        place = point.operations / point.traffic, point.operations / point.seconds / 1e9
        colour = "#d55e00" if point.ours else "#0072b2"
        axes.plot(*place, "o", color=colour, ms=4)
        aside = (5, -3) if number % 2 else (-14, -3)
        axes.annotate(
            str(number), place, xytext=aside, textcoords="offset points", color=colour, fontsize=8
        )
    key = "\n".join(f"{number:2} {point.name}" for number, point in enumerate(points, 1))
    axes.text(1.02, 1.0, key, transform=axes.transAxes, va="top", fontsize=8)
    axes.set_ylim(8, 1500)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("operations per byte of memory traffic")
    axes.set_ylabel("GFLOP/s")
    axes.set_title("orange: tenfold's kernels; blue: oneDNN's", loc="left", fontsize=10)
    axes.grid(alpha=0.25, lw=0.4)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Measure, print a Markdown table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    path = parser.parse_args().picture
    tune_process()
    torch.manual_seed(0)
    dtype = choose_dtype("auto", torch.device("cpu"))
    with torch.no_grad():
        peak, bandwidth = roofs(dtype)
        points = [
            *first_block(dtype),
            *convolution(32, 64, 14, dtype),
            *pooling(64, 14, dtype),
            *convolution(64, 128, 7, dtype),
            *pooling(128, 7, dtype),
            *product(2048, 1024, dtype),
            *product(1024, 512, dtype),
            adam(2048 * 1024, dtype),
        ]
    print(f"{dtype}: {peak / 1e9:,.0f} GFLOP/s, {bandwidth / 1e9:,.1f} GB/s; batch {BATCH}\n")
    print("| | operator | ms | GFLOP/s | GB/s | of the nearer roof |")
    print("|---|---|---|---|---|---|")
    for number, p in enumerate(points, 1):
        roof = min(peak, bandwidth * p.operations / p.traffic)
        print(
            f"| {number} | {p.name} | {1e3 * p.seconds:.2f} | {p.operations / p.seconds / 1e9:,.0f}"
            f" | {p.traffic / p.seconds / 1e9:,.1f} | {p.operations / p.seconds / roof:.0%} |"
        )
    draw(points, peak, bandwidth, path)


if __name__ == "__main__":
    main()
