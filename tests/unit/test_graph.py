"""A bundle as an ONNX graph: what ONNX Runtime computes from it is what torch does."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from test_predict import CASES, SMALL, trained

from tenfold.bundle.format import BundleConfig, Weights
from tenfold.bundle.graph import INPUT, build_graph
from tenfold.bundle.runtime import BATCH, Session
from tenfold.bundle.test_time_augmentation import Views
from tenfold.bundle.torch_bundle import Bundle
from tenfold.model.config import NetworkConfig

pytestmark = pytest.mark.usefixtures("one_thread")


def made(
    configs: list[NetworkConfig], *, views: Views = 1, temperature: float = 1.0
) -> tuple[Bundle, Weights]:
    """Make a bundle in torch, and the weights of it that a package would hold."""
    networks = tuple(trained(config, seed) for seed, config in enumerate(configs))
    weights = {
        f"{index:02}.{name}": tensor.numpy()
        for index, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    config = BundleConfig(
        name="made",
        members=tuple(configs),
        views=views,
        temperature=temperature,
        weights_sha256="",
    )
    return Bundle(config, networks), weights


def images(count: int) -> torch.Tensor:
    """Make random images, half of them sparse, as digits are."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=generator)
    sparse = torch.rand(count, 28, 28, generator=generator) < 0.2
    noise[::2] = torch.where(sparse, noise, 0)[::2]
    return noise


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_kind_of_network_has_torch_s_probabilities(case: dict[str, Any]) -> None:
    bundle, weights = made([NetworkConfig(**SMALL | case)])
    session = Session(bundle.config, build_graph(bundle.config, weights).SerializeToString())
    given = images(20)
    found = session.probabilities(given.numpy())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, bundle.probabilities(given), atol=3e-5)
    assert found.std(axis=0).max() > 0.02  # the answers differ


@pytest.mark.parametrize("views", [1, 8])
def test_views_members_and_temperature_are_in_the_graph(views: Views) -> None:
    configs = [NetworkConfig(**SMALL), NetworkConfig(**SMALL | {"pooling": "max"})]
    bundle, weights = made(configs, views=views, temperature=0.6)
    session = Session(bundle.config, build_graph(bundle.config, weights).SerializeToString())
    given = images(BATCH + 5)
    np.testing.assert_allclose(
        session.probabilities(given.numpy()), bundle.probabilities(given), atol=3e-5
    )
    own = np.exp(bundle.member_log_probabilities(given))
    np.testing.assert_allclose(session.members(given.numpy()), own.transpose(1, 0, 2), atol=3e-5)
    calibrated, members = session.opinions(given.numpy())
    np.testing.assert_array_equal(calibrated, session.probabilities(given.numpy()))
    np.testing.assert_array_equal(members, session.members(given.numpy()))


def test_a_fixed_batch_and_facts_are_in_the_file() -> None:
    bundle, weights = made([NetworkConfig(**SMALL)])
    model = build_graph(bundle.config, weights, batch=7, facts={"card": "what it is"})
    read = onnx.load_from_string(model.SerializeToString())
    shape = read.graph.input[0].type.tensor_type.shape.dim
    assert read.graph.input[0].name == INPUT
    assert [dim.dim_value for dim in shape] == [7, 28, 28]
    assert {entry.key: entry.value for entry in read.metadata_props} == {"card": "what it is"}


def test_the_shipped_bundle_reads_as_it_does_in_numpy_and_torch() -> None:
    given = images(30)
    expected = Bundle.load().probabilities(given)
    np.testing.assert_allclose(Session.load().probabilities(given.numpy()), expected, atol=3e-5)


def test_no_images_have_no_probabilities() -> None:
    assert Session.load().probabilities(np.empty((0, 28, 28), np.uint8)).shape == (0, 10)
