"""Fine-tuning: it starts from given weights, learns corrections and forgets little."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_bundles import noise, write_bundle

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.corrections import Corrections
from tenfold.data.digits import Digits
from tenfold.errors import BundleError
from tenfold.model.network import DigitNetwork
from tenfold.training.digits import digit_task, log_probabilities
from tenfold.training.fine_tuning import FineTuning, fine_tune, mean_loss, recipe_of, rehearsal
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.trainer import Trainer


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(Path(__file__).with_name("quick.toml"), ["training.stages.0.iterations=150"])


@pytest.fixture(scope="module")
def trained(recipe: Recipe, tiny_digits: Digits) -> DigitNetwork:
    """Train a small network."""
    torch.set_num_threads(1)
    trainer = Trainer(digit_task(recipe, 0, tiny_digits), recipe.training, recipe.ema)
    while trainer.step_count < trainer.schedule.iterations:
        trainer.step()
    network = DigitNetwork(recipe.network).eval()
    network.load_state_dict(trainer.state_dict())
    return network


def count_errors(network: DigitNetwork, digits: Digits) -> int:
    """Count the digits that a network misreads."""
    return int((log_probabilities(network, digits.images).argmax(dim=1) != digits.labels).sum())


def test_the_mean_loss_is_that_of_the_labels(trained: DigitNetwork, tiny_digits: Digits) -> None:
    images, labels = tiny_digits.images, tiny_digits.labels.tolist()
    found = log_probabilities(trained, images).double().tolist()
    expected = -sum(row[label] for row, label in zip(found, labels, strict=True)) / len(labels)
    assert mean_loss(trained, tiny_digits) == pytest.approx(expected, rel=1e-5)


def test_training_starts_from_the_weights_that_onnx_runtime_computes_with() -> None:
    bundle, classifier = Bundle.load("field"), OnnxClassifier.load("field")
    recipe = recipe_of("field")
    images = noise(40)
    drawn = Digits(torch.from_numpy(images), torch.zeros(40, dtype=torch.int64), "", "")
    initial = bundle.networks[0].state_dict()
    task = digit_task(recipe, 0, drawn, initial=initial, banks=[])
    network = Trainer(task, recipe.training, recipe.ema).evaluated_network()
    log_p = log_probabilities(network, drawn.images) / classifier.config.temperature
    expected = classifier.probabilities(images)
    np.testing.assert_allclose(log_p.softmax(1).numpy(), expected, atol=2e-6)


def crossed_sevens(digits: Digits) -> Digits:
    """Return the 7s of a writer who crosses every one."""
    sevens = digits.subset(torch.nonzero(digits.labels == 7)[:, 0])
    crossed = sevens.images.clone()
    crossed[:, 13:15, 2:26] = 255
    return Digits(crossed, sevens.labels, "hand", "")


def test_corrections_are_learned_and_the_rest_is_kept(
    recipe: Recipe, trained: DigitNetwork, tiny_digits: Digits
) -> None:
    hand = crossed_sevens(tiny_digits)
    corrected, unseen = hand.subset(range(20)), hand.subset(range(20, 40))
    before = count_errors(trained, unseen)
    assert before >= 5
    settings = FineTuning(batch_size=32)
    known = rehearsal(recipe, settings, 0, tiny_digits)
    tuned = fine_tune(trained, corrected, known, settings, seed=1)
    assert count_errors(tuned, unseen) <= before / 2
    assert count_errors(tuned, tiny_digits) <= count_errors(trained, tiny_digits) + 2


def test_the_seed_decides_the_weights(
    recipe: Recipe, trained: DigitNetwork, tiny_digits: Digits
) -> None:
    corrected, settings = crossed_sevens(tiny_digits), FineTuning(iterations=5, batch_size=32)
    known = rehearsal(recipe, settings, 0, tiny_digits)
    one, again, other = (
        fine_tune(trained, corrected, known, settings, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(again[name], tensor) for name, tensor in one.items())
    assert not torch.equal(other["output.weight"], one["output.weight"])


def draw_rings(n: int, seed: int) -> torch.Tensor:
    """Draw thick rings with two horizontal bars through them: uint8[n, 28, 28]."""
    random = np.random.default_rng(seed)
    images = np.zeros((n, 28, 28), np.uint8)
    for image in images:
        (x, y), radius = random.integers(12, 16, 2), random.integers(7, 10)
        distance = np.hypot(*(np.indices((28, 28)) - [[[y]], [[x]]]))
        image[np.abs(distance - radius) < 1.5] = 255
        image[[y - 3, y - 2, y + 2, y + 3], x - radius : x + radius] = 255
    return torch.from_numpy(images)


def test_ten_non_digits_of_a_kind_are_no_longer_accepted_and_digits_still_are(
    recipe: Recipe, trained: DigitNetwork, tiny_digits: Digits
) -> None:
    def accepted(network: DigitNetwork, images: torch.Tensor) -> float:
        confidence = log_probabilities(network, images).exp().amax(dim=1)
        return float((confidence >= 0.7).float().mean())

    unseen, settings = draw_rings(200, seed=1), FineTuning(batch_size=32)
    assert accepted(trained, unseen) > 0.3
    corrections = Corrections(draw_rings(10, seed=0), torch.full((10,), -1), "rings", "")
    known = rehearsal(recipe, settings, 0, tiny_digits)
    tuned = fine_tune(trained, corrections, known, settings, seed=1)
    assert accepted(tuned, unseen) < 0.5 * accepted(trained, unseen)
    assert accepted(tuned, tiny_digits.images) >= accepted(trained, tiny_digits.images) - 0.02
    assert count_errors(tuned, tiny_digits) <= count_errors(trained, tiny_digits) + 2


def test_the_average_has_no_more_of_the_tuned_weights_than_needed_and_allowed(
    recipe: Recipe, trained: DigitNetwork, tiny_digits: Digits
) -> None:
    known = rehearsal(recipe, FineTuning(), 0, tiny_digits)
    wrong = Digits(tiny_digits.images, (tiny_digits.labels + 1) % 10, "wrong", "")

    def tuned(*shares: float, min_learned: float = 1, max_rise: float = math.inf) -> torch.Tensor:
        settings = FineTuning(
            iterations=12,
            batch_size=32,
            learning_rate=0.01,
            tuned_shares=shares,
            min_learned=min_learned,
            max_rise=max_rise,
        )
        return fine_tune(trained, wrong, known, settings, seed=1).output.weight

    original, whole = trained.output.weight, tuned(1)
    assert (whole - original).abs().max() > 0.01
    torch.testing.assert_close(tuned(0.25), 0.75 * original + 0.25 * whole)
    assert torch.equal(tuned(0, 0.5, 1), whole)  # the wrong labels are never learned
    torch.testing.assert_close(tuned(0, 1, max_rise=0), original)
    torch.testing.assert_close(tuned(0, 1, min_learned=0), original)


def test_what_is_learned_with_few_of_the_tuned_weights_needs_no_more(
    recipe: Recipe, trained: DigitNetwork, tiny_digits: Digits
) -> None:
    hand = crossed_sevens(tiny_digits)
    is_misread = log_probabilities(trained, hand.images).argmax(dim=1) != hand.labels
    misread = hand.subset(torch.nonzero(is_misread)[:, 0])
    known = rehearsal(recipe, FineTuning(), 0, tiny_digits)
    settings = FineTuning(iterations=60, batch_size=32, max_rise=math.inf, tuned_shares=(0, 0.5, 1))
    half, whole = (
        fine_tune(trained, misread, known, replace(settings, min_learned=least), seed=1)
        for least in (0.5, 1.01)
    )
    difference = half.output.weight - trained.output.weight
    torch.testing.assert_close(2 * difference, whole.output.weight - trained.output.weight)
    assert count_errors(half, misread) <= len(misread) / 2
    assert count_errors(trained, misread) == len(misread) >= 5


def test_only_what_was_misread_asks_for_more_of_the_tuned_weights(
    recipe: Recipe, trained: DigitNetwork, tiny_digits: Digits
) -> None:
    known = rehearsal(recipe, FineTuning(), 0, tiny_digits)
    settings = FineTuning(
        iterations=20, batch_size=32, tuned_shares=(0, 1), min_learned=1, max_rise=math.inf
    )

    def is_changed(corrections: Digits) -> bool:
        tuned = fine_tune(trained, corrections, known, settings, seed=1)
        return not torch.allclose(tuned.output.weight, trained.output.weight)

    read = log_probabilities(trained, tiny_digits.images).argmax(dim=1)
    right = Digits(tiny_digits.images[:30], read[:30], "right", "")
    assert not is_changed(right)
    rings, labels = draw_rings(10, seed=0), torch.full((10,), -1)
    accepted = log_probabilities(trained, rings).amax(dim=1) > math.log(0.5)
    assert accepted.any()
    assert is_changed(Corrections(rings, labels, "rings", ""))
    assert not is_changed(Corrections(rings[~accepted], labels[~accepted], "rejected rings", ""))


@pytest.mark.parametrize(("n", "fraction"), [(3, 0.1), (768, 0.1), (1_536, 0.2), (5_000, 0.3)])
def test_many_corrections_are_a_larger_part_of_each_batch(n: int, fraction: float) -> None:
    assert FineTuning(iterations=60, batch_size=128).fraction(n) == pytest.approx(fraction)


def test_without_held_out_digits_training_digits_are_watched(tiny_digits: Digits) -> None:
    recipe = load_recipe("smoke")
    settings = FineTuning(max_bank_size=40)
    known = rehearsal(recipe, settings, 0, tiny_digits)
    assert (len(known.validation), known.banks) == (400, [])
    held_out = rehearsal(recipe, settings, 0)
    assert (len(held_out.training), len(held_out.validation)) == (5_500, 500)
    field = rehearsal(recipe_of("field"), settings, 0, tiny_digits)
    assert [len(bank.images) for bank in field.banks] == [40, 10, 80]


def test_a_bundle_s_recipe_is_found_beside_it_or_by_its_name(tmp_path: Path) -> None:
    further = ["data.also=[]", "outlier_exposure.symbols=0"]
    assert recipe_of("field") == load_recipe("field", further)
    bundle = write_bundle(tmp_path / "run" / "bundle")
    with pytest.raises(BundleError, match=r"bundle\.json: facts\.recipe: None is no shipped rec"):
        recipe_of(tmp_path / "run")
    own = load_recipe("smoke", ["seed=5"])
    (tmp_path / "run" / "recipe.toml").write_text(own.to_toml())
    assert recipe_of(tmp_path / "run") == own
    with pytest.raises(BundleError, match="name the run folder that the bundle is from"):
        recipe_of(bundle)
