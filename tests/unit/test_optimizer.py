"""Adam on flat buffers, against torch.optim in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tenfold.training.optimizer import Optimizer, OptimizerConfig, write_parameters
from tenfold.training.schedule import Hyperparameters


def networks() -> tuple[nn.Sequential, nn.Sequential]:
    """Make a float32 network and its float64 twin."""
    torch.manual_seed(1)
    ours = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(6, 4))
    theirs = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(6, 4))
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs.double()


def hyper(learning_rate: float, l2_coefficient: float = 0) -> Hyperparameters:
    return Hyperparameters(0, learning_rate, 1, l2_coefficient)


def gradients(network: nn.Module, step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(p.shape, generator=generator) for p in network.parameters()]


def judged(judge: torch.optim.Optimizer, network: nn.Module, steps: int) -> list[Tensor]:
    for step in range(steps):
        for parameter, gradient in zip(network.parameters(), gradients(network, step), strict=True):
            parameter.grad = gradient.double()
        judge.step()
    return [p.detach() for p in network.parameters()]


@pytest.mark.parametrize(
    "settings", [{}, {"beta1": 0.5, "beta2": 0.9}, {"epsilon": 0.1}, {"beta1": 0.0}]
)
def test_it_is_adam(settings: dict[str, float]) -> None:
    ours, theirs = networks()
    config = OptimizerConfig.model_validate(settings)
    optimizer = Optimizer(ours, [], config)
    judge = torch.optim.Adam(
        theirs.parameters(), lr=0.01, betas=(config.beta1, config.beta2), eps=config.epsilon
    )
    for step in range(8):
        optimizer.step(gradients(ours, step), step, hyper(0.01, 7))
    for mine, expected in zip(ours.parameters(), judged(judge, theirs, 8), strict=True):
        torch.testing.assert_close(mine.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_weight_decay_is_decoupled_and_spares_biases_and_norms() -> None:
    ours, theirs = networks()
    optimizer = Optimizer(ours, [], OptimizerConfig(weight_decay=0.3, bias_learning_rate=4))
    groups: list[dict[str, Any]] = [
        {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.3, "lr": 0.01},
        {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0, "lr": 0.04},
    ]
    for step in range(8):
        optimizer.step(gradients(ours, step), step, hyper(0.01))
    expected = judged(torch.optim.AdamW(groups), theirs, 8)
    for mine, theirs_now in zip(ours.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.detach().double(), theirs_now, rtol=1e-5, atol=1e-6)


def test_the_first_step_moves_each_weight_by_the_learning_rate() -> None:
    # Bias correction makes m̂ / √v̂ = g / |g| at the first step.
    network = nn.Linear(3, 2)
    before = network.weight.detach().clone()
    gradient = torch.tensor([[1.0, -2.0, 30.0], [-0.5, 4.0, -1.0]])
    Optimizer(network, [], OptimizerConfig()).step([gradient, torch.ones(2)], 0, hyper(0.125))
    torch.testing.assert_close(network.weight.detach(), before - 0.125 * gradient.sign())


def test_working_copies_are_the_rounded_master() -> None:
    ours, _ = networks()
    optimizer = Optimizer(ours, [], OptimizerConfig())
    ours[0].to(torch.bfloat16)
    for step in range(3):
        mixed = [
            g.to(p.dtype) for g, p in zip(gradients(ours, step), ours.parameters(), strict=True)
        ]
        optimizer.step(mixed, step, hyper(1e-4))
    flat = torch.cat([p.detach().float().reshape(-1) for p in ours.parameters()])
    filters = sum(p.numel() for p in ours[0].parameters())
    assert torch.equal(flat[:filters], optimizer.master[:filters].bfloat16().float())
    assert not torch.equal(flat[:filters], optimizer.master[:filters])
    assert torch.equal(flat[filters:], optimizer.master[filters:])


def test_gradients_of_another_memory_layout_are_read_in_order() -> None:
    ours, other = networks()[0], networks()[0]
    for network, form in ((ours, torch.contiguous_format), (other, torch.channels_last)):
        given = gradients(network, 0)
        given[0] = given[0].contiguous(memory_format=form)
        Optimizer(network, [network[0].get_parameter("weight")], OptimizerConfig()).step(
            given, 0, hyper(0.01, 1)
        )
    for mine, theirs in zip(ours.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_round_trip_continues_to_the_same_bytes(dtype: torch.dtype) -> None:
    def start() -> tuple[nn.Sequential, Optimizer]:
        network = networks()[0]
        optimizer = Optimizer(network, [network[2].get_parameter("weight")], OptimizerConfig())
        network[2].to(dtype)
        return network, optimizer

    def advance(network: nn.Module, optimizer: Optimizer, steps: range) -> None:
        for step in steps:
            given = zip(gradients(network, step), network.parameters(), strict=True)
            optimizer.step([g.to(p.dtype) for g, p in given], step, hyper(0.01, 0.5))

    whole, optimizer = start()
    advance(whole, optimizer, range(6))
    _, first_half = start()
    advance(nn.ParameterList(first_half.parameters), first_half, range(3))
    saved = {name: tensor.clone() for name, tensor in first_half.state().items()}
    resumed, second_half = start()
    for name, tensor in second_half.state().items():
        tensor.copy_(saved[name])
    second_half.write_working_copies()
    advance(resumed, second_half, range(3, 6))
    for mine, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    for name, tensor in second_half.state().items():
        assert torch.equal(tensor, optimizer.state()[name])


def test_write_parameters_splits_in_order_and_keeps_dtypes() -> None:
    parameters = [torch.zeros(2, 3), torch.zeros(4, dtype=torch.bfloat16)]
    write_parameters(parameters, torch.arange(10.0))
    assert parameters[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert parameters[1].tolist() == [6, 7, 8, 9]
    assert parameters[1].dtype == torch.bfloat16
