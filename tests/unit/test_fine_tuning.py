"""Fine-tuning: it starts from given weights, learns corrections and forgets little."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_bundles import noise, write_bundle

from tenfold.augmentation.outlier_exposure import ImageBank
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.errors import BundleError
from tenfold.training.digits import digit_task, log_probabilities
from tenfold.training.fine_tuning import FineTuning, fine_tune, recipe_of
from tenfold.training.hardware import Placement
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = Placement(torch.device("cpu"), torch.float32)
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(Path(__file__).with_name("quick.toml"), ["training.stages.0.iterations=150"])


@pytest.fixture(scope="module")
def trained(recipe: Recipe, tiny_digits: Digits) -> State:
    """Train a small network."""
    torch.set_num_threads(1)
    trainer = Trainer(digit_task(recipe, 0, tiny_digits), recipe.training, recipe.ema)
    while trainer.step_count < trainer.schedule.iterations:
        trainer.step()
    return trainer.state_dict()


def errors(recipe: Recipe, state: State, digits: Digits) -> int:
    network = digit_task(recipe, 0, digits, initial=state).network.eval()
    return int((log_probabilities(network, digits.images).argmax(1) != digits.labels).sum())


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


def test_corrections_are_learned_and_the_rest_is_kept(
    recipe: Recipe, trained: State, tiny_digits: Digits
) -> None:
    # A writer who crosses every 7.
    sevens = tiny_digits.subset(torch.nonzero(tiny_digits.labels == 7)[:, 0])
    crossed = sevens.images.clone()
    crossed[:, 13:15, 2:26] = 255
    hand = Digits(crossed, sevens.labels, "hand", "")
    corrected, unseen = hand.subset(range(20)), hand.subset(range(20, 40))
    before = errors(recipe, trained, unseen)
    assert before >= 5
    settings = FineTuning(iterations=60, batch_size=32)
    bank = ImageBank(corrected.images, corrected.labels, settings.share)
    tuning = settings.recipe(recipe, recipe.network, seed=1)
    tuned = fine_tune(tuning, trained, bank, tiny_digits, [], placement=CPU)
    assert errors(recipe, tuned, unseen) <= before / 2
    assert errors(recipe, tuned, tiny_digits) <= errors(recipe, trained, tiny_digits) + 2
    again = fine_tune(tuning, trained, bank, tiny_digits, [], placement=CPU)
    assert all(torch.equal(again[name], tuned[name]) for name in tuned)


def test_every_iteration_is_reported_and_the_rate_falls_to_nothing(recipe: Recipe) -> None:
    tuning = FineTuning(iterations=7, learning_rate=0.01).recipe(recipe, recipe.network, seed=3)
    rates = [tuning.schedule.at(step).learning_rate for step in range(7)]
    assert rates[0] == 0.01
    assert rates[-1] == 0
    assert (tuning.seed, tuning.training.optimizer) == (3, recipe.training.optimizer)


def test_a_bundle_s_recipe_is_found_beside_it_or_by_its_name(tmp_path: Path) -> None:
    assert recipe_of("field") == load_recipe("field")
    bundle = write_bundle(tmp_path / "run" / "bundle")
    with pytest.raises(BundleError, match=r"bundle\.json: facts\.recipe: None is no shipped rec"):
        recipe_of(tmp_path / "run")
    own = load_recipe("smoke", ["seed=5"])
    (tmp_path / "run" / "recipe.toml").write_text(own.to_toml())
    assert recipe_of(tmp_path / "run") == own
    with pytest.raises(BundleError, match="name the run folder that the bundle is from"):
        recipe_of(bundle)
