"""A bundle in torch: exact, averaged as spelled out."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from made_bundles import member_logits, three_networks, write_bundle
from scipy.special import softmax

from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_a_loaded_bundle_predicts_bit_by_bit_what_was_saved(
    bundle: Path, tiny_digits: Digits
) -> None:
    loaded, made = Bundle.load(bundle), three_networks()
    for network, original in zip(loaded.networks, made, strict=True):
        assert network.config == original.config
        assert not network.training
        for name, tensor in original.state_dict().items():
            assert torch.equal(network.state_dict()[name], tensor)
    in_memory = Bundle(loaded.config, tuple(made))
    ours, theirs = (b.probabilities(tiny_digits.images) for b in (loaded, in_memory))
    assert ours.tobytes() == theirs.tobytes()
    assert ours.dtype == np.float32


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_members_probabilities_are_averaged_then_tempered(
    temperature: float, tmp_path: Path, tiny_digits: Digits
) -> None:
    loaded = Bundle.load(write_bundle(tmp_path / "bundle", temperature=temperature))
    average = softmax(member_logits(tiny_digits), axis=2).mean(axis=0)
    powered = average ** (1 / temperature)
    expected = powered / powered.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.probabilities(tiny_digits.images), expected, rtol=2e-5)


def test_the_order_of_members_does_not_matter(tmp_path: Path, tiny_digits: Digits) -> None:
    answers = [
        Bundle.load(write_bundle(tmp_path / str(order), order=order)).probabilities(
            tiny_digits.images
        )
        for order in itertools.permutations(range(3))
    ]
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=1e-5)


def test_one_member_is_its_own_softmax(tmp_path: Path, tiny_digits: Digits) -> None:
    loaded = Bundle.load(write_bundle(tmp_path / "bundle", order=(1,)))
    expected = softmax(member_logits(tiny_digits)[1], axis=1)
    np.testing.assert_allclose(loaded.probabilities(tiny_digits.images), expected, rtol=2e-5)


def test_batches_do_not_change_an_answer_and_none_is_an_answer(
    bundle: Path, tiny_digits: Digits
) -> None:
    loaded = Bundle.load(str(bundle))
    whole = loaded.probabilities(tiny_digits.images.repeat(2, 1, 1))  # more than one batch
    part = loaded.probabilities(tiny_digits.images)
    np.testing.assert_allclose(whole[400:], part, rtol=1e-5)
    np.testing.assert_allclose(part.sum(axis=1), 1, rtol=1e-5)
    assert loaded.probabilities(tiny_digits.images[:0]).shape == (0, 10)
