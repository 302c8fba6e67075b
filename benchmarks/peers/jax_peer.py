"""The report's network in JAX with optax: one jitted step, its state donated.

`tenfold bench train` calls `build`; see tenfold/benchmark. Pooling by reshaping is a third faster
on a CPU than reduce_window, whose gradient scatters.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

PACKAGES = ("jax", "jaxlib", "optax", "numpy")
L2_COEFFICIENT = 100.0
LEARNING_RATE = 2e-4
CONVOLUTIONS = ((3, 3, 1, 32), (3, 3, 32, 64), (3, 3, 64, 128))
DENSE = ((2048, 1024), (1024, 512), (512, 10))

Parameters = list[tuple[jax.Array, jax.Array]]
optimizer = optax.adam(LEARNING_RATE)


def build(key: str, folder: Path, batch: int) -> Callable[[int], None]:
    """Return a function that runs some steps; `key` is the dtype of products."""
    images, labels = (jnp.asarray(np.load(folder / f"{n}.npy")) for n in ("images", "labels"))
    order = np.load(folder / "order.npy")
    positions = np.arange(batch)
    parameters = initial(jax.random.key(0))
    state = (parameters, optimizer.init(parameters), jax.random.key(1))
    step = jax.jit(partial(advance, dtype=jnp.dtype(key)), donate_argnums=0)

    def run(steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            state = step(state, images, labels, order[positions % len(order)])
            positions[:] += batch
        jax.block_until_ready(state)

    return run


def initial(key: jax.Array) -> Parameters:
    """Draw He-normal weights; biases are 0.1."""
    shapes = (*CONVOLUTIONS, *DENSE)
    he = jax.nn.initializers.he_normal()
    keys = jax.random.split(key, len(shapes))
    return [
        (he(k, shape), jnp.full(shape[-1], 0.1, jnp.float32))
        for k, shape in zip(keys, shapes, strict=True)
    ]


def pool(x: jax.Array) -> jax.Array:
    """(max + average) / 2 over 2×2, SAME; x ≥ 0, so padding zeros leaves the maximum alone."""
    n, h, w, c = x.shape
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    windows = x.reshape(n, (h + 1) // 2, 2, (w + 1) // 2, 2, c)
    rows = np.minimum(2, h - np.arange(0, h, 2))
    sizes = jnp.asarray((rows[:, None] * rows)[..., None], x.dtype)  # without the padding
    return (windows.max((2, 4)) + windows.sum((2, 4)) / sizes) / 2


def logits(
    parameters: Parameters, pixels: jax.Array, key: jax.Array, dtype: jnp.dtype
) -> jax.Array:
    """Map pixels [n, 28, 28] in [0, 1] to float32 logits [n, 10]."""
    x = pixels[..., None].astype(dtype)
    count = len(CONVOLUTIONS)
    for weight, bias in parameters[:count]:
        x = jax.lax.conv_general_dilated(
            x, weight.astype(dtype), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = pool(jax.nn.relu(x + bias.astype(dtype)))
    x = x.reshape(len(x), -1)
    for weight, bias in parameters[count:-1]:
        x = jax.nn.leaky_relu(x @ weight.astype(dtype) + bias.astype(dtype), 0.2)
        key, drop = jax.random.split(key)
        x = jnp.where(jax.random.bernoulli(drop, 0.5, x.shape), x * 2, 0)
    weight, bias = parameters[-1]
    return x.astype(jnp.float32) @ weight + bias


def objective(
    parameters: Parameters, pixels: jax.Array, labels: jax.Array, key: jax.Array, dtype: jnp.dtype
) -> jax.Array:
    """Return the summed NLL and the report's weight term, of all layers but the last."""
    scores = logits(parameters, pixels, key, dtype)
    nll = optax.softmax_cross_entropy_with_integer_labels(scores, labels).sum()
    return nll + L2_COEFFICIENT * sum(jnp.square(w).mean() for w, _ in parameters[:-1])


def advance(
    state: tuple[Parameters, Any, jax.Array],
    images: jax.Array,
    labels: jax.Array,
    indices: jax.Array,
    dtype: jnp.dtype,
) -> tuple[Parameters, Any, jax.Array]:
    """Take one step: batch, gradient, Adam."""
    parameters, moments, key = state
    key, drop = jax.random.split(key)
    pixels = images[indices].astype(jnp.float32) / 255
    gradients = jax.grad(objective)(parameters, pixels, labels[indices], drop, dtype)
    updates, moments = optimizer.update(gradients, moments)
    return optax.apply_updates(parameters, updates), moments, key
