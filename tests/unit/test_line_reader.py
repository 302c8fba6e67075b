"""Rows that are read as wholes: probabilities of texts, and how they join the detector's."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tenfold.bundle.detector_runtime import Detections
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.reading.hypotheses import Hypothesis
from tenfold.reading.line_reader import (
    LineReaderConfig,
    read_lines,
    text_probabilities,
    weigh_texts,
)

PAGE = np.full((60, 900), 255, np.uint8)


def random_steps(seed: int, count: int) -> npt.NDArray[np.float32]:
    logits = 3 * np.random.default_rng(seed).standard_normal((count, 15))
    return np.asarray(torch.log_softmax(torch.from_numpy(logits), 1), np.float32)


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(5, 30),
    texts=st.lists(st.text("0123456789.-/:", max_size=5), min_size=1, max_size=4),
)
def test_texts_are_as_probable_as_in_torch(seed: int, count: int, texts: list[str]) -> None:
    steps = random_steps(seed, count)
    expected = [
        -torch.nn.functional.ctc_loss(
            torch.from_numpy(steps).double()[:, None],
            torch.tensor([[1 + DETECTED_CLASSES.index(c) for c in text]], dtype=torch.long),
            torch.tensor([count]),
            torch.tensor([len(text)]),
            reduction="none",
        ).item()
        for text in texts
    ]
    np.testing.assert_allclose(text_probabilities(steps, texts), np.exp(expected), rtol=1e-6)


def test_all_texts_together_are_certain() -> None:
    steps = random_steps(0, 3)
    texts = ["".join(t) for n in range(4) for t in itertools.product(DETECTED_CLASSES, repeat=n)]
    assert text_probabilities(steps, texts).sum() == pytest.approx(1, abs=1e-5)


def sure_of(text: str, steps_px: int = 2) -> npt.NDArray[np.float32]:
    """Return steps that say a text with probability 0.9, and nothing with 0.1."""
    steps = np.full((1 + len(text) * steps_px, 15), -50.0, np.float32)
    steps[:, 0] = 0
    first = 1 + DETECTED_CLASSES.index(text)
    steps[1, [0, first]] = math.log(0.1), math.log(0.9)
    return steps


def row_at(*places: float, height: float = 20.0) -> Detections:
    n = len(places)
    boxes = np.array([(x, 30, 12, height) for x in places], np.float32).reshape(-1, 4)
    classes = np.tile(np.eye(14, dtype=np.float32)[1], (n, 1))
    return Detections(np.ones(n, np.float32), classes, boxes, np.zeros(n, np.float32))


def recogniser_of(steps: npt.NDArray[np.float32]) -> Any:
    def log_probabilities(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        assert crops.shape[1] == 32
        longer = np.full((crops.shape[2] // 2 - len(steps), 15), -50.0, np.float32)
        longer[:, 0] = 0
        return np.tile(np.concatenate([steps, longer]), (len(crops), 1, 1))

    return SimpleNamespace(log_probabilities=log_probabilities)


def probabilities(found: list[Hypothesis]) -> dict[str, float]:
    return {h.text: math.exp(h.log_probability) for h in found}


def test_both_networks_decide() -> None:
    """Of length 0: 0.6 · 0.1; of length 1, which has 0.9: 0.3 · 0.9 and 0.1 · 0.9 · tiny ** 0.5."""
    tried = [
        Hypothesis("", math.log(0.6), ()),
        Hypothesis("7", math.log(0.3), (0,)),
        Hypothesis("1", math.log(0.1), (0,)),
    ]
    config = LineReaderConfig(length_weight=1.0, text_weight=0.5, floor=1e-6)
    [found] = weigh_texts(recogniser_of(sure_of("7")), [(row_at(100), PAGE)], [tried], config)
    shares = {"7": 0.3 * 0.9, "": 0.6 * 0.1, "1": 0.1 * 0.9 * (1e-6 / 0.9) ** 0.5}
    expected = {text: share / sum(shares.values()) for text, share in shares.items()}
    assert probabilities(found) == pytest.approx(expected, rel=1e-4)
    assert [h.text for h in found] == ["7", "", "1"]
    assert found[0].detections == (0,)


def test_texts_that_were_not_tried_keep_their_share() -> None:
    tried = [Hypothesis("7", math.log(0.3), (0,)), Hypothesis("1", math.log(0.2), (0,))]
    [found] = weigh_texts(recogniser_of(sure_of("7")), [(row_at(100), PAGE)], [tried])
    assert sum(probabilities(found).values()) == pytest.approx(0.5)


def test_without_a_weight_the_recogniser_has_no_say() -> None:
    tried = [Hypothesis("", math.log(0.6), ()), Hypothesis("7", math.log(0.4), (0,))]
    config = LineReaderConfig(length_weight=0.0, text_weight=0.0)
    [found] = weigh_texts(recogniser_of(sure_of("7")), [(row_at(100), PAGE)], [tried], config)
    assert probabilities(found) == pytest.approx({"": 0.6, "7": 0.4})


def test_the_recogniser_is_not_asked_about_improbable_texts() -> None:
    tried = [Hypothesis("1", math.log(0.9), (0,)), Hypothesis("77", math.log(1e-6), (0, 1))]
    config = LineReaderConfig(length_weight=1.0, floor=0.01, max_log_ratio=math.log(1e5))
    steps = np.concatenate([sure_of("7"), sure_of("7")])
    [found] = weigh_texts(recogniser_of(steps), [(row_at(100), PAGE)], [tried], config)
    assert probabilities(found)["77"] == pytest.approx(1e-6, rel=0.2)


def test_rows_that_are_too_long_or_empty_stay_as_they_are() -> None:
    tried = [[Hypothesis("11", -0.1, (0, 1))], [Hypothesis("", 0.0, ())]]
    rows = [(row_at(20, 880), PAGE), (row_at(), PAGE)]
    assert weigh_texts(recogniser_of(sure_of("7")), rows, tried) == tried


def test_rows_of_any_number_keep_their_order() -> None:
    widths: list[int] = []

    def log_probabilities(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        widths.append(crops.shape[2])
        return np.zeros((len(crops), crops.shape[2] // 2, 15), np.float32)

    recogniser: Any = SimpleNamespace(log_probabilities=log_probabilities)
    places = [[30 + 20 * k for k in range(1 + n % 7)] for n in range(40)]
    read = read_lines(recogniser, [(row_at(*row), PAGE) for row in places])
    lengths = [0 if steps is None else len(steps) for steps in read]
    expected = [math.ceil((20 * len(row) - 8 + 16) / 8) * 8 // 2 for row in places]
    assert lengths == expected
    assert len(set(widths)) == 7  # crops of one width are read together, none is widened
