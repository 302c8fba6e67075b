"""The averages of the weights, against their formula."""

import pytest
import torch

from tenfold.training.ema import EMA, EMAConfig


def test_averages_follow_their_formula() -> None:
    weights = torch.randn(50, generator=torch.Generator().manual_seed(0))
    ema, average = EMA([weights], EMAConfig(decay=0.9, every=3)), weights.double()
    for step in range(36):
        weights += torch.randn(50, generator=torch.Generator().manual_seed(step))
        ema.update(step)
        if step % 3 == 2:  # after 3, 6, 9, … steps
            count = (step + 1) // 3
            decay = min(0.9, (1 + count) / (10 + count))  # 2/11, 3/12, 4/13, 5/14, …
            average = decay * average + (1 - decay) * weights.double()
        torch.testing.assert_close(ema.averages[0].double(), average, rtol=1e-5, atol=1e-6)


def test_several_tensors_are_averaged_apart() -> None:
    weights, statistics = torch.zeros(2), torch.zeros(3)
    ema = EMA([weights, statistics], EMAConfig(decay=0.5, every=1))
    weights += 1
    statistics += 11
    ema.update(0)
    assert ema.averages[0].tolist() == pytest.approx([9 / 11] * 2)  # the first decay is 2/11
    assert ema.averages[1].tolist() == pytest.approx([9] * 3)


def test_without_decay_the_averages_are_the_weights() -> None:
    weights = torch.zeros(4)
    ema = EMA([weights], EMAConfig())
    weights += 1
    ema.update(0)
    assert torch.equal(ema.averages[0], weights)
    assert ema.state() == {}
