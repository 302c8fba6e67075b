"""Probabilities without torch, which takes longer to import than many pictures take to read.

In NumPy, what `Bundle.probabilities` is in torch. Legend of shapes: n images, s pixels a side,
t = ⌈s/2⌉ windows of 2×2 pixels a side, c channels, o outputs, v views. Two layouts differ from
torch's, both to give NumPy long runs of memory:

- activations are [s, s, n, c]: any slice over pixels still holds n·c numbers in a row;
- what a convolution leaves is in phases [2, 2, t, t, n, o], with pixel (2i + a, 2j + b) at
  [a, b, i, j]: pooling is a reduction over the first two axes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from tenfold.bundle.format import SHIPPED, BundleConfig, Weights, member_weights, read_package
from tenfold.bundle.test_time_augmentation import Views, taps
from tenfold.data.deskew import deskewed
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.model.config import SHARES, NetworkConfig, convolution_names

BATCH = 200  # images whose features are kept at once: 20 MB for the eight views of a shipped bundle
CHUNK = 6  # images a pass: fewer, and calls cost more than sums; more leave the near caches

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_ALONE = 2**18  # so many multiplications OpenBLAS does without other threads
_LEAST = 64  # inputs in a piece: more rows keep threads busy
_EPSILON = 1e-5  # what torch adds to a variance
# F(2×2, 3×3) of Lavin & Gray (2016): filters to the 4×4 points where products are taken.
_TO_POINTS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


class Predictor:
    """Trained networks whose softmax outputs are averaged, without torch.

    Safe to share between threads: nothing is kept from one call to the next.
    """

    def __init__(self, config: BundleConfig, weights: Weights) -> None:
        self.config = config
        self._networks = tuple(
            _Network(member, member_weights(weights, index))
            for index, member in enumerate(config.members)
        )

    @classmethod
    def load(cls, path: str | Path = SHIPPED) -> "Predictor":
        """Read a bundle folder, by default the one that is shipped.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
        """
        return cls(*read_package(path))

    def probabilities(self, images_nhw: npt.NDArray[np.uint8]) -> Floats:
        """Map uint8 images [n, 28, 28] to calibrated probabilities float32 [n, 10].

        Raises:
            ValueError: the images are of another type or shape.
        """
        return self.opinions(images_nhw)[0]

    def opinions(self, images_nhw: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Return `probabilities`, and each member's own before the temperature [n, m, 10]."""
        if images_nhw.dtype != np.uint8 or images_nhw.shape[1:] != (SIDE, SIDE):
            given = f"{images_nhw.dtype}{list(images_nhw.shape)}"
            raise ValueError(f"images are {given}, not uint8[n, {SIDE}, {SIDE}]")
        log_p = np.empty((len(self._networks), len(images_nhw), CLASSES), np.float32)
        for start in range(0, len(images_nhw), BATCH):
            views = _views(images_nhw[start : start + BATCH], self.config.views)
            for some, network in zip(log_p, self._networks, strict=True):
                apart = _log_softmax(network.logits(views)).reshape(self.config.views, -1, CLASSES)
                some[start : start + BATCH] = np.logaddexp.reduce(apart, axis=0)
        log_sum = np.logaddexp.reduce(log_p, axis=0)
        calibrated: Floats = np.exp(_log_softmax(log_sum / np.float32(self.config.temperature)))
        return calibrated, np.exp(log_p.swapaxes(0, 1) - np.log(np.float32(self.config.views)))


class _Network:
    """A `DigitNetwork` made ready for inference: batch norm is in the weights."""

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        self.slope, self.dense_slope = config.convolution_slope, config.fully_connected_slope
        self.mean, self.std = np.float32(config.input_mean), np.float32(config.input_std)
        blocks = range(len(config.widths))
        self.shares = tuple(maximum_share(config, weights, block) for block in blocks)
        self.first = _pixel_filters(*folded(weights, "blocks.0", "convolution"))
        self.others = tuple(
            tuple(
                _winograd_filters(*folded(weights, name, "convolution"))
                for name in convolution_names(config, block)
            )
            for block in blocks[1:]
        )
        self.dense = tuple(
            _columns(*folded(weights, f"dense.{index}", "linear"))
            for index in range(len(config.fully_connected))
        )
        self.output = weights["output.weight"].T, weights["output.bias"]

    def logits(self, pixels_hwn: Floats) -> Floats:
        """Map pixels in [0, 1], [28, 28, n], to logits [n, 10]."""
        pixels = (pixels_hwn - self.mean) / self.std
        n = pixels.shape[2]
        x = np.empty((n, len((*self.dense, self.output)[0][0])), np.float32)
        for start in range(0, n, CHUNK):
            x[start : start + CHUNK] = self._features(pixels[:, :, start : start + CHUNK])
        for weight, bias in self.dense:
            x = _rectify(_multiplied(x, weight) + bias, self.dense_slope)
        return _multiplied(x, self.output[0]) + self.output[1]

    def _features(self, pixels_ssn: Floats) -> Floats:
        """Map [28, 28, n] to what the dense layers read: [n, pixels × channels]."""
        side = len(pixels_ssn)
        x = _pool(_convolve_pixels(pixels_ssn, self.first), side, self.slope, self.shares[0])
        for convolutions, share in zip(self.others, self.shares[1:], strict=True):
            side = len(x)
            for filters in convolutions[:-1]:
                x = _woven(_rectify(_convolve(x, *filters), self.slope), side)
            x = _pool(_convolve(x, *convolutions[-1]), side, self.slope, share)
        return x.transpose(2, 0, 1, 3).reshape(x.shape[2], -1)


def _views(images_nhw: npt.NDArray[np.uint8], count: Views) -> Floats:
    """Make the views of images: uint8[n, 28, 28] → float32[28, 28, v·n] in [0, 1], views first."""
    images = images_nhw.astype(np.float32) / np.float32(255)
    if count == 1:
        return images.transpose(1, 2, 0)
    # Rows: a pixel of each image, or of each deskewed one.
    pixels = np.concatenate([images, deskewed(images)], axis=1).reshape(len(images), -1).T
    index, weight = taps()
    shares = zip(index.swapaxes(0, 1), weight.swapaxes(0, 1), strict=True)
    views: Floats = sum(share[:, :, None] * pixels[near] for near, share in shares)
    return np.moveaxis(views, 0, 1).reshape(SIDE, SIDE, -1)


def _log_softmax(x: Floats) -> Floats:
    normalised: Floats = x - np.logaddexp.reduce(x, axis=-1, keepdims=True)
    return normalised


def folded(weights: Weights, name: str, layer: str) -> tuple[Doubles, Doubles]:
    """Return a layer's weight [o, …] and bias [o], the batch norm after it taken in, in float64."""
    weight = weights[f"{name}.{layer}.weight"].astype(np.float64)
    if f"{name}.norm.weight" not in weights:
        return weight, weights[f"{name}.{layer}.bias"].astype(np.float64)
    gain, bias, mean, variance = (
        weights[f"{name}.norm.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + _EPSILON)
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias - mean * scale


def maximum_share(config: NetworkConfig, weights: Weights, block: int) -> float | Floats:
    """Return how much of the maximum a block's pooling takes, a number or one a channel."""
    if config.pooling != "learned":
        return SHARES[config.pooling][0]
    gate = weights[f"blocks.{block}.pool.gate"].astype(np.float64)
    return ((1 + np.tanh(gate / 2)) / 2).astype(np.float32)  # the sigmoid, without overflow


def _columns(weight: Doubles, bias: Doubles) -> tuple[Floats, Floats]:
    """Make a dense layer's weight [o, inputs] float32 [inputs, o]."""
    return np.ascontiguousarray(weight.T, np.float32), bias.astype(np.float32)


def _pixel_filters(weight: Doubles, bias: Doubles) -> Floats:
    """Lay filters [o, 1, 3, 3] for each phase into the 4×4 pixels around a window: [4, 17, o].

    The last row is the bias: patches have a 1 there.
    """
    filters = np.zeros((2, 2, 4, 4, len(weight)))
    for a, b in np.ndindex(2, 2):
        filters[a, b, a : a + 3, b : b + 3] = weight[:, 0].transpose(1, 2, 0)
    biases = np.broadcast_to(bias, (4, 1, len(bias)))
    return np.concatenate([filters.reshape(4, 16, -1), biases], axis=1).astype(np.float32)


def _winograd_filters(weight: Doubles, bias: Doubles) -> tuple[Floats, Floats]:
    """Transform filters [o, c, 3, 3] to [16, c, o], in float64."""
    points = _TO_POINTS @ weight @ _TO_POINTS.T
    filters = points.transpose(2, 3, 1, 0).reshape(16, *weight.shape[1::-1])
    return np.ascontiguousarray(filters, np.float32), bias.astype(np.float32)


def _framed(x: Floats) -> Floats:
    """Put zeros around [s, s, …], so that each window has its 4×4: [2t + 2, 2t + 2, …]."""
    side = len(x)
    outer = side + side % 2 + 2
    framed = np.zeros((outer, outer, *x.shape[2:]), np.float32)
    framed[1 : side + 1, 1 : side + 1] = x
    return framed


def _convolve_pixels(pixels_ssn: Floats, filters: Floats) -> Floats:
    """Convolve one channel [s, s, n], 3×3 SAME, with `_pixel_filters`: phases [2, 2, t, t, n, o].

    Few multiplications a number: moving is what costs. One patch serves a window's four pixels.
    """
    windows = sliding_window_view(_framed(pixels_ssn), (4, 4), axis=(0, 1))[::2, ::2]
    t, _, n = windows.shape[:3]
    patches = np.ones((17, t, t, n), np.float32)
    patches[:16].reshape(4, 4, t, t, n)[...] = windows.transpose(3, 4, 0, 1, 2)
    phases: Floats = np.matmul(patches.reshape(17, -1).T, filters)
    return phases.reshape(2, 2, t, t, n, -1)


def _convolve(x: Floats, filters: Floats, bias: Floats) -> Floats:
    """Convolve [s, s, n, c], 3×3 SAME, by Winograd: phases [2, 2, t, t, n, o].

    Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for each 4×4 patch d and window Y: 16 products instead of 36.
    Measured at 14×14 and 7×7: 1.5 times as fast as im2col, 1.7 times as nine products, as exact.
    """
    x = _framed(x)
    outer, _, n, c = x.shape
    t = outer // 2 - 1
    rows = np.empty((4, t, outer, n, c), np.float32)
    _to_points([x[k : k + 2 * t : 2] for k in range(4)], list(rows))
    points = np.empty((4, 4, t, t, n, c), np.float32)
    _to_points([rows[:, :, k : k + 2 * t : 2] for k in range(4)], [points[:, k] for k in range(4)])
    products: Floats = np.matmul(points.reshape(16, -1, c), filters).reshape(4, 4, t, t, n, -1)
    products[1, 1] += bias  # from here it reaches all four pixels, once
    _from_points(list(products))
    _from_points([products[:2, k] for k in range(4)])
    return products[:2, :2]


def _to_points(d: Sequence[Floats], out: Sequence[Floats]) -> None:
    """Apply Bᵀ along one axis: out = (d₀ - d₂, d₁ + d₂, d₂ - d₁, d₁ - d₃)."""
    np.subtract(d[0], d[2], out=out[0])
    np.add(d[1], d[2], out=out[1])
    np.subtract(d[2], d[1], out=out[2])
    np.subtract(d[1], d[3], out=out[3])


def _from_points(m: Sequence[Floats]) -> None:
    """Apply Aᵀ along one axis, in place: m₀ becomes m₀ + m₁ + m₂ and m₁ m₁ - m₂ - m₃."""
    for target, operation, others in ((m[0], np.add, m[1:3]), (m[1], np.subtract, m[2:4])):
        for other in others:
            operation(target, other, out=target)


def _multiplied(x: Floats, weight: Floats) -> Floats:
    """Return x @ weight, [n, inputs] · [inputs, o]; for few rows, in pieces.

    What BLAS shares out between threads waits, on a busy machine, for the other's turn: one image
    then took 50 ms instead of 2.
    """
    piece = _ALONE // (len(x) * weight.shape[1])
    if not _LEAST <= piece < len(weight):
        return x @ weight
    total: Floats = x[:, :piece] @ weight[:piece]
    for start in range(piece, len(weight), piece):
        total += x[:, start : start + piece] @ weight[start : start + piece]
    return total


def _rectify(x: Floats, slope: float) -> Floats:
    """Apply (leaky) ReLU in place, and return it."""
    # A block of zeros: NumPy's maximum with a scalar is four times slower.
    low = np.multiply(x, slope) if slope else np.zeros(x.shape[2:], np.float32)
    return np.maximum(x, low, out=x)


def _woven(phases: Floats, side: int) -> Floats:
    """Put phases [2, 2, t, t, n, o] back in place: [s, s, n, o]."""
    _, _, t, _, n, o = phases.shape
    whole = phases.transpose(2, 0, 3, 1, 4, 5).reshape(2 * t, 2 * t, n, o)
    return whole[:side, :side]


def _pool(phases: Floats, side: int, slope: float, share: float | Floats) -> Floats:
    """Apply (leaky) ReLU, then 2×2 SAME pooling: [2, 2, t, t, n, o] → [t, t, n, o]."""
    if side % 2:  # what the frame cuts off repeats its neighbour: no pooling can tell
        phases[1, :, -1] = phases[0, :, -1]
        phases[:, 1, :, -1] = phases[:, 0, :, -1]
    sole = share if isinstance(share, float) else None
    if sole == 1:  # the largest stays the largest
        return _rectify(np.maximum.reduce(phases, axis=(0, 1)), slope)
    _rectify(phases, slope)
    pooled: Floats = np.add.reduce(phases, axis=(0, 1))
    pooled *= (1 - share) / 4
    if sole == 0:
        return pooled
    most: Floats = np.maximum.reduce(phases, axis=(0, 1))
    most *= share
    pooled += most
    return pooled
