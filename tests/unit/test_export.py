"""An ONNX file for other programs: the same answers."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tenfold.bundle.export import export_onnx
from tenfold.bundle.format import BUNDLES, SHIPPED, read_card, read_config
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.digits import Digits
from tenfold.data.sources import load_digits


@pytest.fixture
def drawn() -> Digits:
    return load_digits("synthetic", "test").subset(range(60))


def test_a_plain_runtime_needs_nothing_but_the_file(drawn: Digits, tmp_path: Path) -> None:
    out = tmp_path / "field.onnx"
    export_onnx(SHIPPED, out)
    assert out.read_bytes() == (SHIPPED / "model.onnx").read_bytes()
    session = onnxruntime.InferenceSession(str(out))
    (found,) = session.run(["probabilities"], {"images": drawn.images.numpy()})
    expected = OnnxClassifier.load().probabilities(drawn.images.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["card"] == read_card(SHIPPED)
    assert float(metadata["rejection_threshold"]) == read_config(SHIPPED).rejection_threshold
    assert json.loads(metadata["bundle"])["name"] == "field"


def test_a_model_for_a_fixed_batch_takes_that_many(drawn: Digits, tmp_path: Path) -> None:
    out = tmp_path / "seven.onnx"
    export_onnx(Path("single"), out, batch=7)
    session = onnxruntime.InferenceSession(str(out))
    images = drawn.images[:7].numpy()
    (found,) = session.run(["probabilities"], {"images": images})
    expected = OnnxClassifier.load("single").probabilities(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(Exception, match="Expected: 7"):
        session.run(["probabilities"], {"images": images[:6]})


def test_int8_is_smaller_and_reads_the_same(mnist_test: Digits, tmp_path: Path) -> None:
    out = tmp_path / "small.onnx"
    export_onnx(Path("single"), out, int8=True, batch=20)
    assert out.stat().st_size < 0.35 * (BUNDLES / "single" / "model.onnx").stat().st_size
    session = onnxruntime.InferenceSession(str(out))
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["precision"] == "INT8"
    assert metadata["card"] == read_card("single")
    images = mnist_test.images[:400].numpy()
    batches = images.reshape(20, 20, 28, 28)
    found = np.concatenate([session.run(["probabilities"], {"images": b})[0] for b in batches])
    expected = OnnxClassifier.load("single").probabilities(images)
    assert 0 < np.abs(found - expected).max() < 0.05
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
