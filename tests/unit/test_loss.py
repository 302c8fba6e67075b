"""The objective, against float64 arithmetic and autograd."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tenfold.model.config import NetworkConfig
from tenfold.model.network import DigitNetwork
from tenfold.training.loss import nll_sum, weight_loss
from tenfold.training.optimizer import Optimizer, OptimizerConfig
from tenfold.training.schedule import Hyperparameters


def batch(scale: float, rows: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    logits = scale * torch.randn(rows, 10, generator=generator)
    return logits, torch.randint(0, 10, (rows,), generator=generator)


def by_definition(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Compute -Σ target · log(p + 1e-23), in float64 and with p itself."""
    log_p = (torch.softmax(logits.double(), dim=1) + 1e-23).log()
    target = torch.full_like(log_p, smoothing / 10)
    target[torch.arange(len(labels)), labels] += 1 - smoothing
    return -(target * log_p).sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [0.1, 1, 10, 40])
def test_nll_sum_is_the_report_s_loss(scale: float, smoothing: float) -> None:
    logits, labels = batch(scale)
    expected = by_definition(logits, labels, smoothing)
    torch.testing.assert_close(
        nll_sum(logits, labels, smoothing).double(), expected, rtol=2e-6, atol=1e-5
    )


def test_epsilon_bounds_the_loss_of_a_hopeless_image() -> None:
    # p of the label is e^-200 = 1.4e-87, nothing beside 1e-23: the loss is -log(1e-23) = 52.96.
    logits = torch.zeros(1, 10)
    logits[0, 3] = 200
    loss = nll_sum(logits, torch.tensor([4]))
    assert loss.item() == pytest.approx(23 * math.log(10), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1, 20])
def test_gradient_is_that_of_the_definition(scale: float, smoothing: float) -> None:
    logits, labels = batch(scale)
    single = logits.clone().requires_grad_()
    double = logits.double().requires_grad_()
    (gradient,) = torch.autograd.grad(nll_sum(single, labels, smoothing), single)
    (expected,) = torch.autograd.grad(by_definition(double, labels, smoothing), double)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-5, atol=1e-6)


def with_non_digits(scale: float) -> tuple[Tensor, Tensor]:
    """A batch a quarter of which is no digit."""
    logits, labels = batch(scale)
    labels[::4] = -1
    return logits, labels


def uniform_for_non_digits(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Compute the digits' loss by definition, and the others' as -mean over classes of log p."""
    log_p = (torch.softmax(logits[labels < 0].double(), dim=1) + 1e-23).log()
    digits = by_definition(logits[labels >= 0], labels[labels >= 0], smoothing)
    return digits - log_p.mean(dim=1).sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [0.1, 1, 10, 40])
def test_no_digit_should_be_any_class_alike(scale: float, smoothing: float) -> None:
    logits, labels = with_non_digits(scale)
    single, double = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss = nll_sum(single, labels, smoothing)
    expected = uniform_for_non_digits(double, labels, smoothing)
    torch.testing.assert_close(loss.double(), expected, rtol=2e-6, atol=1e-5)
    (gradient,) = torch.autograd.grad(loss, single)
    (slope,) = torch.autograd.grad(expected, double)
    torch.testing.assert_close(gradient.double(), slope, rtol=1e-5, atol=1e-6)


def test_what_is_no_digit_costs_least_when_nothing_is_known() -> None:
    logits, labels = torch.zeros(3, 10, requires_grad=True), torch.full((3,), -1)
    loss = nll_sum(logits, labels)
    assert loss.item() == pytest.approx(3 * math.log(10), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(gradient, torch.zeros(3, 10), atol=1e-6, rtol=0)
    sure = torch.zeros(3, 10)
    sure[:, 4] = 5
    assert nll_sum(sure, labels) > loss
    assert torch.equal(labels, torch.full((3,), -1))


@pytest.mark.parametrize("drawn", [batch, with_non_digits])
@pytest.mark.parametrize("extreme", [1e3, 1e4, -1e4])
def test_extreme_logits_keep_loss_and_gradient_finite(
    extreme: float, drawn: Callable[[float], tuple[Tensor, Tensor]]
) -> None:
    logits, labels = drawn(1)
    logits[:, ::2] += extreme
    logits.requires_grad_()
    loss = nll_sum(logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_bfloat16_logits_are_summed_in_float32() -> None:
    logits, labels = batch(3, rows=2000)
    rounded = logits.bfloat16()
    loss = nll_sum(rounded, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), by_definition(rounded, labels), rtol=1e-6, atol=0)


def test_weight_loss_is_the_sum_of_mean_squares() -> None:
    ones, twos = torch.ones(3, 5), torch.full((2, 2, 3, 3), -2.0)
    assert weight_loss([ones, twos]) == 1 + 4
    assert weight_loss([twos.bfloat16()]) == 4


class TwoLayers(nn.Module):
    """A penalised matrix and filter, and a matrix and biases that are not."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv2d(2, 3, 3)
        self.matrix = nn.Linear(7, 5)
        self.output = nn.Linear(5, 4)


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 400.0])
def test_the_l2_term_in_adam_is_autograd_s_of_the_explicit_loss(coefficient: float) -> None:
    """Three steps of Adam against torch's, in float64, on loss + coefficient · loss_w."""
    torch.manual_seed(3)
    network, reference = TwoLayers(), TwoLayers()
    reference.load_state_dict(network.state_dict())
    reference.double()
    optimizer = Optimizer(
        network, [network.filters.weight, network.matrix.weight], OptimizerConfig()
    )
    judge = torch.optim.Adam(reference.parameters(), lr=0.003)
    before = [p.detach().clone() for p in reference.parameters()]
    for step in range(3):
        slopes = [torch.randn_like(p) for p in network.parameters()]
        optimizer.step(slopes, step, Hyperparameters(0, 0.003, 1, coefficient))
        loss_w = reference.filters.weight.square().mean() + reference.matrix.weight.square().mean()
        loss = coefficient * loss_w
        for slope, parameter in zip(slopes, reference.parameters(), strict=True):
            loss = loss + (slope.double() * parameter).sum()
        judge.zero_grad()
        torch.autograd.backward(loss)
        judge.step()
    for old, ours, theirs in zip(before, network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.double() - old, theirs - old, rtol=1e-4, atol=1e-7)


def test_the_report_s_network_penalises_its_five_hidden_layers() -> None:
    # input → 3 convolutions → 2 fully connected → output: the output is not penalised.
    shapes = [tuple(w.shape) for w in DigitNetwork(NetworkConfig()).hidden_weights()]
    assert shapes == [
        (32, 1, 3, 3),
        (64, 32, 3, 3),
        (128, 64, 3, 3),
        (1024, 4 * 4 * 128),
        (512, 1024),
    ]
