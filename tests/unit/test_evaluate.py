"""The evaluation of a bundle on labelled images."""

from pathlib import Path

import numpy as np
import pytest
from made_bundles import member_logits, write_bundle
from scipy.special import softmax

from tenfold.bundle.torch_bundle import Bundle
from tenfold.data import disputed_labels as disputed
from tenfold.data.digits import Digits
from tenfold.evaluation.evaluate import evaluate_bundle


def test_every_row_of_an_evaluation_is_at_the_bundle_s_temperature(
    tmp_path: Path, tiny_digits: Digits
) -> None:
    bundle = Bundle.load(write_bundle(tmp_path / "bundle", temperature=2.0))
    evaluation = evaluate_bundle(bundle, tiny_digits)
    logits = member_logits(tiny_digits)
    labels = tiny_digits.labels.numpy()
    p = softmax(logits, axis=2)
    expected = [softmax(row / 2, axis=1) for row in logits]
    expected.append(np.sqrt(p.mean(axis=0)))
    expected[-1] /= expected[-1].sum(axis=1, keepdims=True)
    rows = evaluation.models
    assert [row.name for row in rows] == ["member 1", "member 2", "member 3", "ensemble"]
    for row, q in zip(rows, expected, strict=True):
        by_hand = -np.log(q[range(len(labels)), labels]).sum()
        assert row.nll_sum == pytest.approx(by_hand, rel=1e-4)
    calibration = evaluation.calibration
    assert calibration is not None
    before = -np.log(p.mean(axis=0)[range(len(labels)), labels]).sum()
    assert calibration.temperature == 2
    assert calibration.before.nll_sum == pytest.approx(before, rel=1e-4)
    assert calibration.after.nll_sum == rows[-1].nll_sum


def test_disputed_labels_are_counted_beside_the_ordinary_accuracy(
    tmp_path: Path, tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.load(write_bundle(tmp_path / "bundle"))
    assert evaluate_bundle(bundle, tiny_digits).disputed is None
    n = len(tiny_digits)
    wrong = {mistake.index for mistake in evaluate_bundle(bundle, tiny_digits).mistakes}
    doubted = (0, 3, n - 1)
    monkeypatch.setattr(disputed, "_BY_SHA256", {tiny_digits.sha256: doubted})
    left = [index for index in range(n) if index not in doubted]
    found = evaluate_bundle(bundle, tiny_digits).disputed
    assert found is not None
    assert (found.labels, found.mistakes) == (3, len(wrong & set(doubted)))
    assert found.accuracy_without == pytest.approx(1 - len(wrong & set(left)) / len(left))


def test_the_disputed_labels_are_those_of_mnist_s_test_set(mnist_test: Digits) -> None:
    indices = disputed.disputed_labels(mnist_test.sha256)
    assert len(indices) == 15
    # As the study prints them: index, given label.
    given = {947: 8, 2130: 4, 2462: 2, 2597: 5, 3520: 6, 3558: 5, 5937: 5, 6651: 0, 9729: 5}
    assert {index: int(mnist_test.labels[index]) for index in given} == given
