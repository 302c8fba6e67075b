"""The variants of test-time augmentation against SciPy's affine transformation."""

import itertools
from pathlib import Path

import numpy as np
import torch
from made_bundles import three_networks, write_bundle
from scipy import ndimage
from scipy.special import softmax

from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.deskew import deskewed
from tenfold.data.digits import Digits


def test_the_variants_are_deskewed_rotated_and_scaled_or_shifted(
    tmp_path: Path, tiny_digits: Digits
) -> None:
    folder = write_bundle(tmp_path / "bundle", test_time_augmentation="deskew-affine-shift")
    # A black frame: SciPy's constant mode blends nothing outside the outermost pixels.
    digits = tiny_digits.subset(range(100))
    pixels = digits.images.numpy().astype(np.float32) / np.float32(255)
    padded, straight = (np.pad(p, ((0, 0), (2, 2), (2, 2))) for p in (pixels, deskewed(pixels)))
    variants = []
    for degrees, scale in itertools.product((6, -6), (1.2, 0.8)):
        cos, sin = np.cos(np.radians(degrees)) / scale, np.sin(np.radians(degrees)) / scale
        inverse = np.array([[cos, -sin], [sin, cos]])  # of rows, which count downwards
        offset = 15.5 - inverse @ (15.5, 15.5)
        moved = [ndimage.affine_transform(image, inverse, offset, order=1) for image in straight]
        variants.append(torch.from_numpy(np.array(moved)[:, 2:-2, 2:-2]).float())
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        shifted = np.roll(padded, shift, axis=(1, 2))[:, 2:-2, 2:-2]
        variants.append(torch.from_numpy(shifted).float())
    with torch.inference_mode():
        logits = torch.stack(
            [torch.stack([network(x) for x in variants]) for network in three_networks()]
        )
    expected = np.log(softmax(logits.double().numpy(), axis=3).mean(axis=1))
    found = Bundle.load(folder).member_log_probabilities(digits.images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
