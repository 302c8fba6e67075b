"""What more than one training leaves: sweep.json, audit.json, results of repeat and compare."""

from typing import Literal

from pydantic import Field, JsonValue

from tenfold.artifacts.base import (
    Artifact,
    Count,
    Digit,
    Finite,
    Fraction,
    Integer,
    NamedImageSet,
    Number,
    Pixels,
)

TrialStateName = Literal["complete", "pruned", "fail", "running", "waiting"]


class Spread(Artifact):
    """A figure over n independent runs; what one run cannot tell is None."""

    n: int = Field(ge=1, description="runs")
    mean: float
    low: float | None = Field(description="lower end of the mean's 95 % interval")
    high: float | None = Field(description="upper end of the mean's 95 % interval")
    deviation: float | None = Field(description="standard deviation of one run")
    least: float
    most: float

    @property
    def half(self) -> float | None:
        """Half of the interval: what stands after ±."""
        return None if self.high is None else self.high - self.mean


class Difference(Artifact):
    """Mean of b - a over n pairs; what one pair cannot tell is None."""

    n: int = Field(ge=1, description="pairs")
    mean: float
    low: float | None = Field(description="lower end of the mean's 95 % interval")
    high: float | None = Field(description="upper end of the mean's 95 % interval")
    p: float | None = Field(description="of the paired t-test (Student 1908)")


class Comparison(Artifact):
    """Set b minus set a, in pairs of one seed."""

    seeds: tuple[Integer, ...] = Field(description="those that both sets have")
    a: dict[str, Spread]
    b: dict[str, Spread]
    differences: dict[str, Difference]
    mcnemar: float | None = Field(
        description="exact p of McNemar's test, of two single runs on the same images"
    )


class TrialResult(Artifact):
    """A trial of a sweep."""

    number: Count
    state: TrialStateName
    nll_sum: Number | None = Field(
        description="calibrated, on validation images; of a pruned trial its last evaluation's"
    )
    step: Count | None = Field(description="iteration of the last evaluation")
    values: dict[str, JsonValue] = Field(description="recipe keys that the trial changed")
    seconds: Number | None
    run: str | None = Field(description="folder below trials/")
    reason: str | None = Field(description="why its recipe cannot be trained")


class Final(Artifact):
    """A trial that was trained with more seeds before the best one was chosen."""

    number: Count
    validation_nll_sum: tuple[Number, ...] = Field(description="one a seed")


class BestTrial(Artifact):
    """The trial that won the finals."""

    number: Count
    nll_sum: Number | None = Field(description="its own, before the finals")
    values: dict[str, JsonValue] = Field(description="recipe keys that it changed")
    recipe: str = Field(description="name of best.toml")


class Scores(Artifact):
    """What the bundles of one recipe score: a figure a seed."""

    validation_nll_sum: tuple[Number, ...]
    validation_accuracy: tuple[Fraction, ...]
    test_nll_sum: tuple[Number, ...]
    test_accuracy: tuple[Fraction, ...]


class FreshSeeds(Artifact):
    """The recipe that the sweep began with, and the best, with seeds that have chosen nothing."""

    baseline: Scores
    best: Scores


class PairedScores(Artifact):
    """One figure of both recipes, in pairs of one seed."""

    baseline: Spread
    best: Spread
    difference: Difference


class SweepResult(Artifact):
    """`sweep.json`: what a sweep found."""

    format: Literal[3] = 3
    recipe: str = Field(description="name of the recipe that it began with")
    study: str = Field(description="name of Optuna's study")
    trials: tuple[TrialResult, ...]
    finals: tuple[Final, ...] = Field(description="empty where one trial stands for itself")
    best: BestTrial
    importance: dict[str, Finite] = Field(
        description="each key's share in what separates good trials from the rest (PED-ANOVA)"
    )
    seeds: tuple[Integer, ...] = Field(description="the fresh ones")
    validation_images: Count
    fresh_seeds: FreshSeeds

    def count(self, state: TrialStateName) -> int:
        """Return how many trials ended in this state."""
        return sum(trial.state == state for trial in self.trials)


class Suspect(Artifact):
    """A label that confident learning doubts."""

    index: Count = Field(description="place in the set, from 0; training images first")
    label: Digit
    suggestion: Digit
    p_label: Finite = Field(description="probability of the label")
    p_suggestion: Finite = Field(description="probability of the suggestion")
    image: Pixels


class AuditResult(Artifact):
    """`audit.json`: the labels to look at, the most likely errors first."""

    format: Literal[1] = 1
    data: NamedImageSet
    recipe: str = Field(description="trained once a fold")
    folds: Count = Field(ge=2)
    accuracy: Fraction = Field(description="labels that agree with networks that never saw them")
    temperature: Finite = Field(gt=0)
    suspects: tuple[Suspect, ...]


MAX_LOSS_POINTS = 0.05
"""How many percentage points of pictures a tuned bundle may lose."""


class BeforeAndAfter(Artifact):
    """How many pictures of a set are read rightly before and after tuning."""

    name: str = Field(description="the set")
    pictures: Count
    before: Count = Field(description="right with the bundle that was tuned")
    after: Count = Field(description="right with the tuned bundle")

    @property
    def points(self) -> float:
        """What was won, in percentage points; below 0 if something was lost."""
        return 100 * (self.after - self.before) / self.pictures


class TuningResult(Artifact):
    """What `tenfold tune` prints."""

    bundle_sha256: str = Field(description="of the `bundle.json` that was tuned")
    data: NamedImageSet = Field(description="the corrections")
    folds: Count = Field(description="of the cross-validation")
    corrections: BeforeAndAfter = Field(
        description="each correction judged by networks that were tuned without it"
    )
    test_images: BeforeAndAfter = Field(description="of the data set that the bundle is from")
    foreign_sets: tuple[BeforeAndAfter, ...] = Field(description="pictures of other origin")
    seconds: Finite

    @property
    def foreign(self) -> BeforeAndAfter | None:
        """The foreign sets together; None where none can be had."""
        sets = self.foreign_sets
        if not sets:
            return None
        return BeforeAndAfter(
            name="foreign sets",
            pictures=sum(each.pictures for each in sets),
            before=sum(each.before for each in sets),
            after=sum(each.after for each in sets),
        )

    @property
    def losses(self) -> list[BeforeAndAfter]:
        """What has lost too much: the test images, or the foreign sets together."""
        measured = (self.test_images, self.foreign)
        return [each for each in measured if each and each.points < -MAX_LOSS_POINTS]
