"""The training step of digits, against plain float64 PyTorch."""

import copy

import pytest
import torch
from torch import Tensor

from tenfold.augmentation.batches import DigitBatches
from tenfold.data.digits import Digits
from tenfold.data.sampling import IndexStream
from tenfold.data.seeds import derive_seed
from tenfold.model.network import DigitNetwork
from tenfold.training.digits import digit_task, log_probabilities
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.trainer import Trainer

PLAIN = (  # nothing random but the weights, nothing averaged
    "network.dropout=0",
    "augmentation={}",
    "ema.decay=0",
    "training.update_every=1",
    "training.stages.0.l2_coefficient={start = 3, end = 30}",
)


def trainer(digits: Digits, *settings: str) -> Trainer:
    recipe = load_recipe("smoke", [*PLAIN, *settings])
    return Trainer(digit_task(recipe, 0, digits), recipe.training, recipe.ema)


def batches_of(trainer: Trainer) -> DigitBatches:
    assert isinstance(trainer.task.batches, DigitBatches)
    return trainer.task.batches


def plainly(recipe: Recipe, initial: dict[str, Tensor], digits: Digits, steps: int) -> Tensor:
    """Train as the report describes, in float64: loss_p + coefficient · loss_w, one graph."""
    network = DigitNetwork(recipe.network).double().train()
    network.compute_dtype = torch.float64
    network.load_state_dict(initial)
    optimizer = torch.optim.Adam(network.parameters())
    order = IndexStream(len(digits), derive_seed(derive_seed(recipe.seed, "member", 0), "order"))
    seen = 0
    for step in range(steps):
        hyper = recipe.schedule.at(step)
        indices = order.indices(seen, hyper.batch_size)
        seen += hyper.batch_size
        logits = network(digits.images[indices].double() / 255)
        p = torch.softmax(logits, dim=1)[torch.arange(len(indices)), digits.labels[indices]]
        loss = -(p + 1e-23).log().sum()
        if recipe.training.nll_reduction == "mean":
            loss = loss / hyper.batch_size
        for weight in network.hidden_weights():
            loss = loss + hyper.l2_coefficient * weight.square().mean()
        optimizer.param_groups[0]["lr"] = hyper.learning_rate
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_steps_are_those_of_the_report_in_float64(
    reduction: str, normalisation: str, tiny_digits: Digits
) -> None:
    settings = (
        f"training.nll_reduction={reduction}",
        f"network.normalisation={normalisation}",
        "network.pooling=average",  # its gradient does not jump where two pixels are close
    )
    ours, recipe = trainer(tiny_digits, *settings), load_recipe("smoke", [*PLAIN, *settings])
    initial = {name: tensor.double() for name, tensor in ours.network.state_dict().items()}
    start = ours.optimizer.master.clone()
    for _ in range(5):
        ours.step()
    expected = plainly(recipe, initial, tiny_digits, 5)
    moved = (expected - start).abs().max()
    assert (ours.optimizer.master.double() - expected).abs().max() < 0.02 * moved
    assert (ours.optimizer.master.double() - expected).abs().mean() < 1e-4 * moved


def test_what_is_evaluated_is_the_averaged_network(tiny_digits: Digits) -> None:
    ours = trainer(tiny_digits, "ema.decay=0.9")
    for _ in range(7):
        ours.step()
    network = copy.deepcopy(ours.network).eval()
    network.load_state_dict(ours.state_dict())
    flat = torch.cat([p.detach().reshape(-1) for p in network.parameters()])
    assert torch.equal(flat, ours.ema.averages[0])
    assert not torch.equal(flat, ours.optimizer.master)
    with torch.inference_mode():
        expected = network(tiny_digits.images.float() / 255).double().log_softmax(dim=1)
    log_p = log_probabilities(
        ours.evaluated_network(), tiny_digits.images.repeat(2, 1, 1)
    )  # more than one batch
    assert log_p.dtype == torch.float32
    torch.testing.assert_close(log_p[400:].double(), expected, rtol=1e-5, atol=1e-5)


def test_the_training_loss_is_summed_over_images(tiny_digits: Digits) -> None:
    ours = trainer(tiny_digits, "network.normalisation=none")
    images = batches_of(ours).stream.indices(0, 32)
    with torch.inference_mode():
        logits = ours.network(tiny_digits.images[images].float() / 255)
    ours.step()
    log_p = logits.double().log_softmax(dim=1)
    expected = -log_p[torch.arange(32), tiny_digits.labels[images]].sum()
    torch.testing.assert_close(ours.loss_total, expected, rtol=1e-5, atol=0)


def test_a_step_leaves_no_trace_in_how_the_next_is_drawn(tiny_digits: Digits) -> None:
    random = ("network.dropout=0.5", "augmentation={rotation = 10.0}")
    one, other = trainer(tiny_digits, *random), trainer(tiny_digits, *random)
    for _ in range(4):
        one.step()
        torch.manual_seed(123)
        torch.rand(17)
        other.step()
    assert torch.equal(one.optimizer.master, other.optimizer.master)
    still = trainer(tiny_digits)
    for _ in range(4):
        still.step()
    assert not torch.equal(one.optimizer.master, still.optimizer.master)


DEGRADED = (
    "augmentation={rotation = 10.0, elastic = 0.7}",
    "degradations={stroke_width = 0.5, contrast = 0.3, downsampling = 0.4, truncation = 0.1}",
    *("degradations.blur_and_noise=0.3", "degradations.page_remnants=0.2"),
    *(f"degradations.{key}" for key in ("aspect_ratio=0.3", "translation=1.5", "scale=0.1")),
    "outlier_exposure={non_digits = 0.2, printed = 0.1, drawn = 0.1, bank_size = 40}",
)


@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_degradations_train_reproducibly(normalisation: str, tiny_digits: Digits) -> None:
    settings = (*DEGRADED, "network.dropout=0.5", f"network.normalisation={normalisation}")
    one, other = trainer(tiny_digits, *settings), trainer(tiny_digits, *settings)
    start = one.optimizer.master.clone()
    for _ in range(6):
        one.step()
        torch.manual_seed(123)  # what others draw meanwhile is no matter
        torch.rand(17)
        other.step()
    assert torch.equal(one.optimizer.master, other.optimizer.master)
    assert torch.equal(one.loss_total, other.loss_total)
    assert one.optimizer.master.isfinite().all()
    assert not torch.equal(one.optimizer.master, start)


def test_a_step_learns_from_its_batch(tiny_digits: Digits) -> None:
    """The loss of the first step, in float64."""
    ours = trainer(tiny_digits, *DEGRADED, "network.normalisation=none")
    pixels, labels = ours.task.batches.at(0)
    with torch.inference_mode():
        log_p = ours.network(pixels).double().log_softmax(dim=1)
    targets = torch.zeros(32, 10, dtype=torch.float64)
    targets[labels < 0] = 0.1
    targets[labels >= 0, labels[labels >= 0]] = 1
    ours.step()
    torch.testing.assert_close(ours.loss_total, -(targets * log_p).sum(), rtol=1e-5, atol=0)


def test_training_on_degraded_images_learns(tiny_digits: Digits) -> None:
    ours = trainer(tiny_digits, *DEGRADED, "network.normalisation=batch")
    losses = []
    for _ in range(60):
        before = float(ours.loss_total)
        ours.step()
        losses.append(float(ours.loss_total) - before)
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
