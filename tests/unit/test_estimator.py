"""The scikit-learn classifier: its own checks, and digits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_bundles import made_network
from sklearn.datasets import load_digits as optical
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tenfold import Bundle, DigitClassifier, Digits, NetworkConfig, load_digits
from tenfold.bundle.format import BundleConfig, BundleFacts
from tenfold.bundle.save import save_bundle
from tenfold.errors import RecipeError

QUICK = Path(__file__).with_name("quick.toml")
CHECKED = Path(__file__).with_name("checked.toml")


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [DigitClassifier(str(CHECKED))]
)
@pytest.mark.filterwarnings("ignore")  # checks provoke them
def test_scikit_learn_s_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_images_of_any_size_are_learnt() -> None:
    images, labels = optical(return_X_y=True)
    training, test, expected, answers = train_test_split(images, labels, random_state=0)
    classifier = DigitClassifier(str(QUICK), iterations=100).fit(training, expected)
    assert classifier.score(test, answers) > 0.93
    probabilities = classifier.predict_proba(test)
    assert probabilities.shape == (len(test), 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_pixels_of_28_by_28_are_taken_as_they_are() -> None:
    digits = load_digits("synthetic", "train").subset(range(400))
    flat = digits.images.numpy().reshape(400, -1)
    names = np.array(list("abcdefghij"))[digits.labels.numpy()]
    classifier = DigitClassifier(str(QUICK), iterations=5).fit(flat, names)
    np.testing.assert_array_equal(classifier._images(flat), digits.images.numpy())
    assert set(classifier.predict(flat[:50])) <= set("abcdefghij")
    # As floats in [0, 1] they are the same pictures, and train the same network.
    again = DigitClassifier(str(QUICK), iterations=5).fit(flat / 255, names)
    np.testing.assert_array_equal(again._images(flat / 255), digits.images.numpy())
    np.testing.assert_array_equal(again.predict_proba(flat / 255), classifier.predict_proba(flat))


def test_a_recipe_of_a_detector_is_refused() -> None:
    with pytest.raises(RecipeError, match="page: trains a detector"):
        DigitClassifier("page").fit(np.eye(64), np.arange(64) % 10)


def test_the_seed_decides_the_network() -> None:
    digits = load_digits("synthetic", "train").subset(range(100))
    flat, labels = digits.images.numpy().reshape(100, -1), digits.labels.numpy()

    def trained(seed: int) -> Any:
        made = DigitClassifier(str(QUICK), iterations=3, random_state=seed).fit(flat, labels)
        return made.predict_proba(flat)

    np.testing.assert_array_equal(trained(1), trained(1))
    assert np.abs(trained(1) - trained(2)).max() > 1e-3


def test_it_goes_into_pipelines_and_cross_validation() -> None:
    images, labels = optical(return_X_y=True)
    pipeline = make_pipeline(MinMaxScaler(), DigitClassifier(str(QUICK), iterations=60))
    assert cross_val_score(pipeline, images[:600], labels[:600], cv=2).mean() > 0.8


def test_more_than_ten_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="11 classes; the network has 10"):
        DigitClassifier().fit(np.eye(11), np.arange(11))


def crossed_sevens(digits: Digits) -> tuple[Any, Any]:
    """Return rows and labels of a writer who crosses every 7."""
    chosen = digits.subset(torch.nonzero(digits.labels == 7)[:, 0])
    images = chosen.images.clone()
    images[:, 13:15, 2:26] = 255
    return images.numpy().reshape(len(images), -1), chosen.labels.numpy()


def test_corrections_are_learned_and_the_rest_is_kept() -> None:
    digits = load_digits("synthetic", "train").subset(range(600))
    flat, labels = digits.images.numpy().reshape(600, -1), digits.labels.numpy()
    classifier = DigitClassifier(str(QUICK), iterations=100).fit(flat, labels)
    images, answers = crossed_sevens(digits)
    before, others = classifier.score(images[20:], answers[20:]), classifier.score(flat, labels)
    assert before < 0.8
    classifier.set_params(iterations=40)
    assert classifier.partial_fit(images[:20], answers[:20]) is classifier
    assert 1 - classifier.score(images[20:], answers[20:]) < (1 - before) / 2
    assert classifier.score(flat, labels) > others - 0.01
    with pytest.raises(ValueError, match="y has 12, which is not one of the classes"):
        classifier.partial_fit(images[:3], [7, 12, 7])


def test_the_first_call_of_partial_fit_trains_with_the_classes_that_it_names() -> None:
    digits = load_digits("synthetic", "train").subset(range(100))
    flat, labels = digits.images.numpy().reshape(100, -1), digits.labels.numpy()
    with pytest.raises(ValueError, match="classes: name all labels"):
        DigitClassifier(str(QUICK)).partial_fit(flat, labels)
    few = labels < 7
    part = DigitClassifier(str(QUICK)).partial_fit(flat[few], labels[few], classes=range(10))
    assert part.classes_.tolist() == list(range(10))
    fitted = DigitClassifier(str(QUICK)).fit(flat, labels)
    whole = DigitClassifier(str(QUICK)).partial_fit(flat, labels, classes=range(10))
    np.testing.assert_array_equal(whole.predict_proba(flat), fitted.predict_proba(flat))


def test_a_bundle_s_network_is_trained_on(tmp_path: Path) -> None:
    config = NetworkConfig(widths=(4,), fully_connected=(), normalisation="batch")
    network = made_network(config, 0)
    facts = BundleFacts(recipe="smoke", data="synthetic")
    bundle = BundleConfig(name="one", members=(config,), facts=facts)
    save_bundle(tmp_path, bundle, [network.state_dict()], "")
    digits = load_digits("synthetic", "test").subset(range(30))
    flat, labels = digits.images.numpy().reshape(30, -1), digits.labels.numpy()
    classifier = DigitClassifier(bundle=str(tmp_path), iterations=1)
    with pytest.raises(NotFittedError):
        classifier.predict(flat)
    classifier.partial_fit(flat[:3], labels[:3])
    assert classifier.classes_.tolist() == list(range(10))
    expected = Bundle.load(tmp_path).probabilities(digits.images)
    # One iteration moves the weights a little: they are the bundle's, not drawn ones.
    difference = np.abs(classifier.predict_proba(flat) - expected).max()
    assert 0 < difference < 0.1
