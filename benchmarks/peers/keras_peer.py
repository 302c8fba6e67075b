"""The report's network in Keras on TensorFlow, as its guide to custom training loops has it.

`tenfold bench train` calls `build`; see tenfold/benchmark. A tf.function step has none of the
costs of `fit` (metrics, callbacks, an iterator). XLA is used where its step is faster.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

PACKAGES = ("keras", "numpy")
L2_COEFFICIENT = 100.0
LEARNING_RATE = 2e-4
TRIAL_STEPS = 3


def build(key: str, folder: Path, batch: int) -> Callable[[int], None]:
    """Return a function that runs some steps; `key` is Keras' dtype policy."""
    keras.config.set_dtype_policy(key)
    images, labels = (tf.constant(np.load(folder / f"{n}.npy")) for n in ("images", "labels"))
    order = np.load(folder / "order.npy")
    positions = np.arange(batch)

    def prepare(*, xla: bool) -> Callable[[int], None]:
        step = make_step(network(), images, labels, xla=xla)

        def run(steps: int) -> None:
            for _ in range(steps):
                loss = step(tf.constant(order[positions % len(order)]))
                positions[:] += batch
            loss.numpy()

        return run

    return min((prepare(xla=False), prepare(xla=True)), key=trial)


def trial(run: Callable[[int], None]) -> float:
    """Return the seconds of some warm steps; infinite if they do not run."""
    try:
        run(2)
    except tf.errors.OpError:
        return float("inf")
    start = time.perf_counter()
    run(TRIAL_STEPS)
    return time.perf_counter() - start


def network() -> keras.Model:
    """Build the network; Keras' L2(l) is l · Σ w², so l = coefficient / size."""
    x = inputs = keras.Input((28, 28, 1))
    channels = 1
    for filters in (32, 64, 128):
        penalty = keras.regularizers.L2(L2_COEFFICIENT / (9 * channels * filters))
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_regularizer=penalty
        )(x)
        pooled = [
            layers.MaxPooling2D(2, padding="same")(x),
            layers.AveragePooling2D(2, padding="same")(x),
        ]
        x, channels = layers.Average()(pooled), filters
    x = layers.Flatten()(x)
    for units in (1024, 512):
        penalty = keras.regularizers.L2(L2_COEFFICIENT / (x.shape[1] * units))
        x = layers.Dense(units, kernel_regularizer=penalty)(x)
        x = layers.Dropout(0.5)(layers.LeakyReLU(negative_slope=0.2)(x))
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(x))


def make_step(
    model: keras.Model, images: tf.Tensor, labels: tf.Tensor, *, xla: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the compiled step: indices [n] in, loss out."""
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(model.trainable_variables)
    nll = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")

    @tf.function(jit_compile=xla)
    def step(indices: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(tf.gather(images, indices), tf.float32)[..., None] / 255
        with tf.GradientTape() as tape:
            loss = nll(tf.gather(labels, indices), model(pixels, training=True))
            loss += tf.add_n(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step
