"""The network: sizes spelled out, layers against torch's own, dropout by its statistics."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from tenfold.model.config import NetworkConfig, tensor_shapes
from tenfold.model.network import ConvolutionBlock, DigitNetwork, Dropout


def make(seed: int = 0, **settings: Any) -> DigitNetwork:
    generator = torch.Generator().manual_seed(seed)
    return DigitNetwork(NetworkConfig(**settings)).initialise(generator).eval()


def pixels(n: int) -> Tensor:
    return torch.rand(n, 28, 28, generator=torch.Generator().manual_seed(9))


def count_parameters(**settings: Any) -> int:
    return sum(parameter.numel() for parameter in make(**settings).parameters())


def test_parameters_of_the_report_s_network() -> None:
    # SAME pooling halves and rounds up: 28 → 14 → 7 → 4 pixels a side.
    layers = {
        "conv1": 3 * 3 * 1 * 32 + 32,  # 320
        "conv2": 3 * 3 * 32 * 64 + 64,  # 18,496
        "conv3": 3 * 3 * 64 * 128 + 128,  # 73,856
        "fc1": 4 * 4 * 128 * 1024 + 1024,  # 2,098,176
        "fc2": 1024 * 512 + 512,  # 524,800
        "output": 512 * 10 + 10,  # 5,130
    }
    assert sum(layers.values()) == 2_720_778
    assert count_parameters() == 2_720_778


def test_batch_normalisation_brings_two_parameters_a_channel_and_takes_one_bias() -> None:
    channels = 32 + 64 + 128 + 1024 + 512
    assert count_parameters(normalisation="batch") == count_parameters() + channels


@pytest.mark.parametrize("pooling", ["mixed", "max"])
@pytest.mark.parametrize("normalisation", ["none", "batch"])
@pytest.mark.parametrize(
    "layers", [{"widths": (3,), "fully_connected": ()}, {"widths": (2, 3, 4, 5, 6)}], ids=str
)
def test_tensor_shapes_are_those_of_the_network(
    layers: dict[str, Any], normalisation: str, pooling: str
) -> None:
    settings: dict[str, Any] = {"fully_connected": (6, 4)}
    settings |= {"normalisation": normalisation, "pooling": pooling} | layers
    state = make(**settings).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert tensor_shapes(NetworkConfig(**settings)) == shapes


@pytest.mark.parametrize("pooling", ["mixed", "max", "average"])
@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5])
def test_any_number_of_blocks_gives_ten_logits(blocks: int, pooling: str) -> None:
    network = make(widths=tuple(range(2, 2 + blocks)), fully_connected=(8,), pooling=pooling)
    side = [14, 7, 4, 2, 1][blocks - 1]
    assert network.dense[0].get_parameter("linear.weight").shape == (8, side**2 * (blocks + 1))
    logits = network(pixels(3))
    assert logits.shape == (3, 10)
    assert logits.dtype == torch.float32


def test_without_fully_connected_layers_the_output_reads_the_last_block() -> None:
    network = make(widths=(4,), fully_connected=())
    assert network.output.weight.shape == (10, 14 * 14 * 4)
    assert network(pixels(2)).shape == (2, 10)


def by_hand(network: DigitNetwork, images: Tensor) -> Tensor:
    """Compute logits in float64 from torch's own layers and the report's description."""
    state = {key: value.double() for key, value in network.state_dict().items()}
    config = network.config
    x = ((images.double() - config.input_mean) / config.input_std).unsqueeze(1)

    def normed(x: Tensor, prefix: str) -> Tensor:
        if f"{prefix}.norm.weight" not in state:
            return x
        names = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *[state[f"{prefix}.norm.{name}"] for name in names])

    for index in range(len(config.widths)):
        prefix = f"blocks.{index}"
        bias = state.get(f"{prefix}.convolution.bias")
        x = functional.conv2d(x, state[f"{prefix}.convolution.weight"], bias, padding=1)
        x = functional.relu(normed(x, prefix))
        # Average over the real pixels of each window; -inf never wins the maximum.
        largest = functional.max_pool2d(x, 2, ceil_mode=True)
        average = functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        x = {"mixed": (largest + average) / 2, "max": largest, "average": average}[config.pooling]
    x = x.permute(0, 2, 3, 1).reshape(len(x), -1)  # pixels first, as in TensorFlow
    for index in range(len(config.fully_connected)):
        prefix = f"dense.{index}"
        x = functional.linear(
            x, state[f"{prefix}.linear.weight"], state.get(f"{prefix}.linear.bias")
        )
        x = functional.leaky_relu(normed(x, prefix), config.fully_connected_slope)
    return functional.linear(x, state["output.weight"], state["output.bias"])


# The largest pixel of each window, of none outside the picture.
POOLED: dict[str, nn.Module] = {
    "max": nn.MaxPool2d(2, ceil_mode=True),
    "average": nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
}


@pytest.mark.parametrize("pooling", POOLED)
@pytest.mark.parametrize("training", [True, False])
def test_a_block_is_torch_s_sequence_of_layers(
    training: bool,  # noqa: FBT001 - a parameter of the test
    pooling: str,
) -> None:
    """Outputs, gradients and running statistics, against float64."""
    settings: dict[str, Any] = {"normalisation": "batch", "pooling": pooling}
    torch.manual_seed(4)
    block = ConvolutionBlock(3, 5, NetworkConfig(**settings)).train(training)
    convolution, norm = nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
    nn.init.normal_(norm.weight, 1, 0.3)
    nn.init.normal_(norm.bias, 0, 0.3)
    norm.running_mean, norm.running_var = torch.randn(5) / 5, torch.rand(5) + 0.5
    reference = nn.Sequential(convolution, norm, nn.ReLU(), POOLED[pooling])
    layers = {"convolution": convolution, "norm": norm}
    for name, layer in layers.items():
        block.get_submodule(name).load_state_dict(layer.state_dict())
    reference.double().train(training)

    x = torch.randn(6, 3, 7, 7)
    dy = torch.randn(6, 5, 4, 4)
    pixels, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    out, expected = block(pixels), reference(exact)
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-5)
    torch.autograd.backward([out, expected], [dy, dy.double()])
    assert pixels.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(pixels.grad.double(), exact.grad, rtol=1e-3, atol=1e-4)
    for name, layer in layers.items():
        for key, theirs in layer.named_parameters():
            gradient = block.get_parameter(f"{name}.{key}").grad
            assert gradient is not None
            assert theirs.grad is not None
            torch.testing.assert_close(gradient.double(), theirs.grad, rtol=1e-3, atol=1e-3)
        for key, statistic in layer.named_buffers():
            buffer = block.get_buffer(f"{name}.{key}").to(statistic.dtype)
            torch.testing.assert_close(buffer, statistic, rtol=1e-4, atol=1e-5)


CASES: list[dict[str, Any]] = [
    {},
    {"pooling": "max"},
    {"pooling": "average", "input_mean": 0.13, "input_std": 0.31},
    {"normalisation": "batch"},
    {"normalisation": "batch", "pooling": "max", "initialisation": "he"},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_logits_are_those_of_the_description_in_float64(settings: dict[str, Any]) -> None:
    network = make(widths=(4, 6, 5), fully_connected=(16, 12), **settings)
    statistics = torch.Generator().manual_seed(2)
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand(buffer.shape, generator=statistics) + 0.1)
    with torch.inference_mode():
        logits = network(pixels(5))
    torch.testing.assert_close(logits.double(), by_hand(network, pixels(5)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_bfloat16_logits_are_close_to_float32_ones(normalisation: str) -> None:
    settings: dict[str, Any] = {
        "normalisation": normalisation,
        "initialisation": "he",
        "initial_bias": 0.0,
    }
    exact, rounded = make(**settings), make(**settings).set_compute_dtype(torch.bfloat16)
    with torch.inference_mode():
        expected, logits = exact(pixels(20)), rounded(pixels(20))
    assert logits.dtype == torch.float32
    # 8 bits of precision, layer after layer: some percent of the logits' spread.
    assert (logits - expected).abs().max() < 0.05 * expected.std()
    assert not torch.equal(logits, expected)


def test_only_matrix_multiplies_are_cast_and_the_first_filters_are_not() -> None:
    network = make(normalisation="batch", widths=(2, 2), fully_connected=(3,))
    assert network.compute_dtype == torch.float32
    network.set_compute_dtype(torch.bfloat16)
    assert network.compute_dtype == torch.bfloat16
    dtypes = {name: p.dtype for name, p in network.named_parameters()}
    cast = {name for name, dtype in dtypes.items() if dtype == torch.bfloat16}
    assert cast == {"blocks.1.convolution.weight", "dense.0.linear.weight"}


@pytest.mark.parametrize("initialisation", ["truncated-normal", "he"])
def test_weights_are_decided_by_the_seed_alone(initialisation: str) -> None:
    settings: dict[str, Any] = {
        "initialisation": initialisation,
        "widths": (8,),
        "fully_connected": (64,),
    }
    torch.manual_seed(1)
    one = make(seed=4, **settings).state_dict()
    torch.manual_seed(2)
    same, other = make(seed=4, **settings).state_dict(), make(seed=5, **settings).state_dict()
    for name, tensor in one.items():
        assert torch.equal(tensor, same[name])
        assert torch.equal(tensor, other[name]) == name.endswith("bias")


def test_initial_weights_have_their_spread() -> None:
    inputs = 14 * 14 * 8
    settings: dict[str, Any] = {"widths": (8,), "fully_connected": (200,), "initial_bias": 0.1}
    truncated, he = (
        make(initialisation=kind, **settings).dense[0].get_parameter("linear.weight")
        for kind in ("truncated-normal", "he")
    )
    # A normal cut at two standard deviations keeps 0.8796 of one.
    assert truncated.std().item() == pytest.approx(0.1 * 0.8796, rel=0.01)
    assert truncated.abs().max() <= 0.2
    assert he.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.01)
    assert make(**settings).output.bias.tolist() == pytest.approx([0.1] * 10)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_its_share(rate: float) -> None:
    torch.manual_seed(0)
    dropout = Dropout(rate).train()
    ones = torch.ones(1000, 1001, requires_grad=True)
    dropped = dropout(ones)
    share = (dropped == 0).float().mean().item()
    assert share == pytest.approx(rate, abs=1 / 512 + 0.002)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - round(rate * 256) / 256)])
    (gradient,) = torch.autograd.grad(dropped.sum(), ones)
    assert torch.equal(gradient, dropped)


def test_dropout_is_seeded_and_independent_between_units_and_calls() -> None:
    dropout, ones = Dropout(0.5).train(), torch.ones(64, 513)
    torch.manual_seed(3)
    first, second = dropout(ones), dropout(ones)
    torch.manual_seed(3)
    assert torch.equal(dropout(ones), first)
    # Neighbours, rows and calls agree half the time, within five standard deviations.
    pairs = [(first, second), (first[:, 1:], first[:, :-1]), (first[1:], first[:-1])]
    for a, b in pairs:
        assert (a == b).float().mean().item() == pytest.approx(0.5, abs=2.5 / a.numel() ** 0.5)


def test_dropout_does_nothing_in_evaluation_or_at_rate_zero() -> None:
    x = pixels(2)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_a_rate_just_below_one_still_lets_something_through() -> None:
    torch.manual_seed(0)
    dropped = Dropout(0.9999).train()(torch.ones(100_000))
    assert dropped.isfinite().all()
    assert 0 < (dropped > 0).float().mean() < 0.01


@pytest.mark.parametrize(
    "settings",
    [
        {"widths": ()},
        {"widths": (1, 2, 3, 4, 5, 6)},
        {"widths": (0,)},
        {"fully_connected": (-1,)},
        {"dropout": 1.0},
        {"input_std": 0.0},
        {"pooling": "median"},
        {"initial_bias": float("nan")},
        {"width": (32,)},
    ],
    ids=str,
)
def test_impossible_networks_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NetworkConfig(**settings)
