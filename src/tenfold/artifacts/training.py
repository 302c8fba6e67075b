"""What a training leaves and reports: manifest.json, journal.jsonl, events."""

from typing import ClassVar, Literal

from pydantic import Field

from tenfold.artifacts.base import (
    Artifact,
    Count,
    Finite,
    Fraction,
    ImageSet,
    Integer,
    Number,
)

# Networks that find and read numbers, by the table of the recipe that trains one.
READER_NETWORKS = {
    "detector": "detector",
    "line": "line recogniser",
    "crop": "crop classifier",
}


class Hardware(Artifact):
    """A machine."""

    cpu: str = Field(description="the processor's name")
    cores: Integer = Field(description="cores that this process may use")
    bfloat16: Literal["amx"] | bool = Field(description="bfloat16 instructions of the processor")
    device: str = Field(description="where members are trained: cpu, cuda or mps")
    kernels: str = Field(description="instruction set of the C kernels, or none")
    memory_gb: Number | None = Field(default=None, description="main memory, GiB")
    gpu: str | None = Field(default=None, description="the graphics processor's name")


class Timings(Artifact):
    """Wall-clock times of a run, in seconds; None until the stage has ended."""

    training_seconds: Number | None = Field(default=None, description="all sessions together")
    evaluation_seconds: Number | None = Field(default=None, description="calibration included")

    @property
    def total_seconds(self) -> float:
        """The sum of the stages that have ended."""
        return (self.training_seconds or 0) + (self.evaluation_seconds or 0)


class Machine(Artifact):
    """Where something was trained or measured."""

    hardware: Hardware
    versions: dict[str, str] = Field(description="of tenfold, Python, libraries, the system")


class Manifest(Machine):
    """`manifest.json`: machine, versions, data and settings that a run began with."""

    recipe_sha256: str = Field(description="SHA-256 of recipe.toml")
    data: dict[str, ImageSet] = Field(description='by split; "also NAME" for added training sets')
    device: str = Field(description="cpu, cuda or mps")
    precision: Literal["float32", "bfloat16"] = Field(description="of matrix multiplies")
    threads: Count = Field(ge=1, description="CPU threads of the whole run")
    seed: Integer = Field(description="seed of everything random")
    started: str = Field(description="local time with zone, ISO 8601")
    parallel_members: Count | None = Field(
        default=None, description="members trained at the same time, those of other runs included"
    )
    timings: Timings = Timings()


class TrainingState(Artifact):
    """Where a training stands, whatever it trains."""

    step: Count = Field(description="iterations done")
    stage: Count = Field(description="stage of the schedule, from 0")
    learning_rate: Number
    batch_size: Count = Field(description="images")
    l2_coefficient: Number
    images: Count = Field(description="training images seen, repetitions included")
    seconds: Number = Field(description="time spent on iterations")


class TrainingRecord(TrainingState):
    """What every kind of training records at an evaluation; losses may have diverged."""

    train_nll: Number = Field(description="mean loss per image since the last evaluation, nats")
    weight_loss: Number = Field(description="mean squares of the weights, summed over layers")
    images_per_second: Number | None = Field(description="since the last evaluation")

    FIGURES: ClassVar[tuple[str, ...]] = ()

    def figures(self) -> tuple[str, ...]:
        """Return the text of each of `FIGURES`, which are shown while a network is trained."""
        return ()


class JournalRecord(TrainingRecord):
    """A line of a digit classifier's `journal.jsonl`, measured on the monitored images."""

    nll_sum: Finite = Field(description="summed negative log-likelihood, nats")
    accuracy: Fraction

    FIGURES: ClassVar[tuple[str, ...]] = ("nll_sum", "accuracy")

    def figures(self) -> tuple[str, ...]:
        """See `TrainingRecord`."""
        return f"{self.nll_sum:.1f}", f"{100 * self.accuracy:.2f} %"


class DetectionRecord(TrainingRecord):
    """A line of a detector's `journal.jsonl`, measured on rendered fields of held-out digits."""

    loss: Finite = Field(description="mean over the fields")
    recall: Fraction = Field(description="objects found with their class, of all")
    false_per_field: Number = Field(
        description="detections that are no object, or of another class"
    )
    exact: Fraction = Field(description="fields in which everything is found and nothing else")

    FIGURES: ClassVar[tuple[str, ...]] = ("loss", "exact")

    def figures(self) -> tuple[str, ...]:
        """See `TrainingRecord`."""
        return f"{self.loss:.3f}", f"{100 * self.exact:.1f} %"


class LineRecord(TrainingRecord):
    """A line of a line recogniser's `journal.jsonl`, measured on rendered held-out lines."""

    loss: Finite = Field(description="mean over the lines, nats")
    exact: Fraction = Field(description="lines that are read without a mistake")

    FIGURES: ClassVar[tuple[str, ...]] = ("loss", "exact")

    def figures(self) -> tuple[str, ...]:
        """See `TrainingRecord`."""
        return f"{self.loss:.3f}", f"{100 * self.exact:.1f} %"


class ProgressEvent(Artifact):
    """A training has moved on."""

    kind: Literal["progress"] = "progress"
    state: TrainingState


class EvaluationEvent(Artifact):
    """A training was evaluated."""

    kind: Literal["evaluation"] = "evaluation"
    record: TrainingRecord = Field(description="the line of the journal")

    @property
    def state(self) -> TrainingState:
        """Where the training stands, as in `ProgressEvent`."""
        return self.record


class TrialEvaluationEvent(EvaluationEvent):
    """A trial of a sweep was evaluated."""

    calibrated_nll_sum: Finite = Field(
        description="nll_sum at the best temperature, which the sweep minimises"
    )


class FailureEvent(Artifact):
    """A trial of a sweep cannot be trained; the other trials go on."""

    kind: Literal["failure"] = "failure"
    reason: str = Field(description="one line")


Event = ProgressEvent | EvaluationEvent | FailureEvent
