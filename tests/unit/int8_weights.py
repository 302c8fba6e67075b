"""Weights that int8 with a scale for each output of a layer can hold."""

from torch import Tensor


def representable(weight: Tensor) -> Tensor:
    """Round a layer's weights [o, …] to multiples of 1/127 of the largest of each output."""
    largest = weight.double().abs().flatten(1).amax(dim=1).view(-1, *[1] * (weight.ndim - 1))
    return ((weight / largest * 127).round() / 127 * largest).to(weight.dtype)
