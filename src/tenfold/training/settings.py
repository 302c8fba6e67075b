"""Settings of the training engine: the `[training]` table of a recipe."""

from typing import Literal

from pydantic import Field

from tenfold.artifacts.evaluation import KeepRule
from tenfold.training.optimizer import OptimizerConfig
from tenfold.training.schedule import Schedule, Stage
from tenfold.untrusted import Frozen


class TrainingConfig(Frozen):
    """Objective, optimizer and schedule."""

    stages: tuple[Stage, ...] = Field(min_length=1)
    update_every: int = Field(
        default=1, gt=0, description="iterations between changes of the hyperparameters"
    )
    evaluate_every: int = Field(gt=0, description="iterations between evaluations")
    nll_reduction: Literal["mean", "sum"] = "mean"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    keep: KeepRule = Field(
        default="last", description="which weights are kept, on the monitored set"
    )
    checkpoint_seconds: float = Field(default=20, ge=0, description="between checkpoints, at least")

    @property
    def schedule(self) -> Schedule:
        """The schedule that the stages make."""
        return Schedule(self.stages, self.update_every)
