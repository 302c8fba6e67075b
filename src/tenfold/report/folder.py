"""A finished run as the report reads it: files only, checked on the way in."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic import model_validator as validates

from tenfold.errors import RunError

T = TypeVar("T")
Ten = Annotated[list[T], Field(min_length=10, max_length=10)]
Digit = Annotated[int, Field(ge=0, le=9)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Data(_Part):
    """The images that the kept weights were measured on."""

    name: str
    split: str
    images: int
    sha256: str


class Kept(_Part):
    """Which weights were kept, and on which images that was decided."""

    rule: Literal["last", "min-nll", "max-accuracy"]
    selected_on: Literal["test", "validation", "nothing"]


class Bin(_Part):
    """One bar of the reliability diagram."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


class Model(_Part):
    """One member, or the ensemble: kept weights measured on `Data`."""

    name: str
    step: int | None = None
    accuracy: float
    accuracy_interval: tuple[float, float]
    errors: int
    nll_sum: float
    nll: float
    ece: float
    brier: float
    recall: Ten[float | None]
    confusion: Ten[Ten[int]]
    reliability: list[Bin]


class Selection(_Part):
    """A row read off a curve."""

    model: str
    rule: Literal["last", "min-nll", "max-accuracy"]
    step: int
    accuracy: float
    nll_sum: float


class Curve(_Part):
    """One model's figures over the iterations: three lists of one length."""

    name: str
    step: Annotated[list[int], Field(min_length=1)]
    nll_sum: list[float]
    accuracy: list[float]

    @validates(mode="after")
    def _one_length(self) -> Self:
        if not len(self.step) == len(self.nll_sum) == len(self.accuracy):
            raise ValueError("step, nll_sum and accuracy differ in length")
        return self


class Curves(_Part):
    """All curves of a run, and the images that they were measured on."""

    on: Literal["test", "validation"]
    images: int
    models: Annotated[list[Curve], Field(min_length=1)]


class Mistake(_Part):
    """An image that the headline model misreads; `image` is uint8[784], 255 the ink."""

    index: int
    label: Digit
    prediction: Digit
    confidence: float
    probabilities: Ten[float]
    image: Annotated[Base64Bytes, Field(min_length=784, max_length=784)]


class Score(_Part):
    """How well probabilities fit."""

    nll_sum: float
    ece: float


class Calibration(_Part):
    """The headline without and with its temperature."""

    temperature: float
    before: Score
    after: Score


class Disputed(_Part):
    """Labels that people dispute: how many, how many of them the headline misreads."""

    labels: int
    mistakes: int
    accuracy_without: float


class Evaluation(_Part):
    """`evaluation.json`; the last of `models` is the headline."""

    format: Literal[1]
    data: Data
    kept: Kept
    models: Annotated[list[Model], Field(min_length=1)]
    calibration: Calibration | None = None
    disputed: Disputed | None = None
    selection: list[Selection]
    curves: Curves
    mistakes: list[Mistake]

    @property
    def headline(self) -> Model:
        """The model that the run stands for: the ensemble, or the only member."""
        return self.models[-1]


class Record(_Part):
    """One line of a member's journal, as far as the report draws it."""

    step: int
    stage: int
    learning_rate: float
    batch_size: float
    l2_coefficient: float
    weight_loss: float


@dataclass(frozen=True)
class RunFolder:
    """Everything that the report shows of a run."""

    path: Path
    recipe_toml: str
    recipe: dict[str, Any]
    manifest: dict[str, Any]
    evaluation: Evaluation
    journal: list[Record]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def training_seconds(self) -> float | None:
        """How long it trained, if the manifest says so."""
        timings = self.manifest.get("timings")
        seconds = timings.get("training_seconds") if isinstance(timings, dict) else None
        return float(seconds) if isinstance(seconds, int | float) else None

    @property
    def stages(self) -> list[int]:
        """The iterations at which a new stage begins."""
        pairs = zip(self.journal, self.journal[1:], strict=False)
        return [a.step for a, b in pairs if a.stage != b.stage]


def read_run(path: Path) -> RunFolder:
    """Read a finished run.

    Raises:
        RunError: a file is missing or not what it should be.
    """
    if not path.is_dir():
        raise RunError(f"{path}: no such folder; name a run that `tenfold train` made")
    mend = f"`tenfold train --resume --out {path}` writes it anew"
    toml = _text(path / "recipe.toml", "name a run folder that `tenfold train` made")
    try:
        recipe = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise RunError(f"{path / 'recipe.toml'}: not valid TOML: {error}") from error
    lines = _text(path / "members/00/journal.jsonl", mend).splitlines()
    return RunFolder(
        path=path,
        recipe_toml=toml,
        recipe=recipe,
        manifest=_parse(TypeAdapter(dict[str, Any]), path / "manifest.json", mend),
        evaluation=_parse(TypeAdapter(Evaluation), path / "evaluation.json", mend),
        journal=_check(
            TypeAdapter(Annotated[list[Record], Field(min_length=1)]),
            f"[{','.join(lines)}]",
            path / "members/00/journal.jsonl",
            "delete members/00 and train the member again",
        ),
    )


def _text(path: Path, mend: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); {mend}") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: not text; {mend}") from error


def _parse(type_: TypeAdapter[T], path: Path, mend: str) -> T:
    return _check(type_, _text(path, mend), path, mend)


def _check(type_: TypeAdapter[T], text: str, path: Path, mend: str) -> T:
    try:
        return type_.validate_python(json.loads(text))
    except json.JSONDecodeError as error:
        raise RunError(f"{path}: not valid JSON ({error.msg}); {mend}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "all of it"
        raise RunError(f"{path}: {field}: {first['msg']}; {mend}") from error
