"""What a line recogniser learns from: lines of rendered fields, their loss, their batches."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from stub_network import StubDetector

from tenfold.bundle.detector_runtime import Detections
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES
from tenfold.model.line_config import LineConfig
from tenfold.model.line_network import LineNetwork
from tenfold.rendering.fields import Field
from tenfold.training.line_renderer import LINES_A_FIELD, LineRenderer, LineSampling
from tenfold.training.lines import LineBatches, best_path, ctc_loss, measure, stack_lines, widened
from tenfold.training.schedule import Ramp, Schedule, Stage

EXACT = LineSampling(height=0, rise=0, slope=0, ends=(0, 0), phantom=0)


@pytest.fixture(scope="module")
def renderer(tiny_digits: Digits) -> LineRenderer:
    return LineRenderer(tiny_digits, 3)


def test_a_line_is_a_function_of_its_index(renderer: LineRenderer, tiny_digits: Digits) -> None:
    again = LineRenderer(tiny_digits, 3)
    for index in (7, 2, 7):
        one, other = renderer.render(index), again.render(index)
        assert one.labels == other.labels
        assert (one.pixels == other.pixels).all()


def test_the_numbers_of_a_field_are_its_lines(tiny_digits: Digits) -> None:
    """Two numbers, far apart: 12 and 3.4; each crop shows the dark of its own."""
    pixels = np.full((64, 192), 255, np.uint8)
    labels = []
    for x, character in ((20, 1), (36, 2), (120, 3), (128, 10), (140, 4)):
        w, h, y = (3, 3, 41) if character >= CLASSES else (9, 20, 32)
        pixels[y - h // 2 : y + h // 2, x - w // 2 : x + w // 2 + 1] = 0
        labels.append((character, x, y, w, h, 0))
    field = Field(pixels, np.array(labels, np.float32))
    renderer = LineRenderer(tiny_digits, 0, sampling=EXACT)
    lines = list(renderer.lines(field, np.random.default_rng(0)))
    assert [line.labels for line in lines] == [[1, 2], [3, 10, 4]]
    for line in lines:
        dark = ((line.pixels < 128).any(axis=0)).astype(int)
        assert (np.diff(dark) == 1).sum() == len(line.labels)


def test_what_is_found_is_a_line_with_what_is_written_there(tiny_digits: Digits) -> None:
    """Found: the 1 and the 2 of a number, a phantom far off; of a third number only the first."""
    labels = [(k, x, 32, 9, 20, 0) for x, k in ((20, 1), (36, 2), (120, 3), (131, 4))]
    field = Field(np.full((64, 192), 255, np.uint8), np.array(labels, np.float32))
    places = np.array([20, 36, 78, 120])
    boxes = np.array([(x, 32, 10, 21) for x in places], np.float32)
    classes = np.tile(np.eye(14, dtype=np.float32)[7], (len(places), 1))
    found = Detections(np.ones(4, np.float32), classes, boxes, np.zeros(4, np.float32))
    detector: Any = StubDetector(found, field.pixels.shape)
    lines = LineRenderer(tiny_digits, 0).detected_lines(field, detector)
    assert [line.labels for line in lines] == [[1, 2], []]


def test_a_field_without_numbers_is_a_line_without_characters(tiny_digits: Digits) -> None:
    field = Field(np.full((64, 192), 200, np.uint8), np.empty((0, 6), np.float32))
    lines = LineRenderer(tiny_digits, 0).lines(field, np.random.default_rng(0))
    assert [line.labels for line in lines] == [[]]


def test_batches_hold_every_line_once_whatever_the_order(renderer: LineRenderer) -> None:
    """Batches are sorted by width among themselves, so that they are hardly widened."""
    schedule = Schedule([Stage(iterations=15, learning_rate=0.1, batch_size=3)])  # type: ignore[arg-type]
    batches = LineBatches(renderer, schedule, torch.device("cpu"))
    steps = list(range(15))
    found = {step: batches.at(step) for step in steps}
    for step in (13, 2, 7):
        pixels, labels = batches.at(step)
        assert (pixels == found[step][0]).all()
        assert (labels == found[step][1]).all()
    lengths = sorted(int((row >= 0).sum()) for step in steps for row in found[step][1])
    expected = [len(renderer.render(index).labels) for index in range(15 * 3)]
    assert lengths == sorted(expected)
    widths = sorted(found[step][0].shape[2] for step in range(12))
    lines = sorted(renderer.render(index).pixels.shape[1] for index in range(36))
    assert widths == lines[2::3]


def test_batches_have_the_sizes_of_the_schedule(renderer: LineRenderer) -> None:
    ramp = Ramp(start=2, end=9)
    schedule = Schedule([Stage(iterations=14, learning_rate=0.1, batch_size=ramp)])  # type: ignore[arg-type]
    batches = LineBatches(renderer, schedule, torch.device("cpu"))
    sizes = [len(batches.at(step)[0]) for step in range(14)]
    assert sizes == [schedule.at(step).batch_size for step in range(14)]


def test_two_lines_of_a_field_are_cropped_differently(renderer: LineRenderer) -> None:
    pairs = [
        [renderer.render(LINES_A_FIELD * k + place).pixels for place in range(LINES_A_FIELD)]
        for k in range(5)
    ]
    assert any(a.shape != b.shape or (a != b).any() for a, b in pairs)


def test_loss_is_minus_the_logarithm_of_the_sum_over_all_ways() -> None:
    """Of four steps, all paths of classes that collapse to the text "1" are summed up."""
    logits = torch.randn(1, 15, 4, generator=torch.Generator().manual_seed(1)).double()
    log_p = logits[0].log_softmax(0)
    total = 0.0
    for path in itertools.product((0, 2), repeat=4):
        if [c for c, _ in itertools.groupby(path) if c] == [2]:
            total += float(sum(log_p[c, t] for t, c in enumerate(path)).exp())  # type: ignore[union-attr]
    loss = ctc_loss(logits, torch.tensor([[1, -1]]))
    assert float(loss) == pytest.approx(-np.log(total), rel=1e-5)


def test_the_best_path_is_collapsed() -> None:
    classes = [0, 3, 3, 0, 3, 1, 1, 0, 0, 11]
    logits = torch.nn.functional.one_hot(torch.tensor([classes]), 15).permute(0, 2, 1).float()
    assert best_path(logits) == [[2, 2, 0, 10]]


def test_a_network_learns_a_few_lines(renderer: LineRenderer) -> None:
    lines = [line for k in range(30) if 0 < len((line := renderer.render(k)).labels) < 4][:4]
    network = LineNetwork(LineConfig(stem=(8, 12, 16), line=24, dilations=(1,)))
    network.initialise(torch.Generator().manual_seed(0)).train()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    pixels, labels = stack_lines(lines)
    for _ in range(160):
        optimizer.zero_grad()
        torch.autograd.backward(ctc_loss(network(pixels), labels))
        optimizer.step()
    metrics = measure(network.train(), lines).metrics
    assert metrics["exact"] >= 0.8
    assert metrics["loss"] < 0.5


def test_a_crop_is_widened_with_its_paper() -> None:
    crop = np.full((32, 8), 90, np.uint8)
    crop[:, 3:5] = 0
    wide = widened(crop, 24)
    assert (wide[:, :8] == crop).all()
    assert (wide[:, 8:] == 90).all()
