"""One file for other programs: the same answers, or no file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from tenfold.bundle.format import SHIPPED, BundleConfig, Weights, card_of, read_package
from tenfold.bundle.graph import build_graph
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.data.sources import load_digits
from tenfold.errors import BundleError
from tenfold.evaluation import export
from tenfold.evaluation.export import export_onnx, export_safetensors

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def drawn() -> Digits:
    return load_digits("synthetic", "test").subset(range(60))


def test_a_plain_runtime_needs_nothing_but_the_file(drawn: Digits, tmp_path: Path) -> None:
    out = tmp_path / "field.onnx"
    result = export_onnx(SHIPPED, out, drawn)
    assert result["bytes"] == out.stat().st_size
    assert result["images"] == len(drawn)
    assert result["agreement"] == 1
    assert result["max_difference"] < 1e-5
    session = onnxruntime.InferenceSession(str(out))
    (found,) = session.run(["probabilities"], {"images": drawn.images.numpy()})
    expected = Bundle.load().probabilities(drawn.images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    said = session.get_modelmeta().custom_metadata_map
    assert said["card"] == card_of(SHIPPED)
    assert float(said["rejection_threshold"]) == read_package(SHIPPED)[0].rejection_threshold


def test_a_fixed_batch_is_filled_up_to_be_compared(drawn: Digits, tmp_path: Path) -> None:
    result = export_onnx(SHIPPED, tmp_path / "seven.onnx", drawn, batch=7)
    assert result["images"] == 60
    assert result["max_difference"] < 1e-5


def test_int8_is_smaller_and_says_so(mnist_test: Digits, tmp_path: Path) -> None:
    out = tmp_path / "small.onnx"
    some, others = (mnist_test.subset(range(k, k + 400)) for k in (0, 400))
    result = export_onnx(SHIPPED, out, some, calibration=others, batch=20)
    weights = sum(array.size for array in read_package(SHIPPED)[1].values())
    assert out.stat().st_size < 1.3 * weights
    model = onnx.load(out)
    kinds = {onnx.TensorProto.DataType.Name(c.data_type) for c in model.graph.initializer}
    assert "INT8" in kinds
    assert {p.key: p.value for p in model.metadata_props}["precision"] == "INT8"
    assert result["max_difference"] > 0  # it is another network
    assert result["accuracy"] >= result["torch_accuracy"] - 0.0005


def test_a_graph_that_differs_is_not_written(
    drawn: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warmer(config: BundleConfig, weights: Weights, **given: Any) -> onnx.ModelProto:
        return build_graph(config.model_copy(update={"temperature": 3.0}), weights, **given)

    monkeypatch.setattr(export, "build_graph", warmer)
    with pytest.raises(BundleError, match="PyTorch's; nothing was written"):
        export_onnx(SHIPPED, tmp_path / "wrong.onnx", drawn)
    assert list(tmp_path.iterdir()) == []


def test_int8_that_reads_worse_is_not_written(
    drawn: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = Bundle.load().probabilities(drawn.images).argmax(axis=1)
    drawn.labels[:] = torch.from_numpy(labels)  # torch is right on all
    monkeypatch.setattr(
        export,
        "_probabilities",
        lambda _session, test, _batch: np.roll(Bundle.load().probabilities(test.images), 1, axis=1),
    )
    with pytest.raises(BundleError, match=r"loses 100\.00% of accuracy; nothing was written"):
        export_onnx(SHIPPED, tmp_path / "bad.onnx", drawn, calibration=drawn)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_in_one_file_is_read_like_its_folder(tmp_path: Path) -> None:
    out = tmp_path / "field.safetensors"
    export_safetensors(SHIPPED, out)
    (config, weights), (expected, numbers) = read_package(out), read_package(SHIPPED)
    assert config == expected
    assert weights.keys() == numbers.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(array, numbers[name])
    with safe_open(out, "np") as file:
        assert file.metadata()["card"] == card_of(SHIPPED)
    export_safetensors(out, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == out.read_bytes()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    out = tmp_path / "field.safetensors"
    export_safetensors(SHIPPED, out)
    data = bytearray(out.read_bytes())
    data[-5] ^= 1
    out.write_bytes(data)
    with pytest.raises(BundleError, match=r"field\.safetensors: expected SHA-256"):
        read_package(out)
    out.write_bytes((SHIPPED / "weights.safetensors").read_bytes())
    with pytest.raises(BundleError, match=r"field\.safetensors: no bundle in one file"):
        read_package(out)
    out.write_bytes(b"text")
    with pytest.raises(BundleError, match=r"field\.safetensors: no bundle in one file"):
        read_package(out)
