"""Muon against the singular value decomposition and its update spelled out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tenfold.training.muon import muon_step, orthogonalise
from tenfold.training.optimizer import Optimizer, OptimizerConfig
from tenfold.training.schedule import Hyperparameters


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 5))
def test_singular_values_come_out_near_one_and_their_vectors_stay(
    rows: int, columns: int, seed: int
) -> None:
    matrix = draw(rows, columns, seed=seed)
    u, s, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
    found = u.T @ orthogonalise(matrix).double() @ vh.T
    torch.testing.assert_close(found, found.diag().diag(), rtol=0, atol=2e-5)
    large = found.diag()[s > 0.1 * s.norm()]
    assert bool((large > 0.5).all())
    assert bool((large < 1.3).all())


def test_it_turns_with_the_matrix_and_ignores_its_size() -> None:
    matrix = draw(5, 9)
    turned = orthogonalise(matrix.T)
    torch.testing.assert_close(turned, orthogonalise(matrix).T)
    torch.testing.assert_close(orthogonalise(1e-12 * matrix), orthogonalise(matrix))


def test_zeros_stay_zeros() -> None:
    assert torch.equal(orthogonalise(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_bfloat16_is_near_float32() -> None:
    matrix = draw(48, 216)
    low, full = orthogonalise(matrix, torch.bfloat16), orthogonalise(matrix)
    assert float((low - full).norm() / full.norm()) < 0.02


@pytest.mark.parametrize("rows", [4, 12])
def test_two_steps_spelled_out(rows: int) -> None:
    w, slopes = draw(rows * 6), [draw(rows * 6, seed=1), draw(rows * 6, seed=2)]
    master, buffer, mu = w.clone(), torch.zeros_like(w), 0.75
    for slope in slopes:
        muon_step(
            master,
            buffer,
            slope.clone(),
            rows=rows,
            learning_rate=0.25,
            momentum=mu,
            l2=0.5,
            weight_decay=0.125,
            dtype=torch.float32,
        )
    momentum = torch.zeros_like(w)
    for slope in slopes:
        gradient = slope + 0.5 * w
        momentum = mu * momentum + gradient
        update = orthogonalise((gradient + mu * momentum).view(rows, 6)).flatten()
        w = (1 - 0.25 * 0.125) * w - 0.25 * max(1, rows / 6) ** 0.5 * update
    torch.testing.assert_close(master, w)
    torch.testing.assert_close(buffer, momentum)


def test_hidden_layers_follow_muon_and_the_rest_adam() -> None:
    torch.manual_seed(0)
    network, twin = (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(6, 4)) for _ in range(2)
    )
    twin.load_state_dict(network.state_dict())
    hidden = network[0].get_parameter("weight")
    before = hidden.detach().clone()
    muon = Optimizer(network, [hidden], OptimizerConfig(muon=10, momentum=0.5))
    adam = Optimizer(twin, [], OptimizerConfig())
    network[0].to(torch.bfloat16)
    slopes = [draw(*p.shape) for p in twin.parameters()]
    hyper = Hyperparameters(0, learning_rate=0.01, batch_size=1, l2_coefficient=0)
    muon.step([s.to(p.dtype) for s, p in zip(slopes, network.parameters(), strict=True)], 0, hyper)
    adam.step(slopes, 0, hyper)
    moved = orthogonalise(slopes[0].bfloat16().float().view(3, 18), torch.bfloat16)
    expected = before - 0.01 * 10 * moved.view_as(before)
    torch.testing.assert_close(muon.master[:54].view_as(before), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(
        network[0].get_parameter("weight"), muon.master[:54].view_as(before).bfloat16()
    )
    for mine, theirs in zip(
        list(network.parameters())[2:], list(twin.parameters())[2:], strict=True
    ):
        assert torch.equal(mine, theirs)
