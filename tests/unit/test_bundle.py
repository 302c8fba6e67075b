"""Bundles: exact, checked, averaged as spelled out, and never executed."""

import hashlib
import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from scipy import ndimage
from scipy.special import softmax

from tenfold.bundle.format import SHIPPED, BundleConfig, read_package, save_bundle
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.test_time_augmentation import TestTimeAugmentation
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data import disputed_labels as disputed
from tenfold.data.deskew import deskewed
from tenfold.data.digits import Digits
from tenfold.errors import BundleError
from tenfold.evaluation.evaluate import evaluate_bundle
from tenfold.model.config import NetworkConfig
from tenfold.model.network import DigitNetwork

CONFIGS = (
    NetworkConfig(widths=(2, 3), fully_connected=(5,)),
    NetworkConfig(widths=(4,), fully_connected=(), normalisation="batch", pooling="max"),
    NetworkConfig(widths=(3,), fully_connected=(6, 4), initialisation="he", input_mean=0.1),
)


def networks() -> list[DigitNetwork]:
    made = []
    for seed, config in enumerate(CONFIGS):
        network = DigitNetwork(config).initialise(torch.Generator().manual_seed(seed)).eval()
        with torch.no_grad():
            network.output.weight.mul_(3)  # answers that differ
        made.append(network)
    return made


def write(
    path: Path,
    *,
    order: tuple[int, ...] = (0, 1, 2),
    temperature: float = 1.0,
    test_time_augmentation: TestTimeAugmentation = "none",
) -> Path:
    made = networks()
    return save_bundle(
        path,
        name="three",
        configs=[CONFIGS[i] for i in order],
        states=[made[i].state_dict() for i in order],
        temperature=temperature,
        test_time_augmentation=test_time_augmentation,
        facts={"seed": 0},
        card="# three\n",
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle")


def member_logits(digits: Digits) -> np.ndarray:
    with torch.inference_mode():
        inputs = digits.images.float() / 255
        return torch.stack([network(inputs) for network in networks()]).double().numpy()


def test_a_loaded_bundle_predicts_bit_by_bit_what_was_saved(
    bundle: Path, tiny_digits: Digits
) -> None:
    loaded, made = Bundle.load(bundle), networks()
    for network, original in zip(loaded.networks, made, strict=True):
        assert network.config == original.config
        assert not network.training
        for name, tensor in original.state_dict().items():
            assert torch.equal(network.state_dict()[name], tensor)
    in_memory = Bundle(loaded.config, tuple(made))
    ours, theirs = (b.probabilities(tiny_digits.images) for b in (loaded, in_memory))
    assert ours.tobytes() == theirs.tobytes()
    assert ours.dtype == np.float32


def test_saving_twice_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again")
    names = sorted(file.name for file in bundle.iterdir())
    assert names == ["bundle.json", "card.md", "weights.safetensors"]
    for name in names:
        assert (again / name).read_bytes() == (bundle / name).read_bytes()


def test_arrays_and_torch_s_tensors_in_any_memory_order_are_saved_alike(
    bundle: Path, tmp_path: Path
) -> None:
    states = [network.state_dict() for network in networks()]
    forms: list[Callable[[torch.Tensor], Any]] = [
        lambda tensor: tensor.numpy(),
        lambda tensor: np.asfortranarray(tensor.numpy()) if tensor.ndim else tensor.numpy(),
        lambda tensor: (
            tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        ),
    ]
    for index, form in enumerate(forms):
        other = save_bundle(
            tmp_path / str(index),
            name="three",
            configs=CONFIGS,
            states=[{key: form(tensor) for key, tensor in state.items()} for state in states],
            facts={"seed": 0},
            card="# three\n",
        )
        for file in bundle.iterdir():
            assert (other / file.name).read_bytes() == file.read_bytes()


def test_weights_of_half_precision_are_read_as_float32(tmp_path: Path) -> None:
    state = networks()[1].state_dict()
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_bundle(
        tmp_path, name="one", configs=CONFIGS[1:2], states=[halves], facts={}, card="# one\n"
    )
    _, weights = read_package(tmp_path)
    assert {key.removeprefix("00.") for key in weights} == halves.keys()
    for key, value in weights.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, halves[key.removeprefix("00.")].float().numpy())


def test_a_bundle_that_without_a_rejection_threshold_rejects_below_a_half(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    assert document.pop("rejection_threshold") == 0.5
    (bundle / "bundle.json").write_text(json.dumps(document))
    assert read_package(bundle)[0].rejection_threshold == 0.5
    change(bundle, rejection_threshold=0.9)
    assert read_package(bundle)[0].rejection_threshold == 0.9


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_members_probabilities_are_averaged_then_tempered(
    temperature: float, tmp_path: Path, tiny_digits: Digits
) -> None:
    loaded = Bundle.load(write(tmp_path / "bundle", temperature=temperature))
    average = softmax(member_logits(tiny_digits), axis=2).mean(axis=0)
    powered = average ** (1 / temperature)
    expected = powered / powered.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.probabilities(tiny_digits.images), expected, rtol=2e-5)


def test_the_order_of_members_does_not_matter(tmp_path: Path, tiny_digits: Digits) -> None:
    answers = [
        Bundle.load(write(tmp_path / str(order), order=order)).probabilities(tiny_digits.images)
        for order in itertools.permutations(range(3))
    ]
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=1e-5)


def test_one_member_is_its_own_softmax(tmp_path: Path, tiny_digits: Digits) -> None:
    loaded = Bundle.load(write(tmp_path / "bundle", order=(1,)))
    expected = softmax(member_logits(tiny_digits)[1], axis=1)
    np.testing.assert_allclose(loaded.probabilities(tiny_digits.images), expected, rtol=2e-5)


def test_batches_do_not_change_an_answer_and_none_is_an_answer(
    bundle: Path, tiny_digits: Digits
) -> None:
    loaded = Bundle.load(str(bundle))
    whole = loaded.probabilities(tiny_digits.images.repeat(2, 1, 1))  # more than one batch
    part = loaded.probabilities(tiny_digits.images)
    np.testing.assert_allclose(whole[400:], part, rtol=1e-5)
    np.testing.assert_allclose(part.sum(axis=1), 1, rtol=1e-5)
    assert loaded.probabilities(tiny_digits.images[:0]).shape == (0, 10)


def test_no_flipped_bit_and_no_cut_goes_unnoticed(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    content = path.read_bytes()
    positions = np.random.default_rng(0).choice(len(content), 60, replace=False)
    damaged = [content[: len(content) // 2], b"", content + b"\0"]
    for position in positions:
        flipped = bytearray(content)
        flipped[position] ^= 1
        damaged.append(bytes(flipped))
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(BundleError, match=r"weights\.safetensors: expected SHA-256 "):
            Bundle.load(bundle)


def change(bundle: Path, **keys: Any) -> None:
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def trust(bundle: Path) -> None:
    """Write the hash of whatever weights there are, as a forger would."""
    data = (bundle / "weights.safetensors").read_bytes()
    change(bundle, weights_sha256=hashlib.sha256(data).hexdigest())


def remove(name: str) -> Callable[[Path], None]:
    return lambda bundle: (bundle / name).unlink()


def swap(bundle: Path) -> None:
    other = write(bundle.parent / "other", order=(1,))
    (other / "weights.safetensors").replace(bundle / "weights.safetensors")


def swap_and_trust(bundle: Path) -> None:
    swap(bundle)
    trust(bundle)


def forget_a_member(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    change(bundle, members=document["members"][:2])


def retype(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    tensors = load_tensors(path.read_bytes())
    path.write_bytes(save_tensors({key: value.bfloat16() for key, value in tensors.items()}))
    trust(bundle)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (lambda b: b.rename(b.parent / "away"), r"bundle\.json: cannot be read"),
    "no json": (remove("bundle.json"), r"bundle\.json: cannot be read .*name a bundle folder"),
    "no weights": (remove("weights.safetensors"), r"weights\.safetensors: cannot be read"),
    "not json": (lambda b: (b / "bundle.json").write_text("{"), r"bundle\.json: .*Invalid JSON"),
    "deep json": (lambda b: (b / "bundle.json").write_text("[" * 10**5), "Invalid JSON: recursion"),
    "not text": (lambda b: (b / "bundle.json").write_bytes(b"\xff" * 9), "Invalid JSON"),
    "newer": (lambda b: change(b, format=3, x=1), "format: Input should be 2; a newer tenfold"),
    "unknown key": (lambda b: change(b, code="x"), "code: Extra inputs are not permitted"),
    "unknown network key": (
        lambda b: change(b, members=[{"hook": "os.system"}]),
        r"members\.0\.hook: Extra inputs are not permitted",
    ),
    "no members": (lambda b: change(b, members=[]), "members: Tuple should have at least 1 item"),
    "temperature": (lambda b: change(b, temperature=0), "temperature: Input should be greater"),
    "threshold": (
        lambda b: change(b, rejection_threshold=1.1),
        "rejection_threshold: Input should be",
    ),
    "huge": (lambda b: change(b, members=[{"widths": [10**12]}]), "does not fit bundle"),
    "swapped": (swap, "expected SHA-256 .* found"),
    "swapped and forged": (swap_and_trust, r"does not fit bundle\.json: .*blocks\.1"),
    "a member forgotten": (forget_a_member, r"does not fit bundle\.json: 02\..* belongs to no m"),
    "another type": (retype, r"does not fit bundle\.json: NumPy has no numbers of type 'BF16'"),
}


@pytest.mark.parametrize("load", [Bundle.load, OnnxClassifier.load], ids=["torch", "onnx"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_a_bundle_error_in_one_line(
    damage: str, load: Callable[[Path], Any], bundle: Path
) -> None:
    do, message = DAMAGE[damage]
    do(bundle)
    with pytest.raises(BundleError, match=message) as caught:
        load(bundle)
    assert "\n" not in str(caught.value)
    assert str(bundle) in str(caught.value)


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_nothing_in_a_bundle_is_executed(how: str, bundle: Path, tmp_path: Path) -> None:
    sung = tmp_path / "sung"
    weights = bundle / "weights.safetensors"
    if how == "torch":
        torch.save(Canary(sung), weights)
    else:
        weights.write_bytes(pickle.dumps(Canary(sung)))
    pickle.loads(pickle.dumps(Canary(sung)))
    assert sung.exists()  # the canary can sing
    sung.unlink()
    trust(bundle)
    with pytest.raises(BundleError, match=r"does not fit bundle\.json"):
        Bundle.load(bundle)
    assert not sung.exists()


def test_the_json_is_the_config(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    config = BundleConfig.model_validate(document)
    assert config.members == CONFIGS
    assert document["format"] == 2
    assert document["facts"] == {"seed": 0}
    data = (bundle / "weights.safetensors").read_bytes()
    assert document["weights_sha256"] == hashlib.sha256(data).hexdigest()


def test_every_row_of_an_evaluation_is_at_the_bundle_s_temperature(
    tmp_path: Path, tiny_digits: Digits
) -> None:
    bundle = Bundle.load(write(tmp_path / "bundle", temperature=2.0))
    evaluation = evaluate_bundle(bundle, tiny_digits)
    logits = member_logits(tiny_digits)
    labels = tiny_digits.labels.numpy()
    p = softmax(logits, axis=2)
    expected = [softmax(row / 2, axis=1) for row in logits]
    expected.append(np.sqrt(p.mean(axis=0)))
    expected[-1] /= expected[-1].sum(axis=1, keepdims=True)
    rows = evaluation["models"]
    assert [row["name"] for row in rows] == ["member 1", "member 2", "member 3", "ensemble"]
    for row, q in zip(rows, expected, strict=True):
        by_hand = -np.log(q[range(len(labels)), labels]).sum()
        assert row["nll_sum"] == pytest.approx(by_hand, rel=1e-4)
    calibration = evaluation["calibration"]
    before = -np.log(p.mean(axis=0)[range(len(labels)), labels]).sum()
    assert calibration["temperature"] == 2
    assert calibration["before"]["nll_sum"] == pytest.approx(before, rel=1e-4)
    assert calibration["after"]["nll_sum"] == rows[-1]["nll_sum"]


def test_the_variants_are_deskewed_rotated_and_scaled_or_shifted(
    tmp_path: Path, tiny_digits: Digits
) -> None:
    bundle = Bundle.load(write(tmp_path / "bundle", test_time_augmentation="deskew-affine-shift"))
    # A black frame: SciPy's constant mode blends nothing outside the outermost pixels.
    pixels = tiny_digits.images.numpy().astype(np.float32) / np.float32(255)
    padded, upright = (np.pad(p, ((0, 0), (2, 2), (2, 2))) for p in (pixels, deskewed(pixels)))
    shown = []
    for degrees, scale in itertools.product((6, -6), (1.2, 0.8)):
        cos, sin = np.cos(np.radians(degrees)) / scale, np.sin(np.radians(degrees)) / scale
        inverse = np.array([[cos, -sin], [sin, cos]])  # of rows, which count downwards
        offset = 15.5 - inverse @ (15.5, 15.5)
        view = [ndimage.affine_transform(image, inverse, offset, order=1) for image in upright]
        shown.append(torch.from_numpy(np.array(view)[:, 2:-2, 2:-2]).float())
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        shifted = np.roll(padded, shift, axis=(1, 2))[:, 2:-2, 2:-2]
        shown.append(torch.from_numpy(shifted).float())
    with torch.inference_mode():
        logits = torch.stack([torch.stack([net(view) for view in shown]) for net in networks()])
    expected = np.log(softmax(logits.double().numpy(), axis=3).mean(axis=1))
    found = bundle.member_log_probabilities(tiny_digits.images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_disputed_labels_are_counted_beside_the_ordinary_accuracy(
    tmp_path: Path, tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.load(write(tmp_path / "bundle"))
    assert evaluate_bundle(bundle, tiny_digits)["disputed"] is None
    n = len(tiny_digits)
    wrong = {mistake["index"] for mistake in evaluate_bundle(bundle, tiny_digits)["mistakes"]}
    doubted = (0, 3, n - 1)
    monkeypatch.setattr(disputed, "_BY_SHA256", {tiny_digits.sha256: doubted})
    left = [index for index in range(n) if index not in doubted]
    assert evaluate_bundle(bundle, tiny_digits)["disputed"] == {
        "labels": 3,
        "mistakes": len(wrong & set(doubted)),
        "accuracy_without": pytest.approx(1 - len(wrong & set(left)) / len(left)),
    }


def test_the_disputed_labels_are_those_of_mnist_s_test_set(mnist_test: Digits) -> None:
    indices = disputed.disputed_labels(mnist_test.sha256)
    assert len(indices) == 15
    # As the study prints them: index, given label.
    given = {947: 8, 2130: 4, 2462: 2, 2597: 5, 3520: 6, 3558: 5, 5937: 5, 6651: 0, 9729: 5}
    assert {index: int(mnist_test.labels[index]) for index in given} == given


def test_the_shipped_bundle_is_small_and_reads_digits(mnist_test: Digits) -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) <= 2_000_000
    few = mnist_test.subset(range(500))
    evaluation = evaluate_bundle(Bundle.load(), few)
    assert evaluation["models"][-1]["accuracy"] >= 0.99
