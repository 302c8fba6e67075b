"""The marks of pens, papers and machines, against NumPy and SciPy, and what none of them may do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import ndimage
from shapes import boxes_by_hand, rectangles, seeded, some_digits
from torch import Tensor

from tenfold.augmentation import degradations as module
from tenfold.augmentation.degradations import (
    Degradations,
    blur_and_noise,
    bounding_boxes,
    contrast,
    degrade,
    downsampling,
    gaussian_blur,
    page_remnants,
    renormalise,
    stroke_width,
    truncation,
)

Effect = Callable[[Tensor, torch.Generator], Tensor]

EFFECTS: tuple[Effect, ...] = (
    stroke_width,
    contrast,
    downsampling,
    blur_and_noise,
    page_remnants,
    truncation,
)
NAMES = tuple(effect.__name__ for effect in EFFECTS)
EVERYTHING = Degradations.model_validate(
    dict.fromkeys((*NAMES, "aspect_ratio"), 0.5) | {"translation": 2}
)


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_an_effect_keeps_shape_type_and_range(effect: Effect, n: int) -> None:
    x = some_digits(n)
    before = x.clone()
    y = effect(x, seeded())
    assert y.shape == (n, 28, 28)
    assert y.dtype == torch.float32
    assert y.isfinite().all()
    assert 0 <= y.min() < y.max() <= 1
    assert torch.equal(x, before)


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_is_decided_by_the_seed(effect: Effect) -> None:
    x = some_digits()
    torch.manual_seed(1)
    first = effect(x, seeded(3))
    torch.manual_seed(2)
    assert torch.equal(effect(x, seeded(3)), first)
    assert not torch.allclose(effect(x, seeded(4)), first, atol=1e-3)


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_leaves_a_digit_behind(effect: Effect) -> None:
    x = some_digits(400)
    y = effect(x, seeded(5))
    kept = y.sum((1, 2)) / x.sum((1, 2))
    assert kept.min() > 0.15  # bars of two dim pixels may lose one, or be thinned
    assert y.amax((1, 2)).min() > 0.3


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_leaves_a_digit_where_it_is(effect: Effect) -> None:
    # Neither turned nor mirrored nor moved: most like itself among its eight images.
    x = some_digits(400)
    x = x * torch.linspace(0.5, 1, 28)[:, None] * torch.linspace(0.7, 1, 28)  # no digit symmetric
    y = effect(x, seeded(6))
    turned = [x.rot90(k, (1, 2)) for k in range(4)]
    both = torch.stack(turned + [image.flip(2) for image in turned])
    likeness = torch.cosine_similarity(both.flatten(2), y.flatten(1)[None], dim=2)
    assert float((likeness.argmax(0) == 0).float().mean()) > 0.97


@pytest.mark.parametrize("effect", EFFECTS)
def test_blank_images_survive(effect: Effect) -> None:
    y = effect(torch.zeros(9, 28, 28), seeded())
    assert y.isfinite().all()
    assert 0 <= y.min() <= y.max() <= 1
    if effect in {stroke_width, contrast, downsampling, truncation}:  # the others add something
        assert not y.any()


def test_all_effects_together_keep_shape_type_and_range() -> None:
    x = torch.cat([some_digits(), torch.zeros(3, 28, 28), torch.ones(2, 28, 28)])
    before = x.clone()
    y = degrade(x, EVERYTHING, seeded())
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert y.isfinite().all()
    assert 0 <= y.min() < y.max() <= 1 + 1e-6
    assert torch.equal(x, before)
    assert torch.equal(degrade(x, EVERYTHING, seeded()), y)
    assert not torch.allclose(degrade(x, EVERYTHING, seeded(1)), y, atol=1e-3)


def test_an_empty_batch_stays_empty() -> None:
    assert degrade(torch.zeros(0, 28, 28), EVERYTHING, seeded()).shape == (0, 28, 28)


def test_at_fraction_zero_images_are_only_normalised() -> None:
    generator, judge = seeded(), seeded()
    x = some_digits()
    assert not Degradations().active
    assert torch.equal(degrade(x, Degradations(), generator), renormalise(x, Degradations(), judge))
    assert torch.equal(generator.get_state(), judge.get_state())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_an_effect_changes_its_fraction_of_the_images(
    name: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "renormalise", lambda x, *_: x)
    monkeypatch.setattr(module, name, lambda x, _: 1 - x)
    x = some_digits()
    places = set()
    for seed in range(20):
        y = degrade(x, Degradations.model_validate({name: share}), seeded(seed))
        met = (y == 1 - x).flatten(1).all(1)
        assert int(met.sum()) == round(share * 40)
        assert torch.equal(y[~met], x[~met])
        places |= set(met.nonzero().flatten().tolist())
    assert len(places) > 20  # not the same images each time


@pytest.mark.parametrize("name", [*NAMES, "aspect_ratio", "translation", "scale"])
def test_each_field_is_active_alone(name: str) -> None:
    assert Degradations.model_validate({name: 0.5}).active


def test_stroke_width_widens_or_thins_every_stroke_of_an_image() -> None:
    x = rectangles(*[(6, 8, 20, 12)] * 300)  # a core is left, so that nothing has to be stretched
    x[:, 16:20, 8:20] = 0.7
    y = stroke_width(x, seeded())
    order = y.sum((1, 2)).argsort()
    y = y[order]
    assert bool((y.diff(dim=0) >= -1e-6).all())  # one family, from the thinnest to the widest
    wider, thinner = (y >= x).flatten(1).all(1), (y <= x).flatten(1).all(1)
    assert bool((wider | thinner).all())
    # 0.85 : 1.6 are the ranges of the two; 300 draws deviate by less than 0.1.
    assert float(thinner.float().mean()) == pytest.approx(0.85 / 2.45, abs=0.1)
    image = x[0].numpy()
    thinnest = image * 0.15 + 0.85 * ndimage.grey_erosion(image, (3, 3), mode="nearest")
    wide, wider5 = (ndimage.grey_dilation(image, (k, k), mode="nearest") for k in (3, 5))
    np.testing.assert_array_less(thinnest - 1e-6, y[0])
    np.testing.assert_allclose(y[0], thinnest, atol=0.05)
    np.testing.assert_array_less(y[-1], 0.4 * wide + 0.6 * wider5 + 1e-6)
    np.testing.assert_allclose(y[-1], 0.4 * wide + 0.6 * wider5, atol=0.05)


def test_contrast_is_raised_around_a_grey_of_its_own() -> None:
    ramp = torch.linspace(0, 1, 28 * 28).view(1, 28, 28).repeat(200, 1, 1)
    y = contrast(ramp, seeded()).view(200, -1)
    assert bool((y[:, 0] == 0).all())
    assert bool((y[:, -1] == 1).all())
    slope = y.diff(dim=1) * 783
    assert slope.min() >= -1e-4  # the order of greys stays
    steepest = slope.amax(1)
    assert 1 <= steepest.min() + 1e-3 < 1.2  # from no gain at all
    assert 16 < steepest.max() < 20.1  # up to 20-fold, uniform in the logarithm
    assert steepest.median() == pytest.approx(20**0.5, rel=0.3)
    level = (y < torch.linspace(0, 1, 784)).sum(1) / 784  # the grey that stays itself
    gained = steepest > 1.5
    assert 0.24 < level[gained].min() < 0.28
    assert 0.57 < level[gained].max() < 0.61


def test_downsampling_keeps_flat_areas() -> None:
    flat = torch.ones(16, 28, 28)
    torch.testing.assert_close(downsampling(flat, seeded()), flat)


def test_downsampling_loses_detail() -> None:
    stripes = torch.zeros(64, 28, 28)
    stripes[:, :, ::2] = 1
    y = downsampling(
        stripes[:32] * 0.5, seeded()
    )  # at or below the level of the half with contrast
    fine = (stripes[:32] * 0.5).diff(dim=2).abs().mean()
    assert y.diff(dim=2).abs().mean() < 0.6 * fine


def test_truncation_takes_foreground_off_one_side_of_the_box_only() -> None:
    x = some_digits(80)
    y = truncation(x, seeded())
    assert bool((y <= x).all())
    changed = (y != x).numpy()
    sides = set()
    for before, box in zip(changed, boxes_by_hand(x), strict=True):
        rows, columns = np.nonzero(before)
        if not len(rows):
            continue
        top, left, bottom, right = box
        # Faint strokes outside the box, above 0 and below 0.2, goes with its side.
        taken = {
            "top": rows.max() - top + 1,
            "left": columns.max() - left + 1,
            "bottom": bottom - rows.min() + 1,
            "right": right - columns.min() + 1,
        }
        side, depth = min(taken.items(), key=lambda item: item[1])
        assert depth <= 3
        sides.add(side)
    assert sides == {"top", "left", "bottom", "right"}
    assert changed.any(axis=(1, 2)).mean() > 0.9


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_truncation_leaves_three_quarters_of_a_narrow_digit(width: int) -> None:
    x = rectangles(*[(4, 12, 24, 12 + width)] * 200)
    left = truncation(x, seeded()).sum((1, 2)) / x.sum((1, 2))
    across = 1 - (width // 4) / width
    assert left.min().item() == pytest.approx(min(across, 17 / 20))
    assert left.max().item() == pytest.approx(max(across, 19 / 20))


def test_page_remnants_are_lines_gaps_and_marks() -> None:
    x = some_digits(400)
    y = page_remnants(x, seeded())
    darker, fainter = ((y - x) > 1e-3).flatten(1).any(1), ((x - y) > 1e-3).flatten(1).any(1)
    assert not bool((darker & fainter).any())
    # 0.4 lines and 0.3 marks darken, but some marks lie beyond the picture's side; 0.3 gaps fade
    # where they meet strokes at all.
    assert 0.5 < float(darker.float().mean()) < 0.72
    assert 0.1 < float(fainter.float().mean()) < 0.35
    for change in (y - x)[fainter]:
        rows, columns = np.nonzero(change.numpy() < -1e-3)
        cross = {(row, column) for row, column in zip(rows, columns, strict=True)}
        row, column = np.bincount(rows).argmax(), np.bincount(columns).argmax()
        assert all(r == row or c == column for r, c in cross)


def test_gaussian_blur_is_scipy_s_binomial() -> None:
    x = torch.rand(5, 28, 28, generator=seeded())
    expected = x.double().numpy()
    for axis in (1, 2):
        weights = np.array([1, 4, 6, 4, 1]) / 16
        expected = ndimage.convolve1d(expected, weights, axis, mode="constant")
    np.testing.assert_allclose(gaussian_blur(x), expected, atol=1e-6)


def test_bounding_boxes_are_numpy_s() -> None:
    generator = seeded()
    sparse = torch.rand(500, 28, 28, generator=generator)
    share = torch.rand(500, 1, 1, generator=generator) ** 4
    x = torch.where(torch.rand(500, 28, 28, generator=generator) < share, sparse, 0)
    x = torch.cat([x, torch.zeros(1, 28, 28), 0.2 * rectangles((9, 3, 14, 20))])
    boxes = bounding_boxes(x)
    assert boxes.dtype == torch.int64
    np.testing.assert_array_equal(boxes, boxes_by_hand(x))
    assert boxes[-2:].tolist() == [[0, 0, 27, 27]] * 2  # without strokes, the whole frame


@pytest.mark.parametrize(
    "wrong",
    [
        {"stroke_width": -0.1},
        {"blur_and_noise": 1.1},
        {"translation": 9},
        {"scale": 1.0},
        {"stroke_with": 0.5},
    ],
    ids=str,
)
def test_impossible_values_and_unknown_keys_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Degradations.model_validate(wrong)
