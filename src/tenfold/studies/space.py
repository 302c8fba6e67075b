"""What a sweep may change: a TOML file that gives recipe keys a range or choices.

"training.stages.1.learning_rate.start" = { low = 0.001, high = 0.02, log = true }
"training.optimizer.muon" = { low = 5.0, high = 60.0, step = 5.0 }
"network.pooling" = { choices = ["mixed", "max"] }
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tenfold.artifacts.training import READER_NETWORKS
from tenfold.errors import RecipeError
from tenfold.training.recipe import Recipe
from tenfold.untrusted import read_toml

# What trials must share to be compared, or what makes no difference to one network's curve.
FIXED = (
    *("name", "description", "cost", "members", "seed", "test_time_augmentation", "data"),
    *READER_NETWORKS,
    "fields",
)
FORMS = "expected { low, high, log?, step? } or { choices = [...] }"

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Space:
    """Recipe keys and what each may be; Optuna's distributions, and the recipe they change."""

    recipe: Recipe
    text: str
    distributions: dict[str, BaseDistribution]
    choices: dict[str, dict[str, Any]]

    def applied(self, parameters: Parameters) -> Recipe:
        """Return the recipe with a trial's parameters.

        Raises:
            RecipeError: together they make no recipe.
        """
        return self.recipe.changed(self.values(parameters))

    def values(self, parameters: Parameters) -> dict[str, Any]:
        """Return what a trial's parameters stand for in the recipe, by key."""
        return {
            key: self.choices[key][value] if key in self.choices else value
            for key, value in parameters.items()
        }

    def own(self) -> dict[str, Any] | None:
        """Return the parameters that the recipe has already; None if the space excludes one."""
        document = self.recipe.model_dump(mode="json")
        own: dict[str, Any] = {}
        for key, distribution in self.distributions.items():
            value = _value(document, key)
            labels = self.choices.get(key)
            own[key] = next((n for n, v in labels.items() if v == value), None) if labels else value
            try:
                if not distribution._contains(distribution.to_internal_repr(own[key])):  # noqa: SLF001
                    return None
            except (TypeError, ValueError):
                return None
        return own


def load_space(path: Path, recipe: Recipe) -> Space:
    """Read a space; every end and every choice is tried on the recipe.

    Raises:
        RecipeError: not TOML, no such key, or a range or choice that the recipe does not allow; or
            the recipe trains no classifier.
    """
    recipe.require_classifier()
    text, document = read_toml(path, RecipeError)
    distributions: dict[str, BaseDistribution] = {}
    choices: dict[str, dict[str, Any]] = {}
    own = recipe.model_dump(mode="json")
    for key, entry in _entries(document):
        if key.partition(".")[0] in FIXED:
            raise RecipeError(f"{path}: {key}: is the same in all trials of a sweep; leave it out")
        try:
            if "choices" in entry:
                choices[key] = {json.dumps(choice): choice for choice in _choices(entry)}
                tried = list(choices[key].values())
                distributions[key] = CategoricalDistribution(list(choices[key]))
            else:
                tried = [entry["low"], entry["high"]]
                distributions[key] = _range(entry, _value(own, key))
        except (ArithmeticError, KeyError, TypeError, ValueError, UserWarning) as error:
            raise RecipeError(f"{path}: {key}: {_reason(error)}") from error
        for value in tried:
            try:
                recipe.changed({key: value})
            except RecipeError as error:
                raise RecipeError(f"{path}: {str(error).removeprefix('--set ')}") from error
    if not distributions:
        raise RecipeError(f"{path}: empty; give at least one recipe key a range or choices")
    return Space(recipe, text, distributions, choices)


def _entries(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every key with its range or choices; keys may be quoted, or be tables of tables."""
    for name, value in node.items():
        key = prefix + name
        if not isinstance(value, dict):
            yield key, {}
        elif value.keys() & {"low", "high", "log", "step", "choices"} or not value:
            yield key, value
        else:
            yield from _entries(value, f"{key}.")


def _choices(entry: Mapping[str, Any]) -> list[Any]:
    if len(entry) > 1 or not isinstance(entry["choices"], list) or not entry["choices"]:
        raise ValueError(FORMS)
    return list(entry["choices"])


def _range(entry: Mapping[str, Any], own: object) -> BaseDistribution:
    """Return a range of whole numbers where the recipe has one, and of real ones elsewhere."""
    numbers = [value for name, value in entry.items() if name != "log"]
    if not all(type(number) in {int, float} for number in numbers):
        raise ValueError(FORMS)
    if not entry.keys() <= {"low", "high", "log", "step"}:
        raise ValueError(FORMS)
    log = entry.get("log", False)
    if not isinstance(log, bool):
        raise TypeError("log is true or false")
    whole = type(own) is int and all(type(number) is int for number in numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a range that is no whole number of steps
        if whole:
            return IntDistribution(entry["low"], entry["high"], log=log, step=entry.get("step", 1))
        low, high, step = float(entry["low"]), float(entry["high"]), entry.get("step")
        return FloatDistribution(low, high, log=log, step=step)


def _reason(error: Exception) -> str:
    """Say in one line what is wrong with an entry."""
    if isinstance(error, ArithmeticError):
        return "step is too small for the range"
    return FORMS if isinstance(error, KeyError) else " ".join(str(error).split())


def _value(document: object, key: str) -> Any:  # noqa: ANN401 - whatever the recipe has there
    """Return what a document has at a dotted key, None if nothing."""
    node: Any = document
    for part in key.split("."):
        try:
            node = node[int(part)] if isinstance(node, list) else node[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return node
