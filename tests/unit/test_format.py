"""Bundles on disk: checked, and never executed."""

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from made_bundles import THREE_CONFIGS, write_bundle
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from tenfold.bundle.format import (
    SHIPPED,
    BundleConfig,
    read_card,
    read_config,
    read_model,
    reading_files,
)
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.errors import BundleError

HASHES = {"model.onnx": "model_sha256", "weights.safetensors": "weights_sha256"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def change(bundle: Path, **keys: Any) -> None:
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def trust(bundle: Path) -> None:
    """Write the hashes of whatever files there are, as a forger would."""
    for name, key in HASHES.items():
        change(bundle, **{key: hashlib.sha256((bundle / name).read_bytes()).hexdigest()})


def test_the_json_is_the_config(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    config = BundleConfig.model_validate(document)
    assert config == read_config(bundle)
    assert config.members == THREE_CONFIGS
    assert document["format"] == 2
    assert document["facts"] == {"recipe": None, "seed": 0, "data": None}
    for name, key in HASHES.items():
        assert document[key] == hashlib.sha256((bundle / name).read_bytes()).hexdigest()


def test_a_bundle_without_a_rejection_threshold_rejects_below_a_half(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    assert document.pop("rejection_threshold") == 0.5
    (bundle / "bundle.json").write_text(json.dumps(document))
    assert read_config(bundle).rejection_threshold == 0.5
    change(bundle, rejection_threshold=0.9)
    assert read_config(bundle).rejection_threshold == 0.9


def test_a_card_may_be_missing_but_not_be_another_encoding(bundle: Path) -> None:
    (bundle / "card.md").write_bytes(b"caf\xe9")
    with pytest.raises(BundleError, match=r"card\.md: not UTF-8 text"):
        read_card(bundle)
    (bundle / "card.md").unlink()
    assert read_card(bundle) == ""


@pytest.mark.parametrize(
    ("name", "load"), [("model.onnx", OnnxClassifier.load), ("weights.safetensors", Bundle.load)]
)
def test_no_flipped_bit_and_no_cut_goes_unnoticed(
    name: str, load: Callable[[Path], Any], bundle: Path
) -> None:
    path = bundle / name
    content = path.read_bytes()
    positions = np.random.default_rng(0).choice(len(content), 60, replace=False)
    damaged = [content[: len(content) // 2], b"", content + b"\0"]
    for position in positions:
        flipped = bytearray(content)
        flipped[position] ^= 1
        damaged.append(bytes(flipped))
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(BundleError, match=rf"{name}: expected SHA-256 "):
            load(bundle)


def remove(name: str) -> Callable[[Path], None]:
    return lambda bundle: (bundle / name).unlink()


def swap(bundle: Path) -> None:
    """Put the files of a bundle of one network in place of this one's."""
    other = write_bundle(bundle.parent / "other", order=(1,))
    for name in HASHES:
        (other / name).replace(bundle / name)


def swap_and_trust(bundle: Path) -> None:
    swap(bundle)
    trust(bundle)


def forget_a_member(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    change(bundle, members=document["members"][:2])


def rewrite(changed: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def do(bundle: Path) -> None:
        path = bundle / "weights.safetensors"
        tensors = load_tensors(path.read_bytes())
        path.write_bytes(save_tensors({key: changed(value) for key, value in tensors.items()}))
        trust(bundle)

    return do


def replace_model(model: bytes) -> Callable[[Path], None]:
    def do(bundle: Path) -> None:
        (bundle / "model.onnx").write_bytes(model)
        trust(bundle)

    return do


def with_external_data(bundle: Path) -> None:
    """Take a weight of the model from a file that lies where the process runs."""
    model = onnx.load(bundle / "model.onnx")
    (weight,) = (w for w in model.graph.initializer if w.name == "00.output.weight")
    secret = Path("secret.bin")
    secret.write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", secret.name
    replace_model(model.SerializeToString())(bundle)


def with_a_custom_operator(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    model.graph.node[0].domain = "elsewhere"
    model.opset_import.append(onnx.helper.make_opsetid("elsewhere", 1))
    replace_model(model.SerializeToString())(bundle)


Damage = dict[str, tuple[Callable[[Path], Any], str]]

DAMAGED_CONFIGS: Damage = {
    "no folder": (lambda b: b.rename(b.parent / "away"), r"bundle\.json: cannot be read"),
    "no json": (
        remove("bundle.json"),
        r"bundle\.json: cannot be read .*name a run or bundle folder",
    ),
    "not json": (lambda b: (b / "bundle.json").write_text("{"), r"bundle\.json: not valid JSON"),
    "deep json": (lambda b: (b / "bundle.json").write_text("[" * 10**5), "not valid JSON"),
    "not text": (lambda b: (b / "bundle.json").write_bytes(b"\xff" * 9), "not valid JSON"),
    "newer": (lambda b: change(b, format=3, x=1), "format: Input should be 2; a newer tenfold"),
    "older": (lambda b: change(b, format=1), "format: 1 is old; convert: `tenfold export "),
    "unknown key": (lambda b: change(b, code="x"), "code: Extra inputs are not permitted"),
    "unknown network key": (
        lambda b: change(b, members=[{"hook": "os.system"}]),
        r"members\.0\.hook: Extra inputs are not permitted",
    ),
    "no members": (lambda b: change(b, members=[]), "members: Tuple should have at least 1 item"),
    "temperature": (lambda b: change(b, temperature=0), "temperature: Input should be greater"),
    "threshold": (
        lambda b: change(b, rejection_threshold=1.1),
        "rejection_threshold: Input should be less",
    ),
    "swapped": (swap, "expected SHA-256 .* found"),
}
DAMAGED_WEIGHTS: Damage = {
    "no weights": (remove("weights.safetensors"), r"weights\.safetensors: cannot be read"),
    "huge": (
        lambda b: change(b, members=[{"widths": [10**12]}]),
        r"members\.0: Value error, a network has at most 100,000,000 parameters",
    ),
    "swapped and forged": (swap_and_trust, r"does not fit bundle\.json: .*blocks\.1"),
    "a member forgotten": (forget_a_member, r"does not fit bundle\.json: 02\..* belongs to no m"),
    "another type": (rewrite(torch.Tensor.bfloat16), "NumPy has no numbers of type 'BF16'"),
    "not finite": (rewrite(lambda value: value / 0), r"00\.\S+ holds NaN or infinity; .* more$"),
}
DAMAGED_MODELS: Damage = {
    "no model": (remove("model.onnx"), r"model\.onnx: cannot be read"),
    "empty": (replace_model(b""), r"model\.onnx: cannot be loaded"),
    "not onnx": (replace_model(b"text" * 9), r"model\.onnx: cannot be loaded"),
    "of ONNX Runtime": (
        replace_model(b"\x08\x00\x00\x00ORTM" + b"\xff" * 99),
        r"model\.onnx: cannot be loaded",
    ),
    "swapped and forged": (swap_and_trust, r"model\.onnx: inputs and outputs do not fit bundle"),
    "a member forgotten": (forget_a_member, r"model\.onnx: inputs and outputs do not fit bundle"),
    "external data": (with_external_data, r"model\.onnx: cannot be loaded: .*xternal"),
    "custom operator": (with_a_custom_operator, r"model\.onnx: cannot be loaded: .*elsewhere"),
}
LOADERS: dict[str, Callable[[Path], Any]] = {"torch": Bundle.load, "onnx": OnnxClassifier.load}
CASES = {
    "torch": DAMAGED_CONFIGS | DAMAGED_WEIGHTS,
    "onnx": DAMAGED_CONFIGS | DAMAGED_MODELS,
}


@pytest.mark.parametrize(
    ("loader", "damage"), [(loader, damage) for loader in CASES for damage in CASES[loader]]
)
def test_damage_is_a_bundle_error_in_one_line(
    loader: str, damage: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    do, message = CASES[loader][damage]
    do(bundle)
    with pytest.raises(BundleError, match=message) as caught:
        LOADERS[loader](bundle)
    assert "\n" not in str(caught.value)
    assert str(bundle) in str(caught.value)


def test_external_data_is_refused_wherever_it_lies(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_external_data(bundle)
    for folder in (bundle, Path(os.devnull).parent):
        monkeypatch.chdir(folder)
        with pytest.raises(BundleError, match="cannot be loaded"):
            OnnxClassifier.load(bundle)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probabilities_that_are_not_finite_are_a_bundle_error(value: float, bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    (bias,) = (w for w in model.graph.initializer if w.name == "00.output.bias")
    bias.raw_data = np.full(10, value, np.float32).tobytes()
    replace_model(model.SerializeToString())(bundle)
    classifier = OnnxClassifier.load(bundle)
    with pytest.raises(BundleError, match=r"model\.onnx: gives no finite probabilities"):
        classifier.probabilities(np.zeros((3, 28, 28), np.uint8))


class WritesWhenUnpickled:
    """Writes a file, as code in a pickle can."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_nothing_in_a_bundle_is_executed(how: str, bundle: Path, tmp_path: Path) -> None:
    written = tmp_path / "written"
    pickle.loads(pickle.dumps(WritesWhenUnpickled(written)))
    assert written.exists()  # unpickling it does write the file
    written.unlink()
    for name in HASHES:
        if how == "torch":
            torch.save(WritesWhenUnpickled(written), bundle / name)
        else:
            (bundle / name).write_bytes(pickle.dumps(WritesWhenUnpickled(written)))
    trust(bundle)
    with pytest.raises(BundleError, match=r"does not fit bundle\.json"):
        Bundle.load(bundle)
    with pytest.raises(BundleError, match="cannot be loaded"):
        OnnxClassifier.load(bundle)
    assert not written.exists()


def test_what_else_lies_in_a_bundle_is_not_needed_to_read(bundle: Path) -> None:
    (bundle / "notes").mkdir()
    (bundle / "notes.txt").write_text("mine")
    assert reading_files(bundle) == [bundle / "bundle.json", bundle / "model.onnx"]
    names = ("bundle.json", "model.onnx", "detector.onnx", "line.onnx", "crop.onnx", "cells.onnx")
    assert reading_files("field") == [SHIPPED / name for name in names]


def test_the_shipped_bundle_is_small_and_reads_digits(mnist_test: Digits) -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) <= 3_000_000
    few = mnist_test.subset(range(500))
    digits = OnnxClassifier.load().probabilities(few.images.numpy()).argmax(axis=1)
    assert (digits == few.labels.numpy()).mean() >= 0.99


@pytest.mark.parametrize("name", ["field", "single"])
def test_both_forms_of_a_shipped_bundle_are_the_same(name: str, tiny_digits: Digits) -> None:
    config, _ = read_model(name)
    assert config.facts.data == "mnist"
    images = tiny_digits.images[:20]
    np.testing.assert_allclose(
        OnnxClassifier.load(name).probabilities(images.numpy()),
        Bundle.load(name).probabilities(images),
        atol=1e-5,
    )
