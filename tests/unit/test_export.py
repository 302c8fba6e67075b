"""An ONNX file for other programs: the same answers, or no file."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from made_bundles import write_bundle

from tenfold.bundle.format import SHIPPED, read_card, read_config
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data import sources
from tenfold.data.digits import Digits
from tenfold.data.sources import load_digits
from tenfold.errors import BundleError
from tenfold.evaluation.export import export_onnx


@pytest.fixture
def drawn() -> Digits:
    return load_digits("synthetic", "test").subset(range(60))


def test_a_plain_runtime_needs_nothing_but_the_file(drawn: Digits, tmp_path: Path) -> None:
    out = tmp_path / "field.onnx"
    assert export_onnx(SHIPPED, out) is None
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


def test_int8_is_smaller_and_reads_as_well(
    mnist_test: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(data: str, split: str) -> Digits:
        asked.append((data, split))
        # So many that one image more or less is no more than what INT8 may lose.
        return mnist_test.subset({"train": range(2000, 2400), "test": range(2000)}[split])

    monkeypatch.setattr(sources, "load_digits", load)
    out = tmp_path / "small.onnx"
    result = export_onnx(SHIPPED, out, int8=True, batch=20)
    assert asked == [("mnist", "train"), ("mnist", "test")]
    assert out.stat().st_size < 0.35 * (SHIPPED / "model.onnx").stat().st_size
    model = onnx.load(out)
    kinds = {onnx.TensorProto.DataType.Name(c.data_type) for c in model.graph.initializer}
    assert "INT8" in kinds
    metadata = {p.key: p.value for p in model.metadata_props}
    assert metadata["precision"] == "INT8"
    assert metadata["card"] == read_card(SHIPPED)
    assert result is not None
    assert result.images == 2000
    assert result.max_difference > 0  # it is another network
    assert result.accuracy >= result.float32_accuracy - 0.0005
    session = onnxruntime.InferenceSession(str(out))
    batches = mnist_test.images[:2000].numpy().reshape(100, 20, 28, 28)
    found = np.concatenate([session.run(["probabilities"], {"images": b})[0] for b in batches])
    right = found.argmax(axis=1) == mnist_test.labels[:2000].numpy()
    assert right.mean() == pytest.approx(result.accuracy, abs=0.0005)


def test_int8_needs_the_images_that_the_bundle_was_trained_on(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"bundle\.json: facts\.data names no data set; INT8"):
        export_onnx(bundle, tmp_path / "small.onnx", int8=True)
    assert not (tmp_path / "small.onnx").exists()


def test_int8_that_reads_worse_is_not_written(
    drawn: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = OnnxClassifier.load().probabilities(drawn.images.numpy())
    drawn.labels.numpy()[:] = expected.argmax(axis=1)  # the original is right on all
    answers = iter([expected, np.roll(expected, 1, axis=1)])
    monkeypatch.setattr(sources, "load_digits", lambda _data, _split: drawn)
    monkeypatch.setattr(OnnxClassifier, "probabilities", lambda _self, _images: next(answers))
    with pytest.raises(BundleError, match=r"loses 100\.00% of accuracy; nothing was written"):
        export_onnx(SHIPPED, tmp_path / "bad.onnx", int8=True)
    assert list(tmp_path.iterdir()) == []
