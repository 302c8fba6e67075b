"""Geometric augmentation: affine maps of `tenfold.data.affine`, and elastic deformation.

Elastic deformation adds to the position that is read a smooth random displacement, a cubic
B-spline over control points 7 pixels apart (Rueckert et al. 1999, "free-form deformations"). It is
about as smooth as the Gaussian of 4 pixels with which Simard, Steinkraus & Platt (2003) blurred
theirs.
"""

import functools

import torch
from pydantic import Field
from torch import Tensor

from tenfold.data.affine import AffineRanges, draw_inverses, warp
from tenfold.data.mnist import SIDE

CONTROL_SPACING_PX = 7
CONTROLS_PER_AXIS = SIDE // CONTROL_SPACING_PX + 3
"""A cubic B-spline needs control points beyond each end."""


class Augmentation(AffineRanges):
    """How images of a training batch are moved at random."""

    deskew: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability that an image is deskewed before it is moved",
    )
    elastic: float = Field(
        default=0.0, ge=0, le=5, description="pixels: standard deviation of smooth displacements"
    )

    @property
    def active(self) -> bool:
        """Whether any image is moved at all."""
        return any((self.rotation, self.scale, self.shear, self.translation, self.elastic))


def augment(images: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Move each image by an affine map of its own.

    Args:
        images: uint8[n, 28, 28].
        config: how far; all zero leaves the generator untouched.
        generator: source of the 5 uniform draws per image, and of 98 normal ones if `elastic`;
            on the CPU, so that the draws are the same whatever device the images are on.

    Returns:
        float32[n, 28, 28] in [0, 1], on the images' device; exactly ``images / 255`` when the
        config is all zero.
    """
    if not config.active:
        return images.to(torch.float32).div_(255)
    inverses = draw_inverses(len(images), config, generator)
    if not config.elastic:
        return warp(images, inverses)
    controls = torch.randn(len(images) * 2, CONTROLS_PER_AXIS**2, generator=generator)
    return warp(images, inverses, (controls * config.elastic, spline_basis()))


@functools.cache
def spline_basis() -> Tensor:
    """Return what each control point adds to each pixel: float32[49, 784].

    Scaled so that independent unit normals at the controls give displacements whose variance is
    1 on average over the image.
    """
    axis = torch.arange(SIDE) / CONTROL_SPACING_PX
    distance = (axis[None] - (torch.arange(CONTROLS_PER_AXIS) - 1)[:, None]).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp_min(0) ** 3 / 6
    along = torch.where(distance < 1, near, far)
    basis = torch.einsum("ay,bx->abyx", along, along).reshape(CONTROLS_PER_AXIS**2, SIDE**2)
    return basis / basis.square().sum(0).mean().sqrt()
