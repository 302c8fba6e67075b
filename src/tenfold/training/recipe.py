"""A recipe: everything that decides what is trained, in one TOML file."""

import difflib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from tenfold.artifacts.training import READER_NETWORKS
from tenfold.augmentation.degradations import Degradations
from tenfold.augmentation.geometric import Augmentation
from tenfold.augmentation.outlier_exposure import OutlierExposure
from tenfold.bundle.test_time_augmentation import TestTimeAugmentation
from tenfold.data.datasets import SYMBOLS
from tenfold.errors import RecipeError
from tenfold.model.config import NetworkConfig
from tenfold.model.crop_config import CropConfig
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.line_config import LineConfig
from tenfold.training.ema import EMAConfig
from tenfold.training.schedule import Schedule
from tenfold.training.settings import TrainingConfig
from tenfold.untrusted import MAX_DEPTH, Frozen, describe_fault, line_of, parse_toml, read_toml


class DataConfig(Frozen):
    """What is trained on, and what the curves are measured on."""

    spec: str = Field(default="mnist", description="a data set's name or a folder")
    also: tuple[str, ...] = Field(
        default=(), description="further sets or folders, whose training images are added"
    )
    validation: int = Field(default=0, ge=0, description="training images held out of training")
    monitor: Literal["validation", "test"] = "validation"

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets whose training images are used, each once."""
        return tuple(dict.fromkeys((self.spec, *self.also)))

    @model_validator(mode="after")
    def _monitored_set_exists(self) -> Self:
        if self.monitor == "validation" and self.validation == 0:
            raise ValueError(
                "monitor = 'validation' needs validation above 0 (or monitor = 'test')"
            )
        return self


class FieldCounts(Frozen):
    """How many rendered fields a network of the reader is measured on."""

    evaluation: int = Field(
        default=500, gt=0, description="or lines or crops, at each evaluation of a training"
    )
    calibration: int = Field(default=200, gt=0, description="of each kind, for its confidence")
    test: int = Field(default=300, gt=0, description="of each kind, for the final figures")


class Recipe(Frozen):
    """Data, network, augmentation, objective, optimizer, schedule, EMA and ensemble size."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str
    cost: str = Field(default="", description="expected time, in words")
    members: int = Field(default=1, gt=0, le=1000)
    seed: int = Field(default=0, ge=0, lt=2**63)
    initial_weights: str = Field(
        default="", description="a finished run, or a member's weights, to start from"
    )
    test_time_augmentation: TestTimeAugmentation = Field(
        default="none",
        description="variants of an image that a prediction is averaged over",
    )
    data: DataConfig
    network: NetworkConfig = NetworkConfig()
    detector: DetectorConfig | None = Field(
        default=None, description="trains a detector of digits or of cells in place of a classifier"
    )
    line: LineConfig | None = Field(
        default=None, description="trains a line recogniser in place of a classifier"
    )
    crop: CropConfig | None = Field(
        default=None, description="trains a crop classifier in place of a classifier"
    )
    fields: FieldCounts = Field(
        default=FieldCounts(),
        description="for a recipe with a table [detector], [line] or [crop] only",
    )
    augmentation: Augmentation = Augmentation()
    degradations: Degradations = Degradations()
    outlier_exposure: OutlierExposure = OutlierExposure()
    ema: EMAConfig = EMAConfig()
    training: TrainingConfig

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        tables = self.reader_tables
        if len(tables) > 1:
            raise ValueError(f"a recipe has a [{tables[0]}] or a [{tables[1]}] table, not both")
        if self.members > 1 and (self.line or self.crop):
            raise ValueError(f"a {READER_NETWORKS[tables[0]]} is one network: members = 1")
        used = OutlierExposure(symbols=self.outlier_exposure.symbols if self.crop else 0.0)
        if tables and self.outlier_exposure != used:
            may = "set symbols alone in" if self.crop else "leave out"
            what = READER_NETWORKS[tables[0]]
            raise ValueError(f"a {what} learns from rendered fields: {may} outlier_exposure")
        return self

    @property
    def reader_tables(self) -> list[str]:
        """The tables of `READER_NETWORKS` that it has: one, or none."""
        return [name for name in READER_NETWORKS if getattr(self, name)]

    @property
    def is_classifier(self) -> bool:
        """Whether it trains classifiers of digits, not a network that finds or reads numbers."""
        return not self.reader_tables

    def require_classifier(self) -> None:
        """Refuse a recipe that trains a network that finds or reads numbers.

        Raises:
            RecipeError: it is one.
        """
        if tables := self.reader_tables:
            what = READER_NETWORKS[tables[0]]
            raise RecipeError(
                f"{self.name}: trains a {what}; name a recipe of a classifier, such as swift"
            )

    @property
    def schedule(self) -> Schedule:
        """The schedule that the stages make."""
        return self.training.schedule

    @property
    def selected_on(self) -> Literal["nothing", "validation", "test"]:
        """What the kept weights were chosen on."""
        return "nothing" if self.training.keep == "last" else self.data.monitor

    @property
    def data_sets(self) -> tuple[str, ...]:
        """The sets whose training images are used, with that of the non-digits."""
        has_non_digits = self.is_classifier or self.crop is not None
        uses_symbols = has_non_digits and self.outlier_exposure.symbols > 0
        return self.data.sets + ((SYMBOLS,) if uses_symbols else ())

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML that `load_recipe` reads back to an equal one."""
        without = {"fields"} if self.is_classifier else set()
        return tomli_w.dumps(self.model_dump(mode="json", exclude=without, exclude_none=True))

    def changed(self, values: Mapping[str, Any]) -> "Recipe":
        """Return this recipe with other values at dotted keys, as `training.stages.0.iterations`.

        Raises:
            RecipeError: there is no such key, or the recipe does not allow its value.
        """
        document = self.model_dump(mode="json", exclude_none=True)
        shown = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        for (key, value), change in zip(values.items(), shown, strict=True):
            _set(document, key, value, change)
        return _checked(document, Path(self.name), "", shown)


def shipped() -> dict[str, Path]:
    """Return the recipes that come with tenfold, by name."""
    folder = Path(str(resources.files("tenfold") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(recipe: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a shipped recipe by name, or a TOML file, and apply `key.path=value` overrides.

    A file may say `extends = "swift"`: it then overrides keys of that shipped recipe.

    Raises:
        RecipeError: no such recipe, not TOML, or a key or value that is not allowed.
    """
    path, text, document = _read(recipe)
    for override in overrides:
        _override(document, override)
    return _checked(document, path, text, overrides)


def _checked(document: dict[str, Any], path: Path, text: str, overrides: Sequence[str]) -> Recipe:
    """Check a document and return its recipe."""
    try:
        # Strict: a "2" or a true where an integer belongs is a mistake, not an integer.
        return Recipe.model_validate_json(json.dumps(document, default=str), strict=True)
    except ValidationError as error:
        raise RecipeError(_explain(error, path, text, overrides)) from error


def _read(recipe: str | Path) -> tuple[Path, str, dict[str, Any]]:
    """Find a recipe; return its path, its text, and its keys over those that it extends."""
    path = shipped().get(str(recipe), Path(recipe))
    if path.suffix != ".toml":
        close = difflib.get_close_matches(str(recipe), shipped(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise RecipeError(
            f"{recipe}: no such recipe{hint} (see `tenfold recipes`, or name a .toml file)"
        )
    text, document = read_toml(path, RecipeError)
    base = document.pop("extends", None)
    if base is None:
        return path, text, document
    if base not in list(shipped()):
        raise RecipeError(
            f"{path}: extends: {base} is not a shipped recipe (see `tenfold recipes`)"
        )
    return path, text, _merged(_read(base)[2], document)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes`: tables are merged key by key, other values are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged


def _override(document: dict[str, Any], override: str) -> None:
    """Apply `KEY=VALUE`; the value is TOML, or else a bare string."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise RecipeError(
            f"--set {override}: expected KEY=VALUE, as in training.stages.0.iterations=100"
        )
    try:
        parsed = parse_toml(f"value = {value}")["value"]
    except ValueError:
        parsed = value
    _set(document, key.strip(), parsed, override)


def _set(document: dict[str, Any], key: str, value: object, override: str) -> None:
    """Set one dotted key; numbers index lists."""
    *parents, last = key.split(".", MAX_DEPTH)
    node: Any = document
    try:
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise RecipeError(f"--set {override}: there is no {key} in the recipe") from error


def _explain(error: ValidationError, path: Path, text: str, overrides: Sequence[str]) -> str:
    """Turn the first problem into one line: file, line if it can be found, key, fix."""
    location, message = describe_fault(error, Recipe)
    key = ".".join(map(str, location)) or "recipe"
    for override in reversed(overrides):
        changed = override.partition("=")[0].strip()
        if f"{changed}.".startswith(f"{key}.") or f"{key}.".startswith(f"{changed}."):
            return f"--set {override}: {key}: {message}"
    line = line_of(text, location)
    return f"{path}{f':{line}' if line else ''}: {key}: {message}"
