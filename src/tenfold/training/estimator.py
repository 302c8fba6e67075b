"""A scikit-learn classifier: arrays in, arrays out, for pipelines and cross-validation."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits, concatenate
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.data.normalization import resize_matrix
from tenfold.model.config import NetworkConfig
from tenfold.model.network import DigitNetwork
from tenfold.training.digits import digit_task
from tenfold.training.fine_tuning import FineTuning, fine_tune, recipe_of, rehearsal
from tenfold.training.hardware import choose_placement
from tenfold.training.recipe import Recipe, load_recipe
from tenfold.training.trainer import Trainer

PREDICTION_BATCH = 500
WHITE = 255
MIN_WHITE = 128
"""Features whose largest value lies between this and 255 are taken for pixels of 0 … 255."""


class DigitClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # has no types
    """One network of a recipe, trained on arrays.

    X is [n, features]: the pixels of square images, row by row, as `load_digits(flatten=True)` of
    other libraries has them. 784 features in 0 … 255 are MNIST's images and are taken as they are;
    other numbers of features are put into the smallest square that holds them, which is resized to
    28×28; the least training value becomes black and the largest white. Labels may be of any kind,
    at most ten different ones.

    `partial_fit` trains on: what it is given is learned as corrections, while what the network was
    trained on is replayed, so that it is not forgotten. For that `fit` keeps its images.

    All of scikit-learn's own checks pass. Probabilities are computed in float64: in float32 their
    seventh digit depends on the number of rows that are predicted together.

    Args:
        recipe: a shipped recipe's name or a TOML file; its ensemble size and data set are ignored.
        bundle: a bundle folder, or a shipped bundle's name, whose first network `partial_fit`
            starts from; the data that it was trained on is replayed. `fit` trains the recipe.
        iterations: of all stages together, which are scaled to fit; the recipe's own if None.
            `partial_fit` takes as many, but at most 100.
        device: auto, cpu, cuda or mps.
        random_state: seed of weights, order and augmentation.

    Attributes:
        classes_: the labels, sorted.
        n_features_in_: features of X.
    """

    def __init__(
        self,
        recipe: str = "swift",
        *,
        bundle: str | None = None,
        iterations: int | None = None,
        device: str = "auto",
        random_state: Any = 0,  # noqa: ANN401 - whatever scikit-learn takes
    ) -> None:
        self.recipe = recipe
        self.bundle = bundle
        self.iterations = iterations
        self.device = device
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803 - scikit-learn's names
        """Train on X [n, features] and labels y [n].

        Raises:
            ValueError: not finite, not of one length, one class only or more than ten.
            TenfoldError: no such recipe or device, or the recipe trains no classifier.
        """
        features, labels = validate_data(self, X, y)
        check_classification_targets(labels)
        self._start(features, labels)
        return self._train(features, labels)

    def partial_fit(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn corrections X [n, features] with labels y [n], beside what was learned before.

        Without a bundle, the first call trains as `fit` does. With one, the classes are the digits
        0 … 9, and 784 features are images as the bundle's networks see them.

        Args:
            X: as `fit` takes it; n may be 1.
            y: labels, each one of `classes`.
            classes: all labels that there are; needed by the first call without a bundle.

        Raises:
            ValueError: a label that is not one of the classes, or no classes.
            TenfoldError: the bundle or its training data cannot be had.
        """
        first = not hasattr(self, "_state")
        features, labels = validate_data(self, X, y, reset=first)
        check_classification_targets(labels)
        if first and self.bundle is not None:
            self._start(features, np.arange(CLASSES))
            network = Bundle.load(self.bundle).networks[0]
            self._keep(network.config, network.state_dict())
            self._replayed: Digits | None = None
        elif first:
            if classes is None:
                raise ValueError("classes: name all labels in the first call of partial_fit")
            self._start(features, np.asarray(classes))
            return self._train(features, labels)
        return self._fine_tune(features, labels)

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the probability of each of `classes_`: float64 [n, classes].

        Raises:
            NotFittedError: `fit` has not been called.
            ValueError: X is not like the one that was fitted.
        """
        check_is_fitted(self)
        images = torch.from_numpy(self._images(validate_data(self, X, reset=False)))
        network = self._network().double().set_compute_dtype(torch.float64)
        with torch.inference_mode():
            chunks = torch.split(images, PREDICTION_BATCH)
            logits = torch.cat([network(chunk.double() / WHITE) for chunk in chunks])
            known = logits[:, : len(self.classes_)]
        probabilities: npt.NDArray[np.float64] = known.softmax(dim=1).numpy()
        return probabilities

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Return the most probable label of each row of X."""
        check_is_fitted(self)  # before `classes_` is asked for
        probabilities = self.predict_proba(X)
        labels: npt.NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def _start(self, features: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
        """Learn which classes there are, and which value is black and which white."""
        self.classes_ = np.unique(labels)
        if len(self.classes_) == 1:
            raise ValueError("y has one class; a classifier needs at least two")
        if len(self.classes_) > CLASSES:
            raise ValueError(f"y has {len(self.classes_)} classes; the network has {CLASSES}")
        self._low, self._range = float(features.min()), float(np.ptp(features))
        self._corrections: list[Digits] = []

    def _train(self, features: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """Train the recipe on everything."""
        digits = self._replayed = self._digits(features, labels)
        recipe = self._recipe()
        where = choose_placement(self.device)
        task = digit_task(recipe, 0, digits, device=where.device)
        trainer = Trainer(task, recipe.training, recipe.ema, where.dtype)
        while trainer.step_count < trainer.schedule.iterations:
            trainer.step()
        self._keep(recipe.network, trainer.state_dict())
        return self

    def _fine_tune(self, features: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """Train on with corrections."""
        self._corrections = [*self._corrections, self._digits(features, labels)]
        settings, seed = FineTuning(), self._seed()
        iterations = min(self.iterations or settings.iterations, settings.iterations)
        settings = replace(settings, iterations=iterations)
        of_bundle = self._replayed is None
        recipe = recipe_of(str(self.bundle)) if of_bundle else load_recipe(self.recipe)
        known = rehearsal(recipe, settings, seed, self._replayed)
        tuned = fine_tune(
            self._network(),
            concatenate(self._corrections),
            known,
            settings,
            seed=seed,
            device=self.device,
        )
        self._keep(self._config, tuned.state_dict())
        return self

    def _network(self) -> DigitNetwork:
        network = DigitNetwork(self._config).eval()
        network.load_state_dict({k: torch.from_numpy(v) for k, v in self._state.items()})
        return network

    def _keep(self, config: NetworkConfig, state: Mapping[str, torch.Tensor]) -> None:
        """Keep a network as plain arrays, which can be pickled without torch's storages."""
        self._config = config
        self._state = {name: tensor.cpu().numpy() for name, tensor in state.items()}

    def _digits(self, features: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Digits:
        """Turn rows of features and labels into images and codes."""
        codes = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if (unknown := self.classes_[codes] != labels).any():
            raise ValueError(
                f"y has {labels[unknown].tolist()[0]!r}, which is not one of the classes"
            )
        images = torch.from_numpy(self._images(features))
        return Digits(images, torch.from_numpy(codes.astype(np.int64)), "X", "an array")

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    def _recipe(self) -> Recipe:
        """Return the recipe with this seed and this length."""
        recipe = load_recipe(self.recipe)
        recipe.require_classifier()
        scale = (self.iterations or recipe.schedule.iterations) / recipe.schedule.iterations
        lengths = {
            f"training.stages.{k}.iterations": max(1, round(scale * stage.iterations))
            for k, stage in enumerate(recipe.training.stages)
        }
        return recipe.changed({"seed": self._seed(), **lengths})

    def _images(self, features: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Turn rows of features into images uint8 [n, 28, 28]."""
        n, given = features.shape
        if (
            given == SIDE * SIDE
            and self._low >= 0
            and MIN_WHITE <= self._low + self._range <= WHITE
        ):
            whole: npt.NDArray[np.uint8] = np.rint(features).clip(0, WHITE).astype(np.uint8)
            return whole.reshape(n, SIDE, SIDE)
        scaled = (features - self._low) * (WHITE / (self._range or 1))
        side = math.isqrt(given - 1) + 1
        square = np.zeros((n, side * side))
        square[:, :given] = scaled.clip(0, WHITE)
        stretch = resize_matrix(SIDE, side)
        stretched = stretch @ square.reshape(n, side, side) @ stretch.T
        images: npt.NDArray[np.uint8] = np.rint(stretched).clip(0, WHITE).astype(np.uint8)
        return images
