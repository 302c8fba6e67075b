"""Saving bundles: the same bytes each time, recalibration, conversion of format 1."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from made_bundles import THREE_CONFIGS, noise, three_networks, write_bundle
from onnx import TensorProto

from tenfold.bundle.format import SHIPPED, BundleConfig, BundleFacts, read_card, read_config
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.save import copy_bundle, recalibrate_bundle, save_bundle
from tenfold.bundle.torch_bundle import Bundle
from tenfold.bundle.weights import read_weights
from tenfold.errors import BundleError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_saving_twice_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    saved = contents(bundle)
    assert sorted(saved) == ["bundle.json", "card.md", "model.onnx", "weights.safetensors"]
    assert contents(write_bundle(tmp_path / "again")) == saved


def test_arrays_and_torch_s_tensors_in_any_memory_order_are_saved_alike(
    bundle: Path, tmp_path: Path
) -> None:
    states = [network.state_dict() for network in three_networks()]
    forms: list[Callable[[torch.Tensor], Any]] = [
        lambda tensor: tensor.numpy(),
        lambda tensor: np.asfortranarray(tensor.numpy()) if tensor.ndim else tensor.numpy(),
        lambda tensor: (
            tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        ),
    ]
    config = BundleConfig(name="three", members=THREE_CONFIGS, facts=BundleFacts(seed=0))
    for index, form in enumerate(forms):
        converted = [{key: form(tensor) for key, tensor in state.items()} for state in states]
        save_bundle(tmp_path / str(index), config, converted, "# three\n")
        assert contents(tmp_path / str(index)) == contents(bundle)


def test_weights_of_half_precision_are_read_as_float32(tmp_path: Path) -> None:
    state = three_networks()[1].state_dict()
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_bundle(tmp_path, BundleConfig(name="one", members=THREE_CONFIGS[1:2]), [halves], "")
    _, weights = read_weights(tmp_path)
    assert {key.removeprefix("00.") for key in weights} == halves.keys()
    for key, value in weights.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, halves[key.removeprefix("00.")].float().numpy())


def test_numbers_that_float32_does_not_have_are_not_saved(tmp_path: Path) -> None:
    state = {key: value.double() for key, value in three_networks()[1].state_dict().items()}
    state["output.bias"][3] = 1e300
    config = BundleConfig(name="one", members=THREE_CONFIGS[1:2])
    with pytest.raises(BundleError, match=r"00\.output\.bias holds NaN or infinity"):
        save_bundle(tmp_path / "bundle", config, [state], "")


def test_finite_weights_that_give_no_probabilities_are_not_saved(tmp_path: Path) -> None:
    normalised = next(n for n, c in enumerate(THREE_CONFIGS) if c.normalisation == "batch")
    state = three_networks()[normalised].state_dict()
    state["blocks.0.norm.running_var"].fill_(-1.0)
    config = BundleConfig(name="one", members=THREE_CONFIGS[normalised : normalised + 1])
    with pytest.raises(BundleError, match=r"weights\.safetensors: gives no finite probabilities"):
        save_bundle(tmp_path / "bundle", config, [state], "")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_not_saved(value: float, tmp_path: Path) -> None:
    states = [network.state_dict() for network in three_networks()]
    states[1]["output.bias"][3] = value
    config = BundleConfig(name="three", members=THREE_CONFIGS)
    with pytest.raises(BundleError, match=r"01\.output\.bias holds NaN or infinity"):
        save_bundle(tmp_path / "bundle", config, states, "")
    assert not (tmp_path / "bundle").exists()


def test_recalibration_changes_what_is_computed_and_nothing_else(
    bundle: Path, tmp_path: Path
) -> None:
    recalibrate_bundle(bundle, temperature=2.0, rejection_threshold=0.75)
    expected = contents(write_bundle(tmp_path / "other", temperature=2.0))
    found = contents(bundle)
    for name in ("weights.safetensors", "card.md"):
        assert found[name] == expected[name]
    config = read_config(bundle)
    assert (config.temperature, config.rejection_threshold) == (2.0, 0.75)
    images = noise(7)
    calibrated = OnnxClassifier.load(bundle).probabilities(images)
    np.testing.assert_array_equal(
        calibrated, OnnxClassifier.load(tmp_path / "other").probabilities(images)
    )


def as_format_1(folder: Path, **changes: Any) -> Path:
    """Turn a bundle into one as tenfold 0.1 wrote it."""
    path = folder / "bundle.json"
    new = json.loads(path.read_text())
    members = [member | {"convolutions": 1, "convolution_slope": 0.0} for member in new["members"]]
    variants = {"none": 1, "deskew-affine-shift": 8}[new["test_time_augmentation"]]
    kept = {key: new[key] for key in ("name", "temperature", "weights_sha256", "facts")}
    old = {"format": 1, "members": members, "views": variants, "accept": 0.5} | kept
    path.write_text(json.dumps(old | changes))
    (folder / "model.onnx").unlink()
    return folder


def test_weights_of_eight_bits_are_read_and_computed_as_float32(tmp_path: Path) -> None:
    config = BundleConfig(name="three", members=THREE_CONFIGS, weight_type="int8")
    states = [network.state_dict() for network in three_networks()]
    save_bundle(tmp_path, config, states, "")
    _, weights = read_weights(tmp_path)
    for key, value in weights.items():
        index, _, name = key.partition(".")
        original = states[int(index)][name].numpy()
        rows = np.abs(original.reshape(len(original), -1)) if original.ndim > 1 else original
        step = rows.max(axis=1) / 127 if original.ndim > 1 else np.zeros(1)
        difference = np.abs(value - original).reshape(len(step), -1)
        assert (difference <= 0.501 * step[:, None]).all(), key
    np.testing.assert_allclose(
        OnnxClassifier.load(tmp_path).probabilities(noise(20)),
        Bundle.load(tmp_path).probabilities(torch.from_numpy(noise(20))),
        atol=1e-5,
    )
    model = onnx.load(tmp_path / "model.onnx")
    kept = {c.data_type for c in model.graph.initializer if c.name.endswith(".weight")}
    assert kept == {TensorProto.INT8}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_rounded(value: float, tmp_path: Path) -> None:
    config = BundleConfig(name="one", members=THREE_CONFIGS[:1], weight_type="int8")
    state = three_networks()[0].state_dict()
    state["output.weight"][0, 0] = value
    with pytest.raises(BundleError, match=r"output\.weight holds NaN or infinity"):
        save_bundle(tmp_path / "new", config, [state], "")


SCALES = {
    "of one": np.ones(1, np.float32),
    "of every input": np.ones((1, 60_000), np.float32),
    "without a weight": None,
    "infinite": np.full((10, 1), np.inf, np.float32),
}


@pytest.mark.parametrize("kind", SCALES)
def test_scales_that_fit_no_weight_are_a_bundle_error(kind: str, tmp_path: Path) -> None:
    config = BundleConfig(name="one", members=THREE_CONFIGS[:1])
    state = {k: v.numpy() for k, v in three_networks()[0].state_dict().items()}
    scale = SCALES[kind]
    if scale is None:
        state["no.scale"] = np.ones(3, np.float32)
    else:
        state["output.weight.scale"] = scale
    with pytest.raises(BundleError, match=r"weights\.safetensors: does not fit bundle\.json: "):
        save_bundle(tmp_path / "new", config, [state], "")


def test_a_copy_that_will_be_changed_has_a_classifier_of_float32(tmp_path: Path) -> None:
    copy_bundle("field", tmp_path / "exact")
    copy_bundle("field", tmp_path / "changed", "float32")
    exact, changed = read_config(tmp_path / "exact"), read_config(tmp_path / "changed")
    assert exact == read_config(SHIPPED)
    assert changed.weight_type == "float32" != exact.weight_type
    np.testing.assert_allclose(
        OnnxClassifier.load(tmp_path / "changed").probabilities(noise(20)),
        OnnxClassifier.load(SHIPPED).probabilities(noise(20)),
        atol=1e-5,
    )


def test_a_bundle_of_format_1_is_refused_and_can_be_converted(tmp_path: Path) -> None:
    expected = write_bundle(
        tmp_path / "expected", test_time_augmentation="deskew-affine-shift", temperature=0.7
    )
    old = write_bundle(
        tmp_path / "old", test_time_augmentation="deskew-affine-shift", temperature=0.7
    )
    as_format_1(old)
    for load in (OnnxClassifier.load, Bundle.load):
        with pytest.raises(
            BundleError, match=f"format: 1 is old; .* {old} --format bundle --out NEW"
        ):
            load(old)
    copy_bundle(old, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(expected)


def test_a_network_of_format_1_that_is_no_more_is_named(bundle: Path, tmp_path: Path) -> None:
    members = [config.model_dump() | {"convolutions": 2} for config in THREE_CONFIGS]
    old = as_format_1(bundle, members=members)
    with pytest.raises(BundleError, match=r"members\.0\.convolutions: Extra inputs"):
        copy_bundle(old, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"views": 5},
        {"views": [8]},
        {"members": "none"},
        {"members": [3]},
        {"accept": "always"},
        {"weights_sha256": "0"},
        {"code": "x"},
    ],
    ids=str,
)
def test_damage_in_format_1_is_a_bundle_error(
    change: dict[str, Any], bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=str(bundle)) as caught:
        copy_bundle(as_format_1(bundle, **change), tmp_path / "new")
    assert "\n" not in str(caught.value)


def test_a_copy_of_the_current_format_is_the_same(tmp_path: Path) -> None:
    copy_bundle("field", tmp_path / "copy")
    assert read_card(tmp_path / "copy") == read_card(SHIPPED) != ""
    images = noise(20)
    np.testing.assert_allclose(
        OnnxClassifier.load(tmp_path / "copy").probabilities(images),
        OnnxClassifier.load(SHIPPED).probabilities(images),
        atol=1e-6,
    )
