"""A bundle's ONNX graph computes what torch and plain NumPy compute."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import reference_classifier
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from made_bundles import SMALL, made_bundle, noise
from onnx import TensorProto

from tenfold.bundle.format import BundleConfig
from tenfold.bundle.graph import build_graph
from tenfold.bundle.graph_builder import quantize
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.test_time_augmentation import TestTimeAugmentation
from tenfold.data.digits import Digits
from tenfold.model.config import NetworkConfig

CASES: list[dict[str, Any]] = [
    *({"pooling": pooling} for pooling in ("mixed", "max", "average")),
    {"normalisation": "batch"},
    {"fully_connected_slope": 0.0},
    {"widths": (6, 8, 10, 12, 14), "normalisation": "batch"},  # 28, 14, 7, 4, 2 pixels a side
    {"widths": (2, 3, 4, 5, 6), "pooling": "max"},
    {"widths": (5,), "fully_connected": (), "input_mean": 0.13, "input_std": 0.31},
    {"fully_connected": (9, 7), "normalisation": "batch", "fully_connected_slope": 0.2},
]
AUGMENTATIONS: tuple[TestTimeAugmentation, ...] = ("none", "deskew-affine-shift")


def compare(
    configs: Sequence[NetworkConfig],
    images: npt.NDArray[np.uint8],
    *,
    test_time_augmentation: TestTimeAugmentation = "none",
    temperature: float = 1.0,
) -> npt.NDArray[np.float32]:
    """Hold ONNX Runtime against torch and against the reference; return its probabilities."""
    bundle, weights = made_bundle(
        configs, test_time_augmentation=test_time_augmentation, temperature=temperature
    )
    model = build_graph(bundle.config, weights).SerializeToString()
    found = OnnxClassifier(bundle.config, model).probabilities(images)
    session = onnxruntime.InferenceSession(model)
    (members,) = session.run(["members"], {"images": images})
    assert found.dtype == members.dtype == np.float32
    assert found.shape == (len(images), 10)
    pixels = torch.from_numpy(images)
    in_torch = np.exp(bundle.member_log_probabilities(pixels)).swapaxes(0, 1)
    np.testing.assert_allclose(found, bundle.probabilities(pixels), atol=1e-5)
    np.testing.assert_allclose(members, in_torch, atol=1e-5)
    expected, own = reference_classifier.classify(images, bundle.config, weights)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(members, own, atol=1e-5)
    return found


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_kind_of_network_has_the_same_probabilities(
    case: dict[str, Any], augmentation: TestTimeAugmentation, tiny_digits: Digits
) -> None:
    images = np.concatenate([tiny_digits.images[:10].numpy(), noise(10)])
    config = NetworkConfig(**SMALL | case)
    found = compare([config], images, test_time_augmentation=augmentation)
    assert found.std(axis=0).max() > 0.02  # the answers differ


@pytest.mark.parametrize("temperature", [0.3, 1.0, 50.0])
@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_members_are_averaged_then_calibrated(
    augmentation: TestTimeAugmentation, temperature: float
) -> None:
    first = NetworkConfig(**SMALL, input_mean=0.2)
    second = NetworkConfig(widths=(3, 4), fully_connected=(), initialisation="he", pooling="max")
    compare([first, second], noise(9), test_time_augmentation=augmentation, temperature=temperature)


SLOPES = st.sampled_from([0.0, 0.01, 0.5])
CONFIGS = st.builds(
    NetworkConfig,
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    fully_connected=st.lists(st.integers(1, 9), max_size=2),
    pooling=st.sampled_from(["mixed", "max", "average"]),
    normalisation=st.sampled_from(["none", "batch"]),
    fully_connected_slope=SLOPES,
    input_mean=st.floats(-1, 1, width=32),
    input_std=st.floats(0.25, 2, width=32),
    initialisation=st.just("he"),
)


@settings(max_examples=25, deadline=None)
@given(
    configs=st.lists(CONFIGS, min_size=1, max_size=2),
    n=st.integers(1, 4),
    augmentation=st.sampled_from(AUGMENTATIONS),
    temperature=st.floats(0.5, 4),
)
def test_any_network_has_the_same_probabilities(
    configs: list[NetworkConfig], n: int, augmentation: TestTimeAugmentation, temperature: float
) -> None:
    compare(configs, noise(n), test_time_augmentation=augmentation, temperature=temperature)


def rounded(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Round weights [o, …] to multiples of 1/127 of the largest of each output."""
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    whole: npt.NDArray[np.float64] = np.round(rows / largest * 127) / 127 * largest
    return whole.reshape(weight.shape).astype(np.float32)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weights_of_eight_bits_give_what_the_same_floats_give(case: dict[str, Any]) -> None:
    bundle, weights = made_bundle([NetworkConfig(**SMALL | case)])
    weights |= {name: rounded(value) for name, value in weights.items() if value.ndim > 1}
    config = bundle.config.model_copy(update={"weight_type": "int8"})
    model = build_graph(config, weights)
    kept = [c.data_type for c in model.graph.initializer if c.name.endswith(".weight")]
    assert set(kept) == {TensorProto.INT8}
    found = OnnxClassifier(bundle.config, model.SerializeToString()).probabilities(noise(10))
    expected, _ = reference_classifier.classify(noise(10), bundle.config, weights)
    np.testing.assert_allclose(found, expected, atol=1e-5)


WEIGHTS = stn.arrays(
    np.float32,
    stn.array_shapes(min_dims=2, max_dims=4, max_side=5),
    elements=st.floats(-100, 100, width=32),
)


@given(WEIGHTS, st.integers(0, 1))
def test_a_weight_of_eight_bits_is_off_by_half_a_step_at_most(
    weight: npt.NDArray[np.float32], axis: int
) -> None:
    steps, scales = quantize(weight, axis)
    assert steps.dtype == np.int8
    rows = np.moveaxis(weight.astype(np.float64), axis, 0).reshape(weight.shape[axis], -1)
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    back = np.moveaxis(steps * scales.astype(np.float64), axis, 0).reshape(rows.shape)
    assert (np.abs(back - rows) <= 0.501 * step + np.finfo(np.float32).tiny).all()


def test_weights_are_not_changed() -> None:
    bundle, weights = made_bundle([NetworkConfig(**SMALL, normalisation="batch")])
    for array in weights.values():
        array.flags.writeable = False
    build_graph(bundle.config, weights)


def test_the_model_s_metadata_describes_it() -> None:
    bundle, weights = made_bundle([NetworkConfig(**SMALL)])
    model = build_graph(bundle.config, weights, "what it is")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["card"] == "what it is"
    assert BundleConfig.model_validate_json(metadata["bundle"]) == bundle.config
