"""What is no digit, and what a printed or drawn one: decided by the seed, and labelled right."""

import string
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from tenfold.augmentation import outlier_exposure as strangers_module
from tenfold.augmentation.degradations import Imitation
from tenfold.augmentation.outlier_exposure import NO_DIGIT, Bank, Strangers
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.normalization import to_form
from tenfold.rendering import non_digits as module
from tenfold.rendering.non_digits import (
    LETTERS,
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


def in_form(images: torch.Tensor) -> None:
    """Assert MNIST's form: ink in a box of 20 pixels, the darkest white."""
    assert images.dtype == torch.uint8
    assert images.shape[1:] == (28, 28)
    assert set(images.amax((1, 2)).tolist()) == {255}
    for image in images.numpy():
        rows, columns = np.nonzero(image)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20


def test_negatives_are_decided_by_the_seed() -> None:
    first = non_digits(60, seed=3)
    in_form(first)
    assert torch.equal(non_digits(60, seed=3), first)
    other = non_digits(60, seed=4)
    assert int((other != first).flatten(1).any(1).sum()) > 55
    assert len({image.tobytes() for image in first.numpy()}) > 50


@pytest.mark.parametrize("draw", [printed_digits, drawn_digits])
def test_digits_are_decided_by_the_seed(draw: Draw) -> None:
    (images, labels), again, other = (draw(100, seed) for seed in (3, 3, 4))
    in_form(images)
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
    images, labels = drawn_digits(600, 1)
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
        shown.append(to_form(np.divide(np.asarray(picture), 255, dtype=np.float32)).ravel())
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
def test_a_character_fits_its_page(character: str) -> None:
    for seed in range(40):  # that draw fonts and weights
        page = module._glyphs(character, np.random.default_rng(seed))
        assert page.dtype == np.uint8
        assert page.any()
        edges = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
        assert not edges.any()


@pytest.mark.parametrize("kind", [kind for kind, _ in module._KINDS])
def test_every_kind_draws_ink_on_paper(kind: object) -> None:
    assert callable(kind)
    drawn = [kind(np.random.default_rng(seed)) for seed in range(30)]
    for canvas in drawn:
        assert canvas.dtype == np.uint8
        assert 0.002 < (canvas > 127).mean() < 0.9
    assert len({canvas.tobytes() for canvas in drawn}) > 15
    assert kind(np.random.default_rng(7)).tobytes() == drawn[7].tobytes()


def test_the_shares_of_kinds_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [share for _, share in module._KINDS]
    assert sum(shares) == pytest.approx(1)

    def stub(kind: int) -> object:
        return lambda _: np.pad(np.full((20, kind + 1), 255, np.uint8), 4)

    stubs = tuple((stub(kind), share) for kind, share in enumerate(shares))
    monkeypatch.setattr(module, "_KINDS", stubs)
    drawn = non_digits(2000, seed=0)
    widths = (drawn[:, 14] > 0).sum(1)
    counts = np.bincount(widths.numpy(), minlength=len(shares) + 1)[1:]
    np.testing.assert_allclose(counts / 2000, shares, atol=0.035)  # three deviations


def strangers(no_digits: float, digits: float) -> Strangers:
    """Banks whose images tell what they are: negatives from 100 on, the digit d is 200 + d."""
    some, greys = Strangers(Imitation(), seed=0), torch.arange(10, dtype=torch.uint8).view(-1, 1, 1)
    some.banks = [
        Bank((100 + greys).expand(10, 28, 28), torch.full((10,), NO_DIGIT), no_digits),
        Bank((200 + greys).expand(10, 28, 28), torch.arange(10), digits),
    ]
    return some


@pytest.mark.parametrize("n", [1, 7, 40, 256])
@pytest.mark.parametrize(
    ("no_digits", "digits"), [(0.12, 0.05), (0.5, 0.0), (0.0, 0.3), (0.5, 0.49)]
)
def test_strangers_take_their_shares_and_bring_their_labels(
    n: int, no_digits: float, digits: float
) -> None:
    images = torch.arange(n, dtype=torch.uint8).remainder(50).view(n, 1, 1).repeat(1, 28, 28)
    labels = torch.arange(n) % 10
    before = images.clone(), labels.clone()
    some = strangers(no_digits, digits)
    joined, named = some.join(images, labels, torch.Generator().manual_seed(0))
    assert torch.equal(images, before[0])
    assert torch.equal(labels, before[1])
    assert joined.dtype == torch.uint8
    assert named.dtype == torch.int64
    grey = joined[:, 0, 0].long()
    assert torch.equal(joined, joined[:, :1, :1].expand(n, 28, 28))  # images come whole
    is_negative, is_digit = (grey >= 100) & (grey < 110), grey >= 200
    assert int(is_negative.sum()) == round(no_digits * n)
    assert int(is_digit.sum()) == min(round(digits * n), n - round(no_digits * n))
    assert bool((named[is_negative] == NO_DIGIT).all())
    assert torch.equal(named[is_digit], grey[is_digit] - 200)
    kept = ~is_negative & ~is_digit
    assert torch.equal(joined[kept], images[kept])
    assert torch.equal(named[kept], labels[kept])


def test_shares_that_are_rounded_up_end_with_the_batch() -> None:
    some = strangers(0.3, 0.3)
    some.banks.append(some.banks[0])
    images, labels = torch.zeros(5, 28, 28, dtype=torch.uint8), torch.zeros(5, dtype=torch.int64)
    _, named = some.join(images, labels, torch.Generator().manual_seed(0))
    assert (named == NO_DIGIT).tolist() == [True, True, False, False, True]  # 1.5, 1.5 and 1.5


def test_strangers_are_drawn_by_the_generator() -> None:
    some = strangers(0.5, 0.4)
    images, labels = torch.zeros(50, 28, 28, dtype=torch.uint8), torch.zeros(50, dtype=torch.int64)
    first, again, other = (
        some.join(images, labels, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert len(set(first[0][:25, 0, 0].tolist())) > 5


def test_banks_hold_what_the_recipe_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers_module, "_BANK", 40)
    assert not Strangers(Imitation(pen=1), seed=5).banks
    (no_digits,) = Strangers(Imitation(negatives=0.1), seed=5).banks
    assert torch.equal(no_digits.images, non_digits(40, seed=5))
    assert no_digits.labels.tolist() == [NO_DIGIT] * 40
    assert no_digits.share == 0.1
    draws: dict[str, Draw] = {"printed": printed_digits, "drawn": drawn_digits}
    for name, draw in draws.items():
        (bank,) = Strangers(Imitation.model_validate({name: 0.2}), seed=5).banks
        images, labels = draw(len(bank.images), 5)
        assert torch.equal(bank.images, images)
        assert torch.equal(bank.labels, labels)
        assert bank.share == 0.2
    everything = Imitation(negatives=0.1, printed=0.2, drawn=0.3)
    assert sum(bank.share for bank in Strangers(everything, seed=5).banks) == pytest.approx(0.6)
