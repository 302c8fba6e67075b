"""What a crop classifier learns from: crops of rendered fields, with and without a digit."""

from typing import Any

import numpy as np
import pytest
import torch
from stub_network import NOTHING, StubDetector

from tenfold.data.digits import Digits
from tenfold.model.crop_config import NO_DIGIT, CropConfig
from tenfold.model.crop_network import CropNetwork
from tenfold.reading.line_crop import crop_boxes
from tenfold.rendering.fields import Field, FieldConfig, FieldRenderer
from tenfold.training.crop_renderer import (
    CROPS_A_FIELD,
    CropRenderer,
    LabelledCrop,
    boxes_with_errors,
    labelled_boxes,
)
from tenfold.training.crops import crop_loss, measure, stack_crops

ONLY_IMAGES = FieldConfig(only_images=True)


@pytest.fixture(scope="module")
def renderer(tiny_digits: Digits) -> CropRenderer:
    return CropRenderer(tiny_digits, 3)


def field_with(*labels: tuple[float, ...]) -> Field:
    """Return a white field with labels: class, centre x and y, width, height."""
    rows = np.array([(*label, 0) for label in labels], np.float32).reshape(-1, 6)
    return Field(np.full((64, 192), 255, np.uint8), rows)


def test_a_crop_is_a_function_of_its_index(renderer: CropRenderer, tiny_digits: Digits) -> None:
    again = CropRenderer(tiny_digits, 3)
    for index in (7, 2, 7):
        one, other = renderer.render(index), again.render(index)
        assert one.label == other.label
        assert (one.pixels == other.pixels).all()


def test_crops_of_a_field_differ(renderer: CropRenderer) -> None:
    crops = [renderer.render(index) for index in range(3 * CROPS_A_FIELD)]
    assert all(crop.pixels.shape == (32, 32) for crop in crops)
    assert len({crop.pixels.tobytes() for crop in crops if crop.label != NO_DIGIT}) > CROPS_A_FIELD


def test_a_found_box_has_the_label_of_the_digit_that_it_frames() -> None:
    """In turn: a digit, another, both at once, a point, too large, too small, too low, far off."""
    field = field_with((3, 40, 32, 12, 20), (8, 54, 32, 12, 20), (10, 66, 41, 3, 3))
    boxes = [
        (41, 32, 13, 21),
        (53, 33, 14, 20),
        (47, 32, 12, 20),
        (66, 41, 4, 4),
        (40, 32, 20, 38),
        (40, 32, 8, 9),
        (40, 32, 7, 7),
        (150, 32, 13, 21),
    ]
    found = labelled_boxes(field, np.array(boxes, np.float32))
    assert [(box.tolist(), label) for box, label in found] == [
        ([41, 32, 13, 21], 3),
        ([53, 33, 14, 20], 8),
        ([150, 32, 13, 21], NO_DIGIT),
    ]


def test_drawn_errors_are_small_and_marks_are_no_digits() -> None:
    field = field_with(
        (3, 40, 32, 12, 20), (10, 66, 41, 3, 3), (8, 120, 30, 12, 40), (1, 9, 9, 2, 7)
    )
    random = np.random.default_rng(0)
    drawn = [list(boxes_with_errors(field, random)) for _ in range(400)]
    assert all([label for _, label in digits] == [3, 8] for digits in drawn)
    boxes = np.array([[box for box, _ in digits] for digits in drawn])
    np.testing.assert_allclose(boxes[:, 1, :2].mean(0), (120, 30), atol=0.3)
    np.testing.assert_allclose(boxes[:, 1, :2].std(0), (1.6, 1.2), rtol=0.15)
    np.testing.assert_allclose(np.log(boxes[:, 1, 3] / 41).std(), 0.06, rtol=0.15)


def test_what_is_found_in_a_field_without_digits_is_none() -> None:
    found = labelled_boxes(field_with((10, 20, 20, 3, 3)), np.full((2, 4), 20, np.float32))
    assert [label for _, label in found] == [NO_DIGIT, NO_DIGIT]


def test_symbols_in_the_place_of_digits_are_none(tiny_digits: Digits) -> None:
    """The symbols are squares; every fourth field shows some of them."""
    squares = np.zeros((10, 28, 28), np.uint8)
    squares[:, 4:24, 4:24] = 255
    symbols = Digits(torch.from_numpy(squares), torch.arange(10), "squares", "here")
    renderer = CropRenderer(tiny_digits, 3, symbols=symbols, symbol_share=0.25)
    without, fields = CropRenderer(tiny_digits, 3), FieldRenderer(symbols, 3, ONLY_IMAGES)
    alike = []
    for index in range(40 * CROPS_A_FIELD):
        one, field = renderer.render(index), index // CROPS_A_FIELD
        if field % 4 != 3:
            np.testing.assert_array_equal(one.pixels, without.render(index).pixels)
            continue
        assert one.label == NO_DIGIT
        shown = fields.render(field)
        exact = shown.labels[shown.labels[:, 0] < 10, 1:5]
        if len(exact) and one.pixels.std():  # the errors of a box move what it shows a little
            crops = crop_boxes(shown.pixels, exact)
            apart = np.abs(crops.astype(int) - one.pixels).mean(axis=(1, 2))
            alike.append(apart.min() / one.pixels.std())
    assert np.median(alike) < 0.4


def test_every_fourth_crop_is_where_the_detector_finds_something(tiny_digits: Digits) -> None:
    """The detector finds nothing, so these are blank."""
    detector: Any = StubDetector(NOTHING, (64, 192))
    renderer = CropRenderer(tiny_digits, 3, detector)
    labels = np.array([renderer.render(index).label for index in range(40)])
    assert (labels[::CROPS_A_FIELD] == NO_DIGIT).all()
    assert (labels != NO_DIGIT).sum() > 20


def test_a_network_learns_a_few_crops(renderer: CropRenderer) -> None:
    crops = [crop for k in range(60) if (crop := renderer.render(k)).label != NO_DIGIT][:20]
    network = CropNetwork(CropConfig(filters=(8, 12, 16), blocks=(0, 1, 0)))
    network.initialise(torch.Generator().manual_seed(0)).train()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    pixels, labels = stack_crops(crops)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(crop_loss(network(pixels), labels))
        optimizer.step()
    metrics = measure(network.train(), crops).metrics
    assert metrics["accuracy"] == 1
    assert metrics["nll_sum"] < 2


def test_what_is_measured_is_the_loss_and_the_share_of_the_most_probable() -> None:
    network = CropNetwork(CropConfig(filters=(4, 4, 4), blocks=(0, 0, 0))).eval()
    network.initialise(torch.Generator().manual_seed(1))
    random = np.random.default_rng(0)
    crops = [LabelledCrop(random.integers(0, 256, (32, 32), np.uint8), k % 11) for k in range(33)]
    pixels, labels = stack_crops(crops)
    with torch.inference_mode():
        log_p = network(pixels).double().log_softmax(1)
    metrics = measure(network, crops).metrics
    assert metrics["nll_sum"] == pytest.approx(-float(log_p[range(33), labels].sum()), rel=1e-4)
    assert metrics["accuracy"] == pytest.approx(float((log_p.argmax(1) == labels).float().mean()))
