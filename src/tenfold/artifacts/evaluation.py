"""What a bundle or a reader scores: evaluation.json, and the results of `tenfold evaluate`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tenfold.artifacts.base import (
    Artifact,
    Count,
    Digit,
    Finite,
    Fraction,
    NamedImageSet,
    NonEmpty,
    Number,
    PerClass,
    Pixels,
)
from tenfold.data.pictures import Kind

KeepRule = Literal["last", "min-nll", "max-accuracy"]
SelectedOn = Literal["test", "validation", "nothing"]
# Each has a figure, or a bar of one.
MAX_MODELS = 1001
MAX_BINS = 100
MAX_POINTS = 250


class MeasuredImages(NamedImageSet):
    """The images that a bundle was measured on."""

    split: str = Field(description="test, or validation")


class ReliabilityBin(Artifact):
    """The images whose top probability lies in one bin: a bar of the reliability diagram."""

    low: Fraction
    high: Fraction
    count: Count = Field(description="images")
    confidence: Finite | None = Field(description="mean top probability; None without images")
    accuracy: Fraction | None = Field(description="fraction right; None without images")


class Metrics(Artifact):
    """Figures of any classifier on one labelled set."""

    accuracy: Fraction
    accuracy_interval: tuple[Fraction, Fraction] = Field(
        description="Wilson's 95 % interval (1927)"
    )
    errors: Count = Field(description="images misread")
    nll_sum: Number = Field(description="-Σ log p of the true class, nats; the seed's `loss_p`")
    nll: Number = Field(description="nll_sum per image, nats")
    ece: Finite = Field(
        description="expected calibration error over 15 equal bins of the top probability "
        "(Naeini, Cooper & Hauskrecht 2015)"
    )
    brier: Finite = Field(
        description="mean over images of Σ over classes of (p - [true])² (Brier 1950)"
    )
    reliability: tuple[ReliabilityBin, ...] = Field(
        max_length=MAX_BINS, description="the bins behind `ece`"
    )


class DigitMetrics(Metrics):
    """Figures of a digit classifier: also by digit."""

    recall: PerClass[Fraction | None] = Field(
        description="fraction right of each true digit; None without images"
    )
    confusion: PerClass[PerClass[Count]] = Field(description="images; rows true, columns predicted")


class ModelMetrics(DigitMetrics):
    """One member, or the ensemble."""

    name: str = Field(description='"member 1", or "ensemble"')
    step: Count | None = Field(default=None, description="iteration whose weights were kept")


class CalibrationFigures(Artifact):
    """How well probabilities fit."""

    nll_sum: Number
    ece: Finite


class OperatingPoint(Artifact):
    """What is accepted: a point of a risk-coverage curve."""

    confidence: Fraction | None = Field(
        description="the least that is accepted; None where it is not one threshold"
    )
    accepted: Count
    wrong: Count = Field(description="of these, not as labelled")

    @model_validator(mode="after")
    def _wrong_are_accepted(self) -> Self:
        if self.wrong > self.accepted:
            raise ValueError("wrong is more than accepted")
        return self


class RiskCoverage(Artifact):
    """What is wrong of what is accepted, at every threshold of confidence.

    Coverage is the share of all that is accepted, risk the share of the accepted that is wrong
    (Geifman & El-Yaniv 2017). `of` counts images, pictures, or cells of grids and tables. Where
    nothing stands and nothing was read, there is nothing to accept, and nothing is counted. Where
    something stands and nothing was read, it is wrong, with confidence 0.
    """

    of: Count = Field(ge=1, description="images, pictures or cells")
    points: NonEmpty[OperatingPoint] = Field(
        max_length=MAX_POINTS, description="the fewest accepted first; the last accepts all"
    )
    chosen: OperatingPoint = Field(description="what the bundle accepts")
    aurc: Fraction = Field(description="area under the curve: the mean risk over all coverages")
    excess_aurc: Fraction = Field(
        description="what of it an order with all mistakes last would not have "
        "(Geifman, Uziel & El-Yaniv 2019)"
    )

    @model_validator(mode="after")
    def _points_fit(self) -> Self:
        if not self.points[0].accepted or self.points[-1].accepted != self.of:
            raise ValueError("the points do not go from one to `of` accepted")
        return self


class Calibration(Artifact):
    """The headline without and with its temperature."""

    temperature: Finite = Field(gt=0)
    before: CalibrationFigures
    after: CalibrationFigures


class Disputed(Artifact):
    """Labels that a majority of human raters disputes."""

    labels: Count = Field(description="how many are disputed")
    mistakes: Count = Field(description="how many of these the headline misreads")
    accuracy_without: Fraction = Field(description="accuracy on all other images")


class Mistake(Artifact):
    """An image that the headline misreads."""

    index: Count = Field(description="place in the set, from 0")
    label: Digit
    prediction: Digit
    confidence: Finite = Field(description="probability of the prediction")
    probabilities: PerClass[Finite] = Field(description="of each digit, to six decimals")
    image: Pixels


class Evaluation(Artifact):
    """A bundle measured on labelled digits; the last of `models` is the headline."""

    format: Literal[1] = 1
    data: MeasuredImages
    models: NonEmpty[ModelMetrics] = Field(max_length=MAX_MODELS)
    calibration: Calibration | None = None
    disputed: Disputed | None = Field(
        default=None, description="None where no disputed labels are known"
    )
    risk_coverage: RiskCoverage | None = Field(
        default=None, description="of the headline; older files have none"
    )
    mistakes: tuple[Mistake, ...]

    @property
    def headline(self) -> ModelMetrics:
        """What the bundle predicts: the ensemble, or the only member."""
        return self.models[-1]


class Kept(Artifact):
    """Which weights were kept, and on which images that was decided."""

    rule: KeepRule
    selected_on: SelectedOn


class Selection(Artifact):
    """A row read off a curve: one model at the iteration that a rule picks."""

    model: str
    rule: KeepRule
    step: Count
    accuracy: Fraction
    nll_sum: Finite


class Curve(Artifact):
    """One model's figures over the iterations: three sequences of one length."""

    name: str
    step: NonEmpty[Count]
    nll_sum: NonEmpty[Finite]
    accuracy: NonEmpty[Fraction]

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if not len(self.step) == len(self.nll_sum) == len(self.accuracy):
            raise ValueError("step, nll_sum and accuracy differ in length")
        return self


class Curves(Artifact):
    """All curves of a run, and the images that they were measured on."""

    on: Literal["test", "validation"]
    images: Count = Field(ge=1)
    models: NonEmpty[Curve] = Field(max_length=MAX_MODELS)


class RunEvaluation(Evaluation):
    """`evaluation.json`: the run's bundle on test images, and how the training got there."""

    kept: Kept
    selection: tuple[Selection, ...]
    curves: Curves


class PictureSet(Artifact):
    """The pictures that a reader was measured on."""

    name: str
    kind: Kind = Field(description="how they are labelled and read")
    pictures: Count = Field(description="how many")
    sha256: str = Field(description="SHA-256 of pictures and labels")


class MisreadPicture(Artifact):
    """A picture that was not read as it is labelled."""

    index: Count = Field(description="place in the set, from 0")
    label: str
    read: str


class ReaderEvaluation(Artifact):
    """A reader measured on pictures.

    Of single digits and numbers `right` counts the pictures whose most probable text is the label;
    of grids and tables, the cells; of non-digits, the pictures without an accepted digit.
    """

    data: PictureSet
    right: Count
    of: Count = Field(description="pictures, or cells of grids and tables")
    accuracy: Fraction | None = Field(description="right / of; None without pictures")
    accuracy_interval: tuple[Fraction, Fraction] | None = Field(
        description="Wilson's 95 % interval (1927)"
    )
    mistakes: tuple[MisreadPicture, ...]
    accepted: Count = Field(
        description="pictures whose numbers are all accepted, one at least; of grids and tables, "
        "cells"
    )
    right_of_accepted: Count = Field(description="of these, read right")
    accepted_wrong_interval: tuple[Fraction, Fraction] | None = Field(
        default=None, description="Wilson's 95 % interval of accepted and wrong / of"
    )
    risk_coverage: RiskCoverage | None = Field(
        default=None,
        description="None of non-digits: all that is accepted of them is wrong",
    )
    aurc_interval: tuple[Fraction, Fraction] | None = Field(
        default=None, description="95 % percentile bootstrap (Efron 1979) over pictures or cells"
    )
