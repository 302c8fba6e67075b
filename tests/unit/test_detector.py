"""The detector's network: local contrast, shapes, precision; and the peaks of its output."""

import math

import numpy as np
import pytest
import torch

from tenfold.model.detector import OUTPUTS, DetectorNetwork
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.layers import local_contrast
from tenfold.model.peaks import peaks

CONFIG = DetectorConfig(stem=(4, 8), body=12, dilations=(1, 2), head=10)


def network() -> DetectorNetwork:
    return DetectorNetwork(CONFIG).initialise(torch.Generator().manual_seed(0))


def picture(seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 200, (1, 48, 64), generator=torch.Generator().manual_seed(seed))


def test_a_flat_picture_has_no_contrast() -> None:
    assert local_contrast(torch.full((1, 48, 64), 170.0)).abs().max() < 1e-4


def test_a_brighter_picture_has_the_same_contrast() -> None:
    x = picture().float()
    torch.testing.assert_close(local_contrast(x + 55), local_contrast(x), atol=1e-3, rtol=1e-3)


def test_faint_strokes_stand_out_in_the_first_channel_only() -> None:
    """A stroke of a third of the contrast: much more than a third, against exactly a third."""
    strokes = torch.zeros(1, 48, 64)
    strokes[:, 20:28, 30:33] = 1
    bold, faint = (local_contrast(200 - contrast * strokes)[0] for contrast in (150, 50))
    assert faint[0].min() / bold[0].min() > 0.6
    assert (faint[1].min() / bold[1].min()).item() == pytest.approx(1 / 3, rel=1e-3)


def test_local_mean_and_deviation_of_the_middle_block() -> None:
    """One 8 × 8 block per grey level: mean and deviation of the 5 × 5 blocks around it."""
    levels = np.random.default_rng(1).integers(0, 256, (5, 5)).astype(float)
    x = np.kron(levels, np.ones((8, 8)))
    middle = local_contrast(torch.from_numpy(x)[None].float())[0, :, 19:21, 19:21].mean((1, 2))
    scaled = levels / 255
    difference = scaled[2, 2] - scaled.mean()
    # The maps of mean and deviation are enlarged linearly: the middle pixels are almost its own.
    assert middle[1].item() == pytest.approx(3 * difference, abs=0.06)
    assert middle[0].item() == pytest.approx(difference / (scaled.std() + 0.03), abs=0.1)


def test_output_has_a_cell_for_every_4_by_2_pixels() -> None:
    assert network().eval()(picture()).shape == (1, OUTPUTS, 12, 32)


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    detector = network().eval()
    both = torch.cat([picture(1), picture(2)])
    torch.testing.assert_close(detector(both)[1:], detector(picture(2)), atol=1e-5, rtol=1e-4)


def test_a_shift_by_whole_cells_shifts_the_output() -> None:
    detector = network().eval()
    x = picture(3)[0].float()
    wide = torch.full((1, 48, 512), 180.0)
    wide[:, :, 160:224] = x
    shifted = torch.full((1, 48, 512), 180.0)
    shifted[:, :, 176:240] = x
    torch.testing.assert_close(
        detector(wide)[..., 60:140], detector(shifted)[..., 68:148], atol=1e-4, rtol=1e-3
    )


def test_bfloat16_is_near_float32() -> None:
    detector = network().eval()
    exact = detector(picture())
    rounded = detector.set_compute_dtype(torch.bfloat16)(picture())
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() < 0.15 * exact.abs().max()


def test_at_the_start_little_is_an_object() -> None:
    assert network().eval()(picture())[:, 0].sigmoid().max() < 0.2


def test_weights_depend_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = network().state_dict()
    torch.manual_seed(2)
    assert all(torch.equal(value, first[key]) for key, value in network().state_dict().items())


def test_peaks_of_an_output_that_is_laid_out_by_hand() -> None:
    output = torch.zeros(OUTPUTS, 6, 8)
    output[0] = -9
    output[0, 2, 5], output[0, 4, 1], output[0, 2, 6] = 2.0, 1.0, 0.5  # the last is no peak
    output[4, 2, 5] = 7.0  # class 3
    output[15:, 2, 5] = torch.tensor([math.log(2), math.log(0.5), 0.25, -0.5, 2.0])
    found = peaks(output, 3)
    assert found.objectness[:2].tolist() == pytest.approx(
        [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))]
    )
    assert found.objectness[2] < 0.001
    assert found.boxes[0].tolist() == pytest.approx([2 * 5.75, 4 * 2.0, 32, 8])
    assert found.boxes[1].tolist() == pytest.approx([2 * 1.5, 4 * 4.5, 16, 16])
    assert found.classes[0].argmax() == 3
    assert found.printed.tolist() == pytest.approx([1 / (1 + math.exp(-2)), 0.5, 0.5])
    torch.testing.assert_close(found.classes.sum(1), torch.ones(3))


def test_of_a_small_picture_all_cells_may_be_peaks() -> None:
    assert len(peaks(torch.zeros(OUTPUTS, 2, 3), 50).objectness) == 6
