"""What is no digit, and what a printed or drawn one: decided by the seed, and labelled right."""

import string
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.normalization import normalize_digit
from tenfold.rendering import non_digits as module
from tenfold.rendering.fonts import LETTERS
from tenfold.rendering.non_digits import (
    SYMBOLS,
    drawn_digits,
    non_digits,
    printed_digits,
)

Draw = Callable[[int, int], tuple[torch.Tensor, torch.Tensor]]

# Digits, and the letters that some hand writes like them.
LOOKALIKES = {
    0: "DOoQ",
    1: "IiJjLlt",
    2: "Zze",
    4: "Yy",
    5: "Ss",
    6: "bG",
    7: "T",
    8: "Bf",
    9: "gqay",
}


def assert_normalized(images: torch.Tensor) -> None:
    """Assert MNIST's normalisation: strokes in a box of 20 pixels, their maximum white."""
    assert images.dtype == torch.uint8
    assert images.shape[1:] == (28, 28)
    assert set(images.amax((1, 2)).tolist()) == {255}
    for image in images.numpy():
        rows, columns = np.nonzero(image)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20


def test_non_digits_are_decided_by_the_seed() -> None:
    first = non_digits(60, seed=3)
    assert_normalized(first)
    assert torch.equal(non_digits(60, seed=3), first)
    other = non_digits(60, seed=4)
    assert int((other != first).flatten(1).any(1).sum()) > 55
    assert len({image.tobytes() for image in first.numpy()}) > 50


@pytest.mark.parametrize("draw", [printed_digits, drawn_digits])
def test_digits_are_decided_by_the_seed(draw: Draw) -> None:
    (images, labels), again, other = (draw(100, seed) for seed in (3, 3, 4))
    assert_normalized(images)
    assert labels.dtype == torch.int64
    assert set(labels.tolist()) == set(range(10))
    assert torch.equal(images, again[0])
    assert torch.equal(labels, again[1])
    assert not torch.equal(labels, other[1])


def test_none_is_an_empty_batch() -> None:
    assert non_digits(0, seed=0).shape == (0, 28, 28)
    for images, labels in (printed_digits(0, seed=0), drawn_digits(0, seed=0)):
        assert images.shape == (0, 28, 28)
        assert labels.shape == (0,)


def test_drawn_digits_show_their_labels() -> None:
    """A network that was trained on MNIST alone reads most of them."""
    images, labels = drawn_digits(300, 1)
    right = Bundle.load("single").probabilities(images).argmax(axis=1) == labels.numpy()
    assert right.mean() > 0.8
    assert min(right[labels.numpy() == digit].mean() for digit in range(10)) > 0.5


def test_printed_digits_show_their_labels() -> None:
    """The mean of what is labelled d is most like d in a font that none of them is written in."""
    images, labels = printed_digits(600, 1)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans Mono:bold"), 60)
    shown = []
    for digit in range(10):
        picture = Image.new("L", (80, 80))
        ImageDraw.Draw(picture).text((20, 5), str(digit), fill=255, font=font)
        shown.append(normalize_digit(np.divide(np.asarray(picture), 255, dtype=np.float32)).ravel())
    means = [images[labels == digit].double().mean(0).numpy().ravel() for digit in range(10)]
    likeness = np.corrcoef(means, shown)[:10, 10:]
    assert likeness.argmax(axis=1).tolist() == list(range(10))


def test_no_letter_is_one_that_may_be_taken_for_a_digit() -> None:
    left_out = set("".join(LOOKALIKES.values()))
    assert not left_out & set(LETTERS)
    assert left_out | set(LETTERS) == set(string.ascii_letters)
    assert len(set(LETTERS)) == len(LETTERS)
    assert not set(SYMBOLS) & set(string.ascii_letters + string.digits)


@pytest.mark.parametrize("character", LETTERS + SYMBOLS + string.digits)
def test_a_character_fits_its_canvas(character: str) -> None:
    for seed in range(40):  # that draw fonts and weights
        page = module._print_text(character, np.random.default_rng(seed))
        assert page.dtype == np.uint8
        assert page.any()
        edges = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
        assert not edges.any()


@pytest.mark.parametrize("kind", [kind for kind, _ in module.KINDS])
def test_every_kind_draws_something(kind: object) -> None:
    assert callable(kind)
    drawn = [kind(np.random.default_rng(seed)) for seed in range(30)]
    for canvas in drawn:
        assert canvas.dtype == np.uint8
        assert 0.002 < (canvas > 127).mean() < 0.9
    assert len({canvas.tobytes() for canvas in drawn}) > 15
    assert kind(np.random.default_rng(7)).tobytes() == drawn[7].tobytes()


def test_the_shares_of_kinds_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [share for _, share in module.KINDS]
    assert sum(shares) == pytest.approx(1)

    def stub(kind: int) -> object:
        return lambda _: np.pad(np.full((20, kind + 1), 255, np.uint8), 4)

    stubs = tuple((stub(kind), share) for kind, share in enumerate(shares))
    monkeypatch.setattr(module, "KINDS", stubs)
    drawn = non_digits(2000, seed=0)
    widths = (drawn[:, 14] > 0).sum(1)
    counts = np.bincount(widths.numpy(), minlength=len(shares) + 1)[1:]
    np.testing.assert_allclose(counts / 2000, shares, atol=0.035)  # three deviations
